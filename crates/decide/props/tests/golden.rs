//! Our answers beside those of a real Spring Cloud Config Server (4.3.0, Spring Boot 3.5.6, SnakeYAML 2.4) on
//! the same repository, recorded in `golden/answers.jsonl`. `golden/repo` is that repository's work tree, which
//! stood at `/srv/config-repo`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use haechi_props::{
    Entry, Limits, Naming, Placeholders, PropertySource, Request, Resolution, Tree, Value, forms, overlay,
    resolve,
};
use serde_json::Value as Json;

const V2: &str = "application/vnd.spring-cloud.config-server.v2+json";

fn golden() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}

fn tree() -> Tree {
    fn walk(directory: &Path, files: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else {
                let name = path.strip_prefix(golden().join("repo")).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    walk(&golden().join("repo"), &mut files);
    Tree::new(files, Limits::default())
}

/// Where we differ on purpose; docs/contracts-notes.md has the reasons.
const DIFFERENT: [&str; 7] = [
    "/includes/default", // 4.3 takes includes for the default profile, later versions (and we) do not
    "/xmlapp",           // Java's XML properties come in the order of a hash table
    "/listnum",          // a number as key inside a list: Spring fails, we serve it
    "/oldprofile",       // spring.profiles as a condition: Boot 3 fails, we understand it
    "/places-dev,db.yml", // 4.3 resolves in the dumped text, later versions (and we) in the values
    "/places-dev,db.json",
    "/-dev.yml", // no application, no profile: Spring searches nowhere
];

struct Answer {
    path: String,
    accept: Option<String>,
    status: u64,
    body: String,
}

fn answers() -> Vec<Answer> {
    let text = fs::read_to_string(golden().join("answers.jsonl")).unwrap();
    let answer = |line: &str| {
        let json: Json = serde_json::from_str(line).unwrap();
        Answer {
            path: json["path"].as_str().unwrap().to_owned(),
            accept: json["accept"].as_str().map(str::to_owned),
            status: json["status"].as_u64().unwrap(),
            body: json["body"].as_str().unwrap().to_owned(),
        }
    };
    let known = |answer: &Answer| !DIFFERENT.iter().any(|path| answer.path.starts_with(path));
    text.lines().map(answer).filter(known).collect()
}

fn ask(tree: &Tree, applications: &str, profiles: &str) -> Resolution {
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    let search_paths = ["sub".to_owned(), "teams/*".to_owned()];
    let naming = Naming::Git { uri: "file:///srv/config-repo", workdir: "/srv/config-repo" };
    let request = Request {
        applications: list(applications),
        profiles: list(profiles),
        label: "main",
        search_paths: &search_paths,
        naming,
    };
    resolve(&request, tree)
}

/// A source as lines that tell apart whatever a client could.
fn shown(sources: &[PropertySource]) -> Vec<String> {
    let mut lines = Vec::new();
    for source in sources {
        lines.push(format!("# {}", source.name));
        for (key, Entry { value, origin }) in source.source.iter() {
            let value = match value {
                Value::Text(text) => Json::from(text.as_str()).to_string(),
                Value::Float(number) if !number.is_finite() => format!("\"{value}\""),
                other => number(&other.to_string()),
            };
            let origin = origin.map_or("nowhere".to_owned(), |origin| origin.to_string());
            lines.push(format!("{key} = {value} @ {origin}"));
        }
    }
    lines
}

fn shown_json(document: &Json) -> Vec<String> {
    let mut lines = Vec::new();
    for source in document["propertySources"].as_array().unwrap() {
        lines.push(format!("# {}", source["name"].as_str().unwrap()));
        for (key, value) in source["source"].as_object().unwrap() {
            let origin = value["origin"].as_str().unwrap_or("nowhere");
            let value = match value.get("value").unwrap_or(value) {
                Json::Number(digits) => number(&digits.to_string()),
                other => other.to_string(),
            };
            lines.push(format!("{key} = {value} @ {origin}"));
        }
    }
    lines
}

/// serde_json reads what exceeds 64 bits as a float; the flat forms compare the digits.
fn number(digits: &str) -> String {
    match digits.parse::<i64>() {
        Ok(_) => digits.to_owned(),
        Err(_) => digits.parse::<f64>().map_or_else(|_| digits.to_owned(), |number| format!("{number:?}")),
    }
}

/// `/app/profiles` to its parts; none for other forms.
fn environment(path: &str) -> Option<(&str, &str)> {
    let (application, profiles) = path.strip_prefix('/')?.split_once('/')?;
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == ',');
    (plain(application) && plain(profiles)).then_some((application, profiles))
}

/// `/app-profiles.extension[?resolvePlaceholders=false]` to its parts.
fn flat(path: &str) -> Option<(&str, &str, &str, bool)> {
    let (path, query) = path.split_once('?').map_or((path, ""), |(path, query)| (path, query));
    let (stem, extension) = path.strip_prefix('/')?.rsplit_once('.')?;
    let (application, profiles) = stem.rsplit_once('-').filter(|(_, profiles)| !profiles.is_empty())?;
    (!stem.contains('/') && !stem.contains('%')).then_some((
        application,
        profiles,
        extension,
        query.is_empty(),
    ))
}

fn first_difference(path: &str, ours: &[String], theirs: &[String]) -> Option<String> {
    let at = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at))?;
    Some(format!("{path}\n  ours:   {:?}\n  theirs: {:?}", ours.get(at), theirs.get(at)))
}

#[test]
fn environments_have_springs_sources_keys_values_and_origins() {
    let tree = tree();
    let mut compared = 0;
    let mut differences = Vec::new();
    for answer in answers().iter().filter(|answer| answer.accept.as_deref() == Some(V2)) {
        let Some((application, profiles)) = environment(&answer.path) else { continue };
        let found = ask(&tree, application, profiles);
        compared += 1;
        if answer.status == 200 {
            let document: Json = serde_json::from_str(&answer.body).unwrap();
            differences.extend(first_difference(
                &answer.path,
                &shown(&found.sources),
                &shown_json(&document),
            ));
        } else if found.failures.is_empty() {
            differences.push(format!("{}: Spring answers {}", answer.path, answer.status));
        }
    }
    assert!(compared > 50, "only {compared} answers compared");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn flat_forms_are_springs_to_the_byte() {
    let tree = tree();
    let mut compared = 0;
    let mut differences = Vec::new();
    for answer in answers().iter().filter(|answer| answer.accept.is_none()) {
        let Some((application, profiles, extension, resolved)) = flat(&answer.path) else { continue };
        let found = ask(&tree, application, profiles);
        let merged = overlay(&found.sources);
        let placeholders = Placeholders::new(&found.sources);
        let placeholders = resolved.then_some(&placeholders);
        let ours = match extension {
            "properties" => forms::properties(&merged, placeholders),
            "json" => forms::json(&merged, placeholders),
            _ => forms::yaml(&merged, placeholders),
        };
        compared += 1;
        match ours {
            _ if !found.failures.is_empty() && answer.status != 200 => {}
            Ok(ours) if answer.status == 200 => {
                let split = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
                differences.extend(first_difference(&answer.path, &split(&ours), &split(&answer.body)));
            }
            Err(error) if u64::from(error.status()) == answer.status => {}
            other => {
                differences.push(format!("{}: Spring answers {}, we {other:?}", answer.path, answer.status));
            }
        }
    }
    assert!(compared > 150, "only {compared} answers compared");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
