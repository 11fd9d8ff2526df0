//! Walks the tree of the file against the schema, finds everything that is wrong, and gives what is left as a
//! JSON value that the types of [`crate::raw`] take.
//!
//! A schema marked `x-isolated` (a route, a listener, a service, an expectation) is refused alone: it is taken
//! out of value and tree, and the rest goes on without it.

mod describe;
mod scalar;

use std::collections::HashMap;

use haechi_yaml::{Entry, Node, Span, Value as Yaml};
use serde_json::{Map, Value};

use crate::diagnostic::{Cost, Diagnostic, Severity, did_you_mean};
use describe::{Kind, wanted};

/// Something that was taken out because of its own errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// What it is: "route", "listener", "service", "expectation".
    pub kind: String,
    /// Its name, if it has one.
    pub name: Option<String>,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} `{name}`", self.kind),
            None => write!(f, "this {}", self.kind),
        }
    }
}

pub(crate) struct Validator<'a> {
    root: &'a Value,
    variable: &'a dyn Fn(&str) -> Option<String>,
    pub diagnostics: Vec<Diagnostic>,
    pub left_out: Vec<LeftOut>,
}

/// A key or an item, for messages and for places.
#[derive(Clone, Copy)]
struct Owner<'a> {
    /// "`listen`", "an item of `routes`".
    what: &'a str,
    /// Where it is named.
    span: Span,
}

impl<'a> Validator<'a> {
    pub fn new(root: &'a Value, variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { root, variable, diagnostics: Vec::new(), left_out: Vec::new() }
    }

