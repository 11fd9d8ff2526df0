//! Excerpts without secrets: a diagnostic may end in a log or a ticket, and the line beside a mistake may hold a
//! password.
//!
//! Works on the text, since a file that is no YAML has excerpts too. Rather too much is hidden than too little.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;

use crate::diagnostic::did_you_mean;
use crate::native::resolved;

const HIDDEN: char = '*';

/// Keys whose values are secret, and all other keys that a file may have.
struct Keys {
    secret: BTreeSet<String>,
    others: BTreeSet<String>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let schema = crate::schema();
    let mut keys = Keys { secret: BTreeSet::new(), others: BTreeSet::new() };
    collect(&schema, &schema, &mut keys);
    keys
});

fn collect(schema: &Value, root: &Value, keys: &mut Keys) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let is_secret = resolved(property, root).get("format").is_some_and(|format| format == "secret");
        let list = if is_secret { &mut keys.secret } else { &mut keys.others };
        list.insert(name.clone());
    }
    for part in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        collect(part.1, root, keys);
    }
}

/// Whether a key's value is hidden: it is secret, or the key is a misspelt or foreign one of that kind.
fn is_secret(key: &str) -> bool {
    if KEYS.secret.contains(key) {
        return true;
    }
    let lower = key.to_ascii_lowercase();
    !KEYS.others.contains(key)
        && (["pass", "secret", "token", "credential"].iter().any(|part| lower.contains(part))
            || did_you_mean(&lower, KEYS.secret.iter().map(String::as_str)).is_some())
}

/// The text with every secret hidden, byte for byte as long as before.
pub(crate) fn masked(text: &str) -> String {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if hidden.last().is_none_or(|last| last.end <= at) {
            values(text, at, line, &mut hidden);
        }
        at += line.len();
    }
    hidden.extend(private_keys(text));
    hidden.extend(passwords_in_urls(text));
    let mut out = text.as_bytes().to_vec();
    for byte in hidden.into_iter().flatten() {
        if !matches!(out[byte], b'\n' | b'\r') {
            out[byte] = HIDDEN as u8;
        }
    }
    // Whole characters were replaced, each byte of them by an ASCII one.
    String::from_utf8(out).unwrap_or_default()
}

/// A diagnostic's sentence, which may quote a URL with a password, as it may be shown.
pub fn masked_words(text: &str) -> String {
    let mut out = text.to_owned();
    for range in passwords_in_urls(text) {
        let stars = HIDDEN.to_string().repeat(range.len());
        out.replace_range(range, &stars);
    }
    out
}

/// Secret values that begin on a line.
fn values(text: &str, start: usize, line: &str, hidden: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(colon) = line[from..].find(':').map(|colon| from + colon) {
        from = colon + 1;
        let after = &line[from..];
        if !after.is_empty() && !after.starts_with([' ', '\t', '\n', '\r', '"', '\'']) {
            continue;
        }
        let before = line[..colon].trim_end().trim_end_matches(['"', '\'']);
        let key = before.rsplit(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).next().unwrap_or("");
        if !is_secret(key) {
            continue;
        }
        let value = start + from + (after.len() - after.trim_start_matches([' ', '\t']).len());
        let end = value_end(text, value, start, line);
        // A name of a variable is no secret.
        let names_a_file = KEYS.others.contains(key) && is_file(&text[value..end]);
        if !is_variable(&text[value..end]) && !names_a_file {
            hidden.push(value..end);
        }
        from = (end - start).min(line.len());
    }
}

