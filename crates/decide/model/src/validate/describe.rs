//! Words for what a schema wants and what a node is.

use haechi_yaml::{Node, Value as Yaml};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Sequence,
    Mapping,
}

impl Kind {
    pub fn of(node: &Node) -> Self {
        match node.value {
            Yaml::Scalar(_) => Self::Scalar,
            Yaml::Sequence(_) => Self::Sequence,
            Yaml::Mapping(_) => Self::Mapping,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "a single value",
            Self::Sequence => "a list",
            Self::Mapping => "a mapping",
        }
    }

    /// Whether a schema without `anyOf` can take this kind.
    pub fn fits(self, schema: &Value) -> bool {
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => self == Self::Mapping,
            Some("array") => self == Self::Sequence,
            // Enumerations of described words have no type of their own.
            Some(_) | None => self == Self::Scalar,
        }
    }
}

/// What the schema wants: "a list", "true or false", "a list or a mapping".
pub(super) fn wanted<'a>(schema: &'a Value, resolve: impl Fn(&'a Value) -> &'a Value + Copy) -> String {
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        let words: Vec<String> = branches.iter().map(|branch| wanted(resolve(branch), resolve)).collect();
        return words.join(" or ");
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => "a mapping",
        Some("array") => "a list",
        Some("boolean") => "true or false",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        _ => match schema.get("format").and_then(Value::as_str) {
            Some("duration") => "a duration",
            Some("size") => "a size",
            _ => "text",
        },
    }
    .to_owned()
}

/// The words an enumeration allows.
pub(super) fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let branches = schema.get("oneOf").and_then(Value::as_array)?;
    let mut all = Vec::new();
    for branch in branches {
        match branch.get("const").and_then(Value::as_str) {
            Some(word) => all.push(word),
            None => all.extend(words(branch)?),
        }
    }
    Some(all)
}

/// The first sentence of a schema's description.
pub(super) fn first_sentence(schema: &Value) -> Option<String> {
    let description = schema.get("description")?.as_str()?;
    let end = description.find(". ").or_else(|| description.find(".\n")).unwrap_or(description.len());
    let sentence = description[..end].trim_end_matches('.').replace('\n', " ");
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect())
}

/// What a key that other gateways and Spring have is called here.
pub(super) fn named_elsewhere(key: &str) -> impl Iterator<Item = &'static str> {
    const NAMES: &[(&str, &str)] = &[
        ("address", "listen"),
        ("backend", "service"),
        ("backend-refs", "service"),
        ("bind", "listen"),
        ("cluster", "service"),
        ("default-label", "label"),
        ("destination", "service"),
        ("hostname", "host"),
        ("hostnames", "host"),
        ("hosts", "host"),
        ("lb", "balance"),
        ("load-balancer", "balance"),
        ("matches", "match"),
        ("password", "auth"),
        ("port", "listen"),
        ("predicates", "match"),
        ("profile", "profiles"),
        ("rules", "routes"),
        ("search-locations", "locations"),
        ("servers", "endpoints"),
        ("targets", "endpoints"),
        ("timeout", "timeouts"),
        ("upstream", "service"),
        ("upstreams", "services"),
        ("url", "uri"),
    ];
    let folded = key.to_ascii_lowercase().replace('_', "-");
    NAMES.iter().filter(move |(name, _)| *name == folded).map(|(_, ours)| *ours)
}
