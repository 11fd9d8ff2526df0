//! `/monitor`: what a git host's webhook says has changed, and which applications that concerns.

use serde_json::Value;

/// Changed paths taken from one notification at most; the rest is as if `application.yml` had changed.
const PATHS: usize = 10_000;

/// Bytes of one changed path; longer ones are no configuration files.
const PATH_BYTES: usize = 1024;

/// What stands for "everything may have changed".
const EVERYTHING: &str = "application.yml";

/// The changed paths that a webhook names. Headers are asked for by name, in any case; none if the
/// notification says nothing about files.
pub fn changed_paths<'h>(header: impl Fn(&str) -> Option<&'h str>, body: &Value) -> Option<Vec<String>> {
    let is = |name: &str, value: &str| header(name) == Some(value);
    let has = |name: &str| header(name).is_some_and(|value| !value.trim().is_empty());
    let lists = [
        ("X-Github-Event", "push"),
        ("X-Gitlab-Event", "Push Hook"),
        ("X-Gogs-Event", "push"),
        ("x-git-oschina-event", "Push Hook"),
    ];
    let everything = || Some(vec![EVERYTHING.to_owned()]);
    if is("X-Gitea-Event", "push") && body["commits"].is_array() {
        // Gitea doesn't name the files.
        return everything();
    }
    if lists.iter().any(|(name, value)| is(name, value))
        && let Some(paths) = committed(&body["commits"])
    {
        return Some(paths);
    }
    let event = header("X-Event-Key").unwrap_or_default();
    let concerns_all = match event {
        "repo:push" | "pullrequest:fulfilled" => has("X-Hook-UUID") && body["push"]["changes"].is_array(),
        "repo:refs_changed" => has("X-Request-Id") && body["changes"].is_array(),
        "pr:merged" => has("X-Request-Id"),
        _ => false,
    };
    if concerns_all {
        return everything();
    }
    match &body["path"] {
        Value::String(path) => Some(vec![path.clone()]),
        Value::Array(paths) => Some(bounded(paths.iter().filter_map(Value::as_str))),
        _ => None,
    }
}

/// The paths of all commits, each once; none if there are none.
fn committed(commits: &Value) -> Option<Vec<String>> {
    let lists = commits.as_array()?.iter().flat_map(|commit| {
        ["added", "removed", "modified"].into_iter().filter_map(|list| commit[list].as_array())
    });
    let mut seen = std::collections::HashSet::new();
    let paths = lists.flatten().filter_map(Value::as_str).filter(|path| seen.insert(*path));
    let paths = bounded(paths);
    (!paths.is_empty()).then_some(paths)
}

fn bounded<'v>(paths: impl Iterator<Item = &'v str>) -> Vec<String> {
    let mut paths: Vec<String> = paths.take(PATHS + 1).map(str::to_owned).collect();
    if paths.len() > PATHS {
        paths = vec![EVERYTHING.to_owned()];
    }
    paths
}

/// The applications that changed paths concern, each once, in order; `*` is all of them. A file's stem is cut
/// at each hyphen from the right, since the name and the profile can't be told apart.
pub fn services<'p>(paths: impl IntoIterator<Item = &'p str>) -> Vec<String> {
    let mut services: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for path in paths.into_iter().filter(|path| path.len() <= PATH_BYTES) {
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let hyphens = stem.rmatch_indices('-').map(|(at, _)| &stem[..at]);
        for name in std::iter::once(stem).chain(hyphens) {
            let name = if name == "application" { "*" } else { name };
            if seen.insert(name) {
                services.push(name.to_owned());
            }
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(headers: &[(&'static str, &'static str)], body: &Value) -> Option<Vec<String>> {
        let header = |name: &str| {
            headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
        };
        changed_paths(header, body)
    }

    #[test]
    fn commits_are_joined_for_the_hosts_that_name_files() {
        let body = json!({"commits": [{"added": ["a.yml"], "modified": ["b.yml"]}, {"removed": ["a.yml", "c.yml"]}]});
        for header in [
            ("X-Github-Event", "push"),
            ("X-Gitlab-Event", "Push Hook"),
            ("X-Gogs-Event", "push"),
            ("x-git-oschina-event", "Push Hook"),
        ] {
            assert_eq!(changed(&[header], &body).unwrap(), ["a.yml", "b.yml", "c.yml"], "{header:?}");
        }
        assert_eq!(changed(&[("X-Gitea-Event", "push")], &body).unwrap(), ["application.yml"]);
        assert_eq!(changed(&[("X-Github-Event", "ping")], &body), None);
        assert_eq!(changed(&[("X-Github-Event", "push")], &json!({"commits": []})), None);
    }

    #[test]
    fn bitbucket_concerns_everything() {
        let cloud = json!({"push": {"changes": []}});
        let uuid = ("X-Hook-UUID", "1");
        assert!(changed(&[("X-Event-Key", "repo:push"), uuid], &cloud).is_some());
        assert!(changed(&[("X-Event-Key", "repo:push")], &cloud).is_none());
        let request = ("X-Request-Id", "1");
        assert!(changed(&[("X-Event-Key", "repo:refs_changed"), request], &json!({"changes": []})).is_some());
        assert!(changed(&[("X-Event-Key", "pr:merged"), request], &json!({})).is_some());
    }

    #[test]
    fn a_path_or_a_list_of_paths_is_enough() {
        assert_eq!(changed(&[], &json!({"path": "a.yml"})).unwrap(), ["a.yml"]);
        assert_eq!(changed(&[], &json!({"path": ["a.yml", 1, "b.yml"]})).unwrap(), ["a.yml", "b.yml"]);
        assert_eq!(changed(&[], &json!([1])), None);
        assert_eq!(changed(&[], &json!({"path": vec!["x"; 10_001]})).unwrap(), ["application.yml"]);
    }

    #[test]
    fn names_are_cut_at_every_hyphen() {
        assert_eq!(services(["sub/my-service-dev.yml"]), ["my-service-dev", "my-service", "my"]);
        assert_eq!(
            services(["application-dev.yml", "my.yml", "README"]),
            ["application-dev", "*", "my", "README"]
        );
    }
}
