//! JSON as Jackson writes it.

use std::fmt::Write as _;

use super::nested::Node;
use crate::value::Value;

/// Writes a tree.
pub(super) fn write(out: &mut String, node: &Node) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Leaf(value) => scalar(out, value),
        Node::Map(map) => {
            out.push('{');
            for (index, (key, node)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                string(out, key);
                out.push(':');
                write(out, node);
            }
            out.push('}');
        }
        Node::List(list) => {
            out.push('[');
            for (index, node) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, node);
            }
            out.push(']');
        }
    }
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => string(out, text),
        // JSON has no such numbers; Jackson writes them as text.
        Value::Float(number) if !number.is_finite() => string(out, &value.to_string()),
        _ => drop(write!(out, "{value}")),
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
