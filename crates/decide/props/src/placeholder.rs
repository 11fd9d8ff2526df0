//! `${key}` and `${key:default}`, as Spring's `PlaceholderParser` resolves them against an answer's own sources
//! (never against the server's environment). What has no value stays as it is written.

use std::collections::HashMap;

use crate::resolve::PropertySource;
use crate::value::{Entry, Value};

/// Why placeholders can't be resolved. Spring answers 400 for these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// A value refers to itself.
    #[error(
        "circular placeholder reference '{0}'; one of the values in the circle must not refer to the next"
    )]
    Circular(String),
    /// Too many values refer to values that refer to values.
    #[error("placeholders are nested more than {0} deep")]
    TooDeep(usize),
    /// Values multiply each other.
    #[error("placeholders expand to more than {0} bytes")]
    TooLong(usize),
}

/// Nested placeholders and references to references, together.
const DEPTH: usize = 64;
/// Bytes that resolving one text may produce in all, intermediate values included.
const BYTES: usize = 16 << 20;

/// The values that placeholders of one answer refer to.
#[derive(Debug)]
pub struct Placeholders<'a> {
    values: HashMap<&'a str, &'a Value>,
}

impl<'a> Placeholders<'a> {
    /// Takes the value of the highest source that has a key. Sources are given highest precedence first.
    pub fn new(sources: &'a [PropertySource]) -> Self {
        let mut values = HashMap::new();
        for source in sources.iter().rev() {
            values.extend(source.source.iter().map(|(key, Entry { value, .. })| (key.as_str(), value)));
        }
        Self { values }
    }

    /// Resolves all placeholders of a whole file or flat form. `\${` and `\\${` come out as `${`.
    pub fn resolve_text(&self, text: &str) -> Result<String, PlaceholderError> {
        self.resolve(text, false)
    }

    /// Resolves all placeholders of one value; white space around a key is ignored here.
    pub fn resolve_value(&self, text: &str) -> Result<String, PlaceholderError> {
        self.resolve(text, true)
    }

    fn resolve(&self, text: &str, trim: bool) -> Result<String, PlaceholderError> {
        if !text.contains("${") {
            return Ok(text.to_owned());
        }
        // The mask is Spring's own, so that a text which has it already comes out the same.
        let masked = text.replace("\\\\${", MASK).replace("\\${", MASK);
        let mut resolver = Resolver { values: &self.values, trim, visited: Vec::new(), depth: 0, bytes: 0 };
        Ok(resolver.text(&masked)?.replace(MASK, "${"))
    }
}

const MASK: &str = "$_{";

enum Part<'t> {
    Text(String),
    Placeholder(&'t str),
}

struct Resolver<'a> {
    values: &'a HashMap<&'a str, &'a Value>,
    trim: bool,
    visited: Vec<String>,
    depth: usize,
    bytes: usize,
}

impl Resolver<'_> {
    fn text(&mut self, text: &str) -> Result<String, PlaceholderError> {
        self.all(parts(text))
    }

    fn all(&mut self, parts: Vec<Part<'_>>) -> Result<String, PlaceholderError> {
        let mut out = String::new();
        for part in parts {
            let piece = match part {
                Part::Text(text) => text,
                Part::Placeholder(inner) => self.placeholder(inner)?,
            };
            self.bytes += piece.len();
            if self.bytes > BYTES {
                return Err(PlaceholderError::TooLong(BYTES));
            }
            out.push_str(&piece);
        }
        Ok(out)
    }

    fn placeholder(&mut self, inner: &str) -> Result<String, PlaceholderError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(PlaceholderError::TooDeep(DEPTH));
        }
        let value = if inner.contains("${") { self.nested(inner) } else { self.simple(inner) };
        self.depth -= 1;
        value
    }

    fn simple(&mut self, inner: &str) -> Result<String, PlaceholderError> {
        let Some((key, default)) = inner.split_once(':') else {
            return Ok(self.value(inner)?.unwrap_or_else(|| format!("${{{inner}}}")));
        };
        // A key may itself have a colon.
        if let Some(value) = self.value(inner)? {
            return Ok(value);
        }
        Ok(self.value(key)?.unwrap_or_else(|| default.to_owned()))
    }

    fn nested(&mut self, inner: &str) -> Result<String, PlaceholderError> {
        let mut key = Vec::new();
        let mut default = None;
        let mut parts = parts(inner).into_iter();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) if text.contains(':') => {
                    let (before, after) = text.split_once(':').unwrap_or((&text, ""));
                    key.push(Part::Text(before.to_owned()));
                    default = Some(std::iter::once(Part::Text(after.to_owned())).chain(parts).collect());
                    break;
                }
                part => key.push(part),
            }
        }
        let key = self.all(key)?;
        if let Some(value) = self.value(&key)? {
            return Ok(value);
        }
        match default {
            Some(default) => self.all(default),
            None => Ok(format!("${{{key}}}")),
        }
    }

    /// A key's value with its own placeholders resolved.
    fn value(&mut self, key: &str) -> Result<Option<String>, PlaceholderError> {
        let name = if self.trim { key.trim() } else { key };
        let Some(value) = self.values.get(name) else { return Ok(None) };
        if self.visited.iter().any(|visited| visited == key) {
            return Err(PlaceholderError::Circular(key.to_owned()));
        }
        self.visited.push(key.to_owned());
        let value = self.text(&value.to_string())?;
        self.visited.pop();
        Ok(Some(value))
    }
}