/// Where a value ends that begins at `value` in the line that begins at `start`.
fn value_end(text: &str, value: usize, start: usize, line: &str) -> usize {
    let rest = &text[value..];
    let line_end = start + line.trim_end_matches(['\n', '\r']).len();
    match rest.as_bytes().first() {
        Some(quote @ (b'"' | b'\'')) => {
            let mut bytes = rest.bytes().enumerate().skip(1);
            while let Some((index, byte)) = bytes.next() {
                if byte == b'\\' && *quote == b'"' {
                    bytes.next();
                } else if byte == *quote {
                    let doubled = *quote == b'\'' && rest.as_bytes().get(index + 1) == Some(quote);
                    if !doubled {
                        return value + index + 1;
                    }
                    bytes.next();
                }
            }
            text.len()
        }
        // What is below it belongs to it.
        None | Some(b'|' | b'>' | b'\n' | b'\r' | b'#') => {
            let indent = line.len() - line.trim_start_matches([' ', '-']).len();
            let mut end = line_end.max(value);
            let mut at = start + line.len();
            for below in text[at..].split_inclusive('\n') {
                let inside = below.trim_start_matches(' ');
                if !inside.trim().is_empty() && below.len() - inside.len() <= indent {
                    break;
                }
                at += below.len();
                end = at;
            }
            end
        }
        Some(_) => {
            let is_flow = line[..value - start].contains(['{', '[']);
            let stop = rest[..line_end - value].find(|c| is_flow && matches!(c, ',' | '}' | ']'));
            stop.map_or(line_end, |stop| value + stop)
        }
    }
}

fn is_variable(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let name = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// A key's file. `key` is secret in one place and a file's name in another.
fn is_file(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let endings = [".pem", ".key", ".crt", ".cer", ".der", ".p12", ".jks"];
    !value.contains(char::is_whitespace) && endings.iter().any(|ending| value.ends_with(ending))
}

/// What stands between the lines of PEM that say so, wherever it was pasted.
fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(begin) =
        text[from..].find("PRIVATE KEY-----").map(|at| from + at + "PRIVATE KEY-----".len())
    {
        let end = text[begin..].find("-----END").map_or(text.len(), |at| begin + at);
        found.push(begin..end);
        from = text[end..].find('\n').map_or(text.len(), |line| end + line);
    }
    found
}

/// `http://user:password@host`.
fn passwords_in_urls(text: &str) -> Vec<Range<usize>> {
    let authority = |(at, _): (usize, &str)| {
        let start = at + "://".len();
        let end = text[start..].find(|c: char| c == '/' || c == '"' || c == '\'' || c.is_whitespace());
        let authority = &text[start..end.map_or(text.len(), |end| start + end)];
        let (user, _) = authority.rsplit_once('@')?;
        let colon = user.find(':')?;
        Some(start + colon + 1..start + user.len())
    };
    text.match_indices("://").filter_map(authority).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_in_every_style_and_nothing_else() {
        for (text, shown) in [
            ("password: hunter2\nname: x\n", "password: *******\nname: x\n"),
            ("auth: { username: me, password: hunter2 }", "auth: { username: me, password: ********}"),
            ("{ password: \"a, }b\", x: y }", "{ password: *******, x: y }"),
            ("\"password\": 'it''s'", "\"password\": *******"),
            ("password: \"two\n  lines\"\nx: y", "password: ****\n********\nx: y"),
            ("key: |\n  one\n\n  two\nx: y\n", "key: *\n*****\n\n*****\nx: y\n"),
            ("- passphrase:\n    below\n- x: y\n", "- passphrase:\n*********\n- x: y\n"),
            ("pasword: hunter2", "pasword: *******"),
            ("api-token: hunter2", "api-token: *******"),
            ("password: ${PASSWORD}", "password: ${PASSWORD}"),
            ("password: ${PASSWORD:-x}", "password: **************"),
            ("uri: http://me:hunter2@git/x", "uri: http://me:*******@git/x"),
            ("private-key: id_ed25519\nlisten: 1.2.3.4:5", "private-key: id_ed25519\nlisten: 1.2.3.4:5"),
            ("password: é", "password: **"),
            ("password:", "password:"),
            ("{ chain: a.pem, key: b.pem }", "{ chain: a.pem, key: b.pem }"),
            ("password: b.pem", "password: *****"),
        ] {
            assert_eq!(masked(text), shown, "{text:?}");
        }
        let pem = "x: -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\ny: z\n";
        assert!(!masked(pem).contains("MIIE") && masked(pem).ends_with("y: z\n"), "{}", masked(pem));
        assert_eq!(masked_words("\"ftp://me:x@h\" is no URL"), "\"ftp://me:*@h\" is no URL");
    }
}
