//! The flat forms of an answer: `.properties`, `.yml` and `.json`.

mod emitter;
mod json;
mod nested;
mod scalar_style;

use indexmap::IndexMap;

use crate::placeholder::{PlaceholderError, Placeholders};
use crate::value::Value;
use nested::Node;

/// Why properties have no nested form. Spring answers 400 for the first and the last, 500 for the second.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A key that is no path.
    #[error(
        "the key {0:?} can't be nested; a name must stand before every '.' and '[', a number in every '[]'"
    )]
    InvalidKey(String),
    /// A key that is both a list and something else.
    #[error("the key {0:?} is used as a list, and as something else elsewhere")]
    Conflict(String),
    /// A placeholder that can't be resolved.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
}

impl FormError {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::InvalidKey(_) | Self::Placeholder(_) => 400,
            Self::Conflict(_) => 500,
        }
    }
}

/// `key: value` lines without a final newline, nothing escaped. Placeholders are resolved in the whole text.
pub fn properties(
    flat: &IndexMap<String, Value>,
    placeholders: Option<&Placeholders<'_>>,
) -> Result<String, FormError> {
    let lines: Vec<String> = flat.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let text = lines.join("\n");
    Ok(match placeholders {
        Some(placeholders) => placeholders.resolve_text(&text)?,
        None => text,
    })
}

/// Nested JSON on one line.
pub fn json(
    flat: &IndexMap<String, Value>,
    placeholders: Option<&Placeholders<'_>>,
) -> Result<String, FormError> {
    let mut out = String::new();
    json::write(&mut out, &nested(flat, placeholders)?);
    Ok(out)
}

/// Block-style YAML. Where all there is is `document` (a file that was no mapping), its content alone.
pub fn yaml(
    flat: &IndexMap<String, Value>,
    placeholders: Option<&Placeholders<'_>>,
) -> Result<String, FormError> {
    let root = nested(flat, placeholders)?;
    Ok(match root.only("document") {
        // Spring dumps a scalar document as a string whatever it is.
        Some(Node::Leaf(value)) => emitter::dump(&Node::Leaf(Value::Text(value.to_string()))),
        Some(other) => emitter::dump(other),
        None => emitter::dump(&root),
    })
}

fn nested(
    flat: &IndexMap<String, Value>,
    placeholders: Option<&Placeholders<'_>>,
) -> Result<Node, FormError> {
    let mut root = nested::nest(flat)?;
    if let Some(placeholders) = placeholders {
        root.resolve(placeholders)?;
    }
    Ok(root)
}
