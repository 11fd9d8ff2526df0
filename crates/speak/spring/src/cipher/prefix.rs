//! `{key:alias}{secret:x}` in front of a text (Spring's `EnvironmentPrefixHelper`), and what form posts do to it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// Ends the prefixes where the text itself starts like one.
const PLAIN: &str = "{plain}";

/// Prefixes in order: names and values.
pub type Keys = Vec<(String, String)>;

/// The prefixes of a text, without `name` and `profiles`, which come from the request.
pub fn encryptor_keys(text: &str) -> Keys {
    let text = text.split_once(PLAIN).map_or(text, |(prefixes, _)| prefixes);
    let mut keys = Keys::new();
    let mut parts = text.split('}');
    // What stands behind the last brace is the text.
    parts.next_back();
    for part in parts {
        let Some(inside) = part.trim().strip_prefix('{') else { continue };
        let (key, value) = match inside.split_once(':') {
            Some((key, value)) if !value.is_empty() => (key, value),
            _ => (inside, ""),
        };
        if matches!(key, "name" | "profiles") {
            continue;
        }
        match keys.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => value.clone_into(known),
            None => keys.push((key.to_owned(), value.to_owned())),
        }
    }
    keys
}

/// The text behind its prefixes.
pub fn strip_prefix(text: &str) -> &str {
    if let Some((_, plain)) = text.split_once(PLAIN) {
        return plain;
    }
    let mut rest = text;
    loop {
        let pair = rest.strip_prefix('{').and_then(|inside| {
            let colon = inside.find(':')?;
            let end = colon + inside[colon..].find('}')?;
            (!inside[..end].contains('\n')).then(|| &inside[end + 1..])
        });
        let Some(behind) = pair else { return rest };
        rest = behind;
    }
}

/// Puts prefixes in front of a ciphertext.
pub fn add_prefix(keys: &Keys, ciphertext: &str) -> String {
    let prefixes: Vec<String> = keys.iter().map(|(key, value)| format!("{{{key}:{value}}}")).collect();
    prefixes.concat() + ciphertext
}

/// Undoes what `curl -d` does to a body that was meant as plain text: with any type but text/plain, a `=` at the
/// end is the form's and the rest is form-encoded. `is_cipher` keeps a `=` that belongs to base 64.
pub fn form_data(body: &str, content_type: &str, is_cipher: bool) -> String {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !body.ends_with('=') || (media_type.eq_ignore_ascii_case("text/plain") && !content_type.contains(';'))
    {
        return body.to_owned();
    }
    let spaced = body.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8_lossy().into_owned();
    if !is_cipher {
        return decoded.strip_suffix('=').unwrap_or(&decoded).to_owned();
    }
    let decoded = decoded.replace(' ', "+");
    let is_text = |text: &str| hex::decode(text).is_ok() || STANDARD.decode(text).is_ok();
    match decoded.strip_suffix('=') {
        Some(candidate) if decoded.len() % 2 == 1 && is_text(candidate) => candidate.to_owned(),
        _ => decoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> String {
        add_prefix(&encryptor_keys(text), "")
    }

    #[test]
    fn prefixes_choose_the_key() {
        assert_eq!(keys("{key:k}{secret:s}abc"), "{key:k}{secret:s}");
        assert_eq!(keys("abc"), "");
        assert_eq!(keys("{name:x}{profiles:y}{key:k}abc"), "{key:k}");
        assert_eq!(keys("{key:k}{plain}{not:this}"), "{key:k}");
        assert_eq!(keys("{key:}{flag}x"), "{key::}{flag:}");
    }

    #[test]
    fn the_text_starts_behind_the_prefixes() {
        assert_eq!(strip_prefix("{key:k}{secret:s}abc"), "abc");
        assert_eq!(strip_prefix("{key:k}{plain}{a:b}"), "{a:b}");
        assert_eq!(strip_prefix("{abc}"), "{abc}");
        assert_eq!(strip_prefix("a{b:c}d"), "a{b:c}d");
    }

    #[test]
    fn forms_are_undone_and_base_64_is_kept() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(form_data("my+secret%21=", form, false), "my secret!");
        assert_eq!(form_data("mysecret", form, false), "mysecret");
        assert_eq!(form_data("mysecret=", "text/plain", false), "mysecret=");
        assert_eq!(form_data("0a0b=", form, true), "0a0b");
        assert_eq!(form_data("YQ+x=", form, true), "YQ+x");
        assert_eq!(form_data("YWI=", form, true), "YWI=");
    }
}