/// Splits a text into what is written and what is to be replaced. A `${` without its `}` is text.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let add = |parts: &mut Vec<Part<'_>>, piece: &str| match parts.last_mut() {
        Some(Part::Text(last)) => last.push_str(piece),
        _ if piece.is_empty() => {}
        _ => parts.push(Part::Text(piece.to_owned())),
    };
    let closings = closings(text);
    let mut done = 0;
    while let Some(start) = text[done..].find("${").map(|at| done + at) {
        if let Some(end) = closings.get(&(start + 1)) {
            add(&mut parts, &text[done..start]);
            parts.push(Part::Placeholder(&text[start + 2..*end]));
            done = end + 1;
        } else {
            add(&mut parts, &text[done..start + 2]);
            done = start + 2;
        }
    }
    add(&mut parts, &text[done..]);
    parts
}

/// Where each `{` has its `}`. In one pass, because looking for each one's end by itself is quadratic.
fn closings(text: &str) -> HashMap<usize, usize> {
    let mut open = Vec::new();
    let mut closings = HashMap::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open.push(at),
            b'}' => closings.extend(open.pop().map(|start| (start, at))),
            _ => {}
        }
    }
    closings
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::read::Properties;

    fn source(pairs: &[(&str, &str)]) -> [PropertySource; 1] {
        let entry = |value: &str| Entry { value: Value::from(value), origin: None };
        let source: Properties = pairs.iter().map(|(key, value)| ((*key).to_owned(), entry(value))).collect();
        [PropertySource { name: String::new(), path: String::new(), source: Arc::new(source) }]
    }

    #[test]
    fn placeholders_take_values_defaults_or_stay() {
        let sources = source(&[("a", "1"), ("b", "${a}2"), ("k1", "x"), ("c:d", "colon"), ("e", "")]);
        let placeholders = Placeholders::new(&sources);
        for (text, expected) in [
            ("${a}", "1"),
            ("<${b}>", "<12>"),
            ("${no}", "${no}"),
            ("${no:default}", "default"),
            ("${no:}", ""),
            ("${e:x}", ""),
            ("${k${a}}", "x"),
            ("${no${a}}", "${no1}"),
            ("${no:${a}-${no}}", "1-${no}"),
            ("${c:d}", "colon"),
            ("${no:a:b}", "a:b"),
            ("${no:{}}", "{}"),
            ("\\${a} \\\\${a} ${a}", "${a} ${a} 1"),
            ("${a", "${a"),
            ("${ ${a}", "${ 1"),
            ("${ a }", "1"),
            ("$a {a} $", "$a {a} $"),
        ] {
            let expected = if text == "${ a }" {
                assert_eq!(placeholders.resolve_text(text).as_deref(), Ok(text));
                "1"
            } else {
                assert_eq!(placeholders.resolve_text(text).as_deref(), Ok(expected), "{text}");
                expected
            };
            assert_eq!(placeholders.resolve_value(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn circles_depth_and_size_are_bounded() {
        let sources = source(&[("a", "${b}"), ("b", "x${a}")]);
        let circle = Placeholders::new(&sources).resolve_text("${a}");
        assert_eq!(circle, Err(PlaceholderError::Circular("a".to_owned())));
        let nested = format!("{}{}", "${".repeat(1000), "}".repeat(1000));
        assert_eq!(Placeholders::new(&[]).resolve_text(&nested), Err(PlaceholderError::TooDeep(DEPTH)));
        let names: Vec<String> = (0..40).map(|i| format!("k{i}")).collect();
        let values: Vec<String> = (1..=40).map(|i| format!("${{k{i}}}${{k{i}}}${{k{i}:xxxx}}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().zip(&values).map(|(k, v)| (&**k, &**v)).collect();
        let sources = source(&pairs);
        assert_eq!(Placeholders::new(&sources).resolve_text("${k0}"), Err(PlaceholderError::TooLong(BYTES)));
    }
}
