//! The same requests that Spring's Eureka server was asked (`tests/compare/eureka_requests.txt`), and its answers
//! beside ours. Every difference is listed here and decided in `docs/decisions/0203-eureka-differences.md`.
#![allow(clippy::unwrap_used)]

mod bodies;
mod common;
mod differences;

use std::fmt::Write as _;

use common::Harness;
use serde_json::Value;

const DECISIONS: &str = include_str!("../../../../docs/decisions/0203-eureka-differences.md");
const GOLDEN: &str = include_str!("../../../../tests/compare/golden/eureka.json");

/// `METHOD TARGET [| Header: value]... [<< body]`.
struct Line<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<&'a str>,
    body: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let (head, body) = line.split_once(" << ").unwrap_or((line, ""));
        let mut parts = head.split(" | ");
        let (method, target) = parts.next().unwrap().split_once(' ').unwrap();
        Self { method, target: target.trim(), headers: parts.collect(), body }
    }
}

/// What matters of an answer.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u64,
    content_type: String,
    body: String,
}

impl Answer {
    /// Spring Boot's own page for an error; Netflix's code under it answers without a body. Ours has a sentence or
    /// nothing, and the status is what clients go by. One decision for all of them: "Error pages".
    fn is_error_page(&self) -> bool {
        let json = self.body.starts_with("{\"timestamp\":\"<time>\"");
        self.status >= 400
            && (json || self.body.contains("Whitelabel Error Page") || self.body.starts_with("<Map>"))
    }
}

/// Sends a line with its body written out.
async fn send(registry: &Harness, line: &Line<'_>) -> Answer {
    let body = bodies::expand(line.body);
    let answer = registry.raw(&format!("{} {}", line.method, line.target), &line.headers, &body).await;
    Answer {
        status: answer.status.into(),
        content_type: answer.field("content-type"),
        body: without_times(&answer.body),
    }
}

/// Milliseconds of a server's own clock, made the same as in the golden answers.
fn without_times(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let own = digits.len() == 13
            && (digits.starts_with("18")
                || digits.starts_with("19")
                || ("175".."180").contains(&&digits[..3]));
        out.push_str(if own { "9999999999999" } else { &digits });
        digits.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// Documents with the same meaning have the same normal form: applications, instances and metadata in any order,
/// white space between elements left out. The reasons that we add to refusals don't count.
fn meaning(body: &str) -> String {
    let body = &without_version(body);
    if let Ok(value) = serde_json::from_str::<Value>(body) {
        return sorted(None, value).to_string();
    }
    let body = match (body.find("<reason>"), body.find("</reason>")) {
        (Some(from), Some(to)) => &format!("{}{}", &body[..from], &body[to + "</reason>".len()..]),
        _ => body,
    };
    let tree = body.starts_with('<').then(|| xml_tree(body)).flatten();
    tree.map_or_else(|| body.trim().to_owned(), |tree| sorted(None, tree).to_string())
}

/// A delta's version is a counter of the server's own.
fn without_version(body: &str) -> String {
    let mut out = body.to_owned();
    for (before, after) in [("versions__delta\":\"", '"'), ("versions__delta>", '<')] {
        if let Some(at) = out.find(before).map(|at| at + before.len()) {
            let end = at + out[at..].find(after).unwrap();
            if &out[at..end] != "-1" {
                out.replace_range(at..end, "n");
            }
        }
    }
    out
}

const UNORDERED: [&str; 4] = ["metadata", "applications", "application", "instance"];

fn sorted(name: Option<&str>, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .into_iter()
                .map(|(key, v)| (key.clone(), sorted(Some(&key), v)))
                .filter(|(key, _)| key != "reason")
                .collect();
            if name == Some("metadata") {
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(|i| sorted(None, i)).collect();
            if name.is_some_and(|n| UNORDERED.contains(&n)) {
                items.sort_by_key(ToString::to_string);
            }
            Value::Array(items)
        }
        other => other,
    }
}

/// Elements as `{"name attributes": [children] or "text"}`. Nothing for what isn't well-formed.
fn xml_tree(text: &str) -> Option<Value> {
    let mut open: Vec<(String, Vec<Value>, String)> = vec![(String::new(), Vec::new(), String::new())];
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>')?;
        open.last_mut()?.2.push_str(before);
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let (opened, children, text) = open.pop()?;
            if opened.split(' ').next() != Some(name) {
                return None;
            }
            open.last_mut()?.1.push(node(&opened, children, &text));
        } else if let Some(empty) = tag.strip_suffix('/') {
            open.last_mut()?.1.push(node(empty.trim(), Vec::new(), ""));
        } else {
            open.push((tag.to_owned(), Vec::new(), String::new()));
        }
    }
    let (_, mut roots, _) = open.pop().filter(|_| open.is_empty())?;
    roots.pop()
}

fn node(name: &str, children: Vec<Value>, text: &str) -> Value {
    let content = if children.is_empty() { Value::from(text) } else { Value::from(children) };
    Value::Object([(name.to_owned(), content)].into_iter().collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_difference_from_the_original_is_a_decision() {
    let registry = Harness::start().await;
    let golden: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert!(golden.len() > 200);
    let mut undecided = String::new();
    let mut unused: Vec<&differences::Difference> = differences::DECIDED.iter().collect();
    for (n, entry) in golden.iter().enumerate() {
        let request = entry["request"].as_str().unwrap();
        let expected = &entry["answer"];
        let original = Answer {
            status: expected["status"].as_u64().unwrap(),
            content_type: text(&expected["headers"]["content-type"]),
            body: text(&expected["body"]),
        };
        let ours = send(&registry, &Line::parse(request)).await;
        if original.is_error_page() && ours.status == original.status {
            continue;
        }
        let same = ours.status == original.status
            && (ours.content_type == original.content_type || original.body.is_empty())
            && meaning(&ours.body) == meaning(&original.body);
        if same {
            continue;
        }
        let decided = differences::DECIDED.iter().find(|d| d.covers(request, original.status, ours.status));
        if let Some(decided) = decided {
            unused.retain(|d| !std::ptr::eq(*d, decided));
        } else {
            let section = text(&entry["section"]);
            writeln!(undecided, "\n#{n} [{section}] {request}").unwrap();
            writeln!(undecided, "  original {original:?}\n  ours     {ours:?}").unwrap();
        }
    }
    registry.stop().await;
    assert!(undecided.is_empty(), "{undecided}");
    assert!(unused.is_empty(), "no longer different: {unused:?}");
    for difference in differences::DECIDED {
        let heading = format!("## {}\n", difference.decision);
        assert!(DECISIONS.contains(&heading), "no such decision: {}", difference.decision);
    }
}
