//! Metadata keys as element names (XStream's `XmlFriendlyNameCoder`): `_` is written `__`, `$` is `_-`, and
//! what can't stand in an XML name is `_.` with four hexadecimal digits per UTF-16 unit.

use std::fmt::Write as _;

fn may_stand(c: char, first: bool) -> bool {
    c.is_ascii_alphabetic() || (!first && (c.is_ascii_digit() || c == '-' || c == '.'))
}

/// The element name for a key. The empty key has none that would be XML; it becomes the escape of nothing.
pub(crate) fn encode(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    for (n, c) in key.chars().enumerate() {
        match c {
            '_' => name.push_str("__"),
            '$' => name.push_str("_-"),
            c if may_stand(c, n == 0) => name.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String can't fail.
                    let _ = write!(name, "_.{unit:04x}");
                }
            }
        }
    }
    if name.is_empty() { "_.0000".to_owned() } else { name }
}

/// The key of an element name. What isn't an escape stays as it is.
pub(crate) fn decode(name: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let (unit, taken) = match rest.as_bytes() {
            [b'_', b'_', ..] => (Some(u16::from(b'_')), 2),
            [b'_', b'-', ..] => (Some(u16::from(b'$')), 2),
            [b'_', b'.', ..] => (rest.get(2..6).and_then(|hex| u16::from_str_radix(hex, 16).ok()), 6),
            _ => (None, 0),
        };
        match unit {
            Some(0) => rest = &rest[taken..],
            Some(unit) => {
                units.push(unit);
                rest = &rest[taken..];
            }
            None => {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_way_through_element_names() {
        for (key, name) in [
            ("zone", "zone"),
            ("a_b", "a__b"),
            ("a$b", "a_-b"),
            ("1a", "_.0031a"),
            ("a b:c", "a_.0020b_.003ac"),
            ("ключ", "_.043a_.043b_.044e_.0447"),
            ("😀", "_.d83d_.de00"),
            ("", "_.0000"),
        ] {
            assert_eq!(encode(key), name);
            assert_eq!(decode(name), key);
        }
        assert_eq!(decode("a_b"), "a_b");
        assert_eq!(decode("_.zz"), "_.zz");
    }
}