    /// Checks the whole file. Nothing is given if something is wrong that can't be left out.
    pub fn file(&mut self, node: &mut Node) -> Option<Value> {
        let owner = Owner { what: "the file", span: node.span };
        self.walk(node, self.root, owner)
    }

    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        // A reference leads to a definition; definitions of this schema don't refer in circles.
        for _ in 0..8 {
            let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next())
            else {
                break;
            };
            match self.root.get("$defs").and_then(|defs| defs.get(name)) {
                Some(found) => schema = found,
                None => break,
            }
        }
        schema
    }

    fn walk(&mut self, node: &mut Node, schema: &'a Value, owner: Owner<'_>) -> Option<Value> {
        let schema = self.resolve(schema);
        if let Some(tag) = &node.tag {
            let message = format!("{} has the tag {tag:?}", owner.what);
            self.diagnostics
                .push(Diagnostic::error("tag", node.span, message).help("write it without the tag"));
            return None;
        }
        if is_empty(node) {
            let default = schema.get("default").map(|d| format!("; the default is {d}")).unwrap_or_default();
            let help = format!("write a value, or leave the key out{default}");
            let message = format!("{} has no value", owner.what);
            self.diagnostics.push(Diagnostic::error("no-value", owner.span, message).help(help));
            return None;
        }
        let kind = Kind::of(node);
        let branch = match schema.get("anyOf").and_then(Value::as_array) {
            Some(branches) => branches.iter().map(|b| self.resolve(b)).find(|b| kind.fits(b)),
            None => Some(schema),
        };
        let Some(branch) = branch.filter(|branch| kind.fits(branch)) else {
            self.wrong_type(node, kind, schema, owner);
            return None;
        };
        match &node.value {
            Yaml::Mapping(_) => self.mapping(node, branch, owner),
            Yaml::Sequence(_) => self.sequence(node, branch, owner),
            Yaml::Scalar(_) => self.scalar(node, branch, owner),
        }
    }

    fn wrong_type(&mut self, node: &Node, kind: Kind, schema: &'a Value, owner: Owner<'_>) {
        let wanted = wanted(schema, |s| self.resolve(s));
        let message = format!("{} must be {wanted}, not {}", owner.what, kind.name());
        let mut diagnostic = Diagnostic::error("wrong-type", node.span, message);
        diagnostic.help = match (kind, node.text()) {
            (Kind::Scalar, Some(text)) if wanted.starts_with("a list") => Some(format!("write [{text}]")),
            (Kind::Mapping, _) if wanted == "a list" => {
                Some("write [ … ] around it, or `-` in front of each item".to_owned())
            }
            (Kind::Sequence, _) if wanted == "text" => Some("write one value".to_owned()),
            (Kind::Sequence, _) if wanted == "a mapping" => {
                Some("write `key: value` lines without `-` in front".to_owned())
            }
            (Kind::Scalar, _) if wanted == "a mapping" => {
                Some("write `key: value` lines below it, or { key: value }".to_owned())
            }
            _ => None,
        };
        self.diagnostics.push(diagnostic);
    }

    fn mapping(&mut self, node: &mut Node, schema: &'a Value, owner: Owner<'_>) -> Option<Value> {
        let place = first_line(node);
        let Yaml::Mapping(entries) = &mut node.value else { return None };
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties").filter(|a| a.is_object());
        let mut ok = true;
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut value = Map::new();
        let mut kept = Vec::with_capacity(entries.len());
        for Entry { key, value: mut child } in std::mem::take(entries) {
            let Some(name) = key.text().map(str::to_owned) else {
                let message = format!("a key of {} is not text", owner.what);
                self.diagnostics.push(Diagnostic::error("wrong-type", key.span, message));
                ok = false;
                continue;
            };
            if let Some(first) = seen.insert(name.clone(), key.span) {
                self.duplicate(&name, first, key.span);
                ok = false;
                continue;
            }
            let Some(child_schema) = properties.and_then(|p| p.get(&name)).or(additional) else {
                self.unknown_key(&name, key.span, schema, owner);
                ok = false;
                continue;
            };
            let what = match self.resolve(child_schema).get("x-isolated").and_then(Value::as_str) {
                Some(kind) => format!("{kind} `{name}`"),
                None => format!("`{name}`"),
            };
            match self.isolated(&mut child, child_schema, Owner { what: &what, span: key.span }, Some(&name))
            {
                Kept::Value(v) => {
                    value.insert(name, v);
                    kept.push(Entry { key, value: child });
                }
                Kept::LeftOut => {}
                Kept::Failed => ok = false,
            }
        }
        *entries = kept;
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = required.as_str().filter(|name| !seen.contains_key(*name)) else { continue };
            ok = false;
            let place = if owner.what == "the file" { owner.span } else { place.unwrap_or(owner.span) };
            let message = format!("{} has no `{name}`", owner.what);
            let about = properties.and_then(|p| p.get(name)).and_then(describe::first_sentence);
            let help =
                about.map_or_else(|| format!("add `{name}`"), |about| format!("add `{name}`: {about}"));
            self.diagnostics.push(Diagnostic::error("missing-key", place, message).help(help));
        }
        ok.then_some(Value::Object(value))
    }

    fn duplicate(&mut self, name: &str, first: Span, again: Span) {
        self.diagnostics.push(
            Diagnostic::error("duplicate-key", again, format!("`{name}` is written twice"))
                .label("again")
                .note(first, "first here")
                .help("keep one of them; YAML would not say which one counts"),
        );
    }

    fn unknown_key(&mut self, name: &str, span: Span, schema: &'a Value, owner: Owner<'_>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let meant = did_you_mean(name, known.iter().copied())
            .or_else(|| describe::named_elsewhere(name).find(|meant| known.contains(meant)));
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known keys here: {}", known.join(", ")),
        };
        let message = format!("unknown key `{name}` in {}", owner.what);
        self.diagnostics.push(Diagnostic::error("unknown-key", span, message).help(help));
    }

    fn sequence(&mut self, node: &mut Node, schema: &'a Value, owner: Owner<'_>) -> Option<Value> {
        let span = node.span;
        let Yaml::Sequence(items) = &mut node.value else { return None };
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let message = format!("{} is empty", owner.what);
            let diagnostic = Diagnostic::error("empty-list", span, message);
            self.diagnostics.push(diagnostic.help("write at least one item"));
            return None;
        }
        let Some(item_schema) = schema.get("items") else { return Some(Value::Array(Vec::new())) };
        let kind = self.resolve(item_schema).get("x-isolated").and_then(Value::as_str);
        let mut ok = true;
        let mut values = Vec::with_capacity(items.len());
        let mut kept = Vec::with_capacity(items.len());
        for mut item in std::mem::take(items) {
            let name = item.get("name").and_then(Node::text).map(str::to_owned);
            let what = match (kind, &name) {
                (Some(kind), Some(name)) => format!("{kind} `{name}`"),
                _ => format!("an item of {}", owner.what),
            };
            let owner = Owner { what: &what, span: first_line(&item).unwrap_or(item.span) };
            match self.isolated(&mut item, item_schema, owner, name.as_deref()) {
                Kept::Value(value) => {
                    values.push(value);
                    kept.push(item);
                }
                Kept::LeftOut => {}
                Kept::Failed => ok = false,
            }
        }
        *items = kept;
        ok.then_some(Value::Array(values))
    }

    /// Walks a child; if it fails and may be left out, its errors cost it alone.
    fn isolated(&mut self, node: &mut Node, schema: &'a Value, owner: Owner<'_>, name: Option<&str>) -> Kept {
        let before = self.diagnostics.len();
        if let Some(value) = self.walk(node, schema, owner) {
            return Kept::Value(value);
        }
        let schema = self.resolve(schema);
        let Some(kind) = schema.get("x-isolated").and_then(Value::as_str) else { return Kept::Failed };
        let left_out = LeftOut { kind: kind.to_owned(), name: name.map(str::to_owned) };
        for diagnostic in &mut self.diagnostics[before..] {
            if diagnostic.severity == Severity::Error {
                diagnostic.cost = Cost::LeftOut(left_out.to_string());
            }
        }
        self.left_out.push(left_out);
        Kept::LeftOut
    }
}

/// What became of a child.
enum Kept {
    Value(Value),
    LeftOut,
    Failed,
}

fn is_empty(node: &Node) -> bool {
    haechi_yaml::core_schema::resolve(node) == Some(haechi_yaml::core_schema::Core::Null)
}

/// A place to point at for a whole mapping: all of it if it stands on one line, else its first key.
fn first_line(node: &Node) -> Option<Span> {
    if node.span.start.line == node.span.end.line && node.span.start != node.span.end {
        return Some(node.span);
    }
    match &node.value {
        Yaml::Mapping(entries) => entries.first().map(|entry| entry.key.span),
        Yaml::Sequence(items) => items.first().and_then(first_line),
        Yaml::Scalar(_) => Some(node.span),
    }
}
