//! The core schema of YAML 1.2 (1.2.2 §10.3): what a plain scalar means in Haechi's own file.

use crate::{Node, Style, Value};

/// A scalar, resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Core<'t> {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`. Not `yes`, `no`, `on`, `off`: those are strings since YAML 1.2.
    Bool(bool),
    /// A whole number that fits in 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Anything else.
    Str(&'t str),
}

/// Resolves a node, if it is a scalar.
pub fn resolve(node: &Node) -> Option<Core<'_>> {
    let Value::Scalar(scalar) = &node.value else { return None };
    if scalar.style != Style::Plain || node.tag.as_deref().is_some_and(|tag| tag.ends_with(":str")) {
        return Some(Core::Str(&scalar.text));
    }
    Some(plain(&scalar.text))
}

/// Resolves a plain scalar's text.
pub fn plain(text: &str) -> Core<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Core::Null,
        "true" | "True" | "TRUE" => return Core::Bool(true),
        "false" | "False" | "FALSE" => return Core::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Core::Float(f64::NAN),
        _ => {}
    }
    if let Some(int) = int(text) {
        return Core::Int(int);
    }
    float(text).map_or(Core::Str(text), Core::Float)
}

fn int(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0o") {
        return whole(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return whole(digits, 16);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Digits alone: `from_str_radix` would take a sign.
fn whole(digits: &str, radix: u32) -> Option<i64> {
    digits.chars().all(|c| c.is_digit(radix)).then(|| i64::from_str_radix(digits, radix).ok())?
}

fn float(text: &str) -> Option<f64> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    // Rust's own parser takes words such as "inf" and "nan", which are strings in YAML.
    let first = unsigned.bytes().next()?;
    let numeric =
        unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !numeric || !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    unsigned.parse().ok().map(|value: f64| if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_resolve_by_the_core_schema() {
        for null in ["", "~", "null", "NULL"] {
            assert_eq!(plain(null), Core::Null, "{null}");
        }
        assert_eq!(plain("true"), Core::Bool(true));
        assert_eq!(plain("FALSE"), Core::Bool(false));
        for (text, int) in [("0", 0), ("-12", -12), ("+7", 7), ("0o17", 15), ("0xfF", 255), ("007", 7)] {
            assert_eq!(plain(text), Core::Int(int), "{text}");
        }
        for (text, float) in
            [("1.5", 1.5), ("-.5", -0.5), ("1e3", 1000.0), ("+1.", 1.0), ("-.inf", f64::NEG_INFINITY)]
        {
            assert_eq!(plain(text), Core::Float(float), "{text}");
        }
        assert!(matches!(plain("99999999999999999999"), Core::Float(_)), "too large for 64 bits");
        for text in [
            "yes", "no", "on", "5s", "inf", "nan", "-", "+", ".", "0x", "0o8", "0x-1", "1.2.3", "e3",
            "1_000", "12:30",
        ] {
            assert_eq!(plain(text), Core::Str(text), "{text}");
        }
    }
}
