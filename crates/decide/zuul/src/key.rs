//! Names of properties, as Spring's binder reads them.

/// The elements of `a.b[c.d].e[0]`: `a`, `b`, `c.d`, `e`, `0`.
pub(crate) fn elements(key: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[')
            && let Some((element, after)) = inside.split_once(']')
        {
            elements.push(element);
            rest = after.strip_prefix('.').unwrap_or(after);
            continue;
        }
        let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
        let (element, after) = rest.split_at(end.unwrap_or(rest.len()));
        elements.push(element.strip_prefix('.').unwrap_or(element));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    elements
}

/// A name without what relaxed binding doesn't look at: `ignored-services` = `ignoredServices` =
/// `IGNORED_SERVICES`.
pub(crate) fn relaxed(element: &str) -> String {
    element.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Spring's booleans.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A list as one text: `a, b`.
pub(crate) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The known name nearest to `name`, if it is near enough to be meant.
pub(crate) fn did_you_mean<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = relaxed(name);
    known
        .map(|candidate| (strsim::damerau_levenshtein(&plain, &relaxed(candidate)), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= plain.len() / 3)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_at_dots_and_brackets() {
        assert_eq!(elements("zuul.routes.a-b.path"), ["zuul", "routes", "a-b", "path"]);
        assert_eq!(elements("zuul.routes[a.b].path"), ["zuul", "routes", "a.b", "path"]);
        assert_eq!(elements("zuul.ignoredPatterns[0]"), ["zuul", "ignoredPatterns", "0"]);
        assert_eq!(elements("a[b"), ["a", "[b"]);
        assert!(elements("").is_empty());
    }

    #[test]
    fn relaxed_names_are_one() {
        for name in ["ignored-services", "ignoredServices", "IGNORED_SERVICES", "ignoredservices"] {
            assert_eq!(relaxed(name), "ignoredservices");
        }
    }
}
