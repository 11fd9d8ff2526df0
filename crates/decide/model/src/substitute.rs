//! `${NAME}` and `${NAME:-default}` in values.

/// Why a text could not be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// The variable isn't set and there is no default.
    Unset(String),
    /// `${` without `}`.
    Unclosed,
    /// What stands between the braces is not a variable's name.
    BadName(String),
}

/// Puts variables into a text. `$${` becomes `${`; what a variable holds is not looked at again.
pub(crate) fn substitute(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Unresolved> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        let inside = &rest[at + 2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = inside;
            continue;
        }
        out.push_str(before);
        let end = inside.find('}').ok_or(Unresolved::Unclosed)?;
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        let is_name = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name {
            return Err(Unresolved::BadName(name.to_owned()));
        }
        // As in a shell, `:-` also stands in for a variable that is set to nothing.
        match (variable(name), default) {
            (Some(value), None) => out.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => out.push_str(&value),
            (_, Some(default)) => out.push_str(default),
            (None, None) => return Err(Unresolved::Unset(name.to_owned())),
        }
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, Unresolved> {
        substitute(text, &|name| match name {
            "HOST" => Some("h".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${HOST}".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn variables_defaults_and_escapes() {
        assert_eq!(with("a").unwrap(), "a");
        assert_eq!(with("${HOST}:${PORT:-80}/${EMPTY:-x}${EMPTY}").unwrap(), "h:80/x");
        assert_eq!(with("$${HOST} $5 $").unwrap(), "${HOST} $5 $");
        assert_eq!(with("${TRICK}").unwrap(), "${HOST}", "what a variable holds is not looked at again");
        assert_eq!(with("${NONE}"), Err(Unresolved::Unset("NONE".to_owned())));
        assert_eq!(with("${NONE:-}").unwrap(), "");
        assert_eq!(with("${HOST"), Err(Unresolved::Unclosed));
        assert_eq!(with("${a b}"), Err(Unresolved::BadName("a b".to_owned())));
        assert_eq!(with("${}"), Err(Unresolved::BadName(String::new())));
    }
}
