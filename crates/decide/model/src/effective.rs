//! Every value of the gateway with where it came from: for `haechi explain` and the console.

use haechi_route::config::GatewayConfig;
use haechi_yaml::{Limits, Node};
use serde_json::Value;

use crate::native::gateway_in_full;

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Effective {
    /// Its place: `gateway.routes[hello].timeouts.connect`.
    pub path: String,
    /// The value, as the file would say it.
    pub value: String,
    /// Line and column in the file; nothing is a default.
    pub written: Option<Place>,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Every value of the gateway that runs, beside the text it was read from. Routes that came from elsewhere (an
/// import) have no place in the text and look like defaults.
pub fn effective(config: &GatewayConfig, text: &str) -> Vec<Effective> {
    let full = serde_json::to_value(gateway_in_full(config)).unwrap_or_default();
    let tree = haechi_yaml::read(text, &Limits::default()).ok().and_then(|s| s.documents.into_iter().next());
    let mut all = Vec::new();
    walk(&full, tree.as_ref(), String::new(), &mut all);
    all
}

fn walk(value: &Value, node: Option<&Node>, path: String, all: &mut Vec<Effective>) {
    match value {
        Value::Null => {}
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(value, node.and_then(|node| node.get(key)), path, all);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str);
                let label = name.map_or_else(|| i.to_string(), str::to_owned);
                walk(item, node.and_then(|node| item_of(node, name, i)), format!("{path}[{label}]"), all);
            }
        }
        leaf => {
            let value = leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned);
            let place = |node: &Node| Place { line: node.span.start.line, column: node.span.start.column };
            all.push(Effective { path, value, written: node.map(place) });
        }
    }
}

/// The item of this name, or of this index if items have no names.
fn item_of<'n>(node: &'n Node, name: Option<&str>, index: usize) -> Option<&'n Node> {
    let items = node.sequence()?;
    match name {
        Some(name) => items.iter().find(|item| item.get("name").and_then(Node::text) == Some(name)),
        None => items.get(index),
    }
}
