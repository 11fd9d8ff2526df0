//! Ant-style paths as Spring's `AntPathMatcher` matches directories: `?`, `*` inside a segment, `**` for any
//! number of segments.

/// Whether the path has wildcards at all.
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// Whether the whole path matches.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let split = |text: &str| text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let (pattern, path): (Vec<String>, Vec<String>) = (split(pattern), split(path));
    wildcard(&pattern, &path, |part| part == "**", |pattern, part| segment(pattern, part))
}

fn segment(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    wildcard(&pattern, &text, |c| *c == '*', |pattern, c| *pattern == '?' || pattern == c)
}

/// The usual linear-space glob: on a mismatch the last star takes one item more. Quadratic at worst.
fn wildcard<T>(pattern: &[T], items: &[T], star: fn(&T) -> bool, same: fn(&T, &T) -> bool) -> bool {
    let (mut p, mut i) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while i < items.len() {
        match pattern.get(p) {
            Some(part) if star(part) => {
                last_star = Some((p, i));
                p += 1;
            }
            Some(part) if same(part, &items[i]) => {
                p += 1;
                i += 1;
            }
            _ => {
                let Some((at, taken)) = last_star else { return false };
                last_star = Some((at, taken + 1));
                p = at + 1;
                i = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_within_a_segment_and_double_stars_across() {
        for (pattern, path, expected) in [
            ("a*", "abc", true),
            ("a*", "abc/d", false),
            ("a/**/d", "a/d", true),
            ("a/**/d", "a/b/c/d", true),
            ("**", "x/y", true),
            ("a?c/*", "abc/", false),
            ("*/config/", "app/config", true),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxx", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
