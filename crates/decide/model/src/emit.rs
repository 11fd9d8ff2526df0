//! Values as YAML text that [`crate::read()`] takes.

use std::fmt::Write as _;

use haechi_yaml::core_schema::{Core, plain};
use serde_json::Value;

/// Writes a value as a block of YAML. Keys without a value are left out; lists of short texts stay on one line.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(entries) if entries.values().any(|v| !v.is_null()) => {
            for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                pad(indent, out);
                out.push_str(&scalar(key));
                out.push(':');
                behind(value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                pad(indent, out);
                out.push('-');
                item_behind(item, indent, out);
            }
        }
        other => {
            pad(indent, out);
            out.push_str(&inline(other));
            out.push('\n');
        }
    }
}

/// What follows a key's colon.
fn behind(value: &Value, indent: usize, out: &mut String) {
    if is_inline(value) {
        out.push(' ');
        out.push_str(&inline(value));
        out.push('\n');
    } else {
        out.push('\n');
        block(value, indent + 2, out);
    }
}

/// What follows an item's hyphen: a mapping's first key stands on the same line.
fn item_behind(item: &Value, indent: usize, out: &mut String) {
    if is_inline(item) {
        behind(item, indent, out);
        return;
    }
    let mut lines = String::new();
    block(item, indent + 2, &mut lines);
    out.push(' ');
    out.push_str(lines.trim_start_matches(' '));
}

fn is_inline(value: &Value) -> bool {
    match value {
        Value::Object(entries) => entries.values().all(Value::is_null),
        Value::Array(items) => {
            items.iter().all(|item| !item.is_object() && !item.is_array() && !item.is_null())
                && items.iter().map(|item| inline(item).len() + 2).sum::<usize>() <= 80
        }
        _ => true,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// A text, in quotes if it could be read as anything else.
fn scalar(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.'));
    let ordinary = text.chars().all(|c| c.is_ascii_graphic() && !"\"'`#,[]{}&!|>%@\\?".contains(c));
    let is_plain = starts
        && ordinary
        && !text.ends_with(':')
        && !text.starts_with("...")
        && matches!(plain(text), Core::Str(_))
        // What YAML 1.1 takes for a boolean may confuse other readers of the file.
        && !["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            // Writing to a String can't fail.
            c => drop(write!(out, "\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}
