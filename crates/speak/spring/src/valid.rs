//! What names, labels, profiles and paths must look like (Spring's `PathUtils`): the first guard against
//! reading outside the repository.

use percent_encoding::percent_decode_str;

/// Stands for `/` where a path segment can't have one.
pub const SLASH: &str = "(_)";

/// A name, label or path with `(_)` turned into `/`. None if it must be refused: `..` or `#` anywhere, `(_)` at
/// the start, also where a second percent-decoding would show them; or a control character.
pub fn normalize(part: &str) -> Option<String> {
    let refused = |text: &str| {
        text.contains("..")
            || text.contains('#')
            || text.starts_with(SLASH)
            || text.contains(char::is_control)
    };
    if refused(part) {
        return None;
    }
    if part.contains('%') {
        let decoded = percent_decode_str(part).decode_utf8_lossy();
        let plain = decoded.replace('\\', "/");
        if refused(&decoded) || refused(plain.trim_start_matches(['/', ' '])) {
            return None;
        }
    }
    Some(part.replace(SLASH, "/"))
}

/// Whether a comma list of profiles is one that Spring takes: each one letters, digits and `-_.+@`, starting
/// and ending with a letter or digit. No profile at all is fine.
pub fn profiles(list: &str) -> bool {
    list.is_empty() || (list.split(',').all(profile) && normalize(list).is_some())
}

fn profile(name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "-_.+@".contains(c);
    name.chars().all(inside)
        && name.starts_with(char::is_alphanumeric)
        && name.ends_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_climb_are_refused_however_they_are_written() {
        for part in
            ["..", "a/../b", "a#b", "(_)etc", "%2e%2e", "a%23", "%28_%29x", "x%5c..", "%2F(_)a", "a\0b"]
        {
            assert_eq!(normalize(part), None, "{part}");
        }
        assert_eq!(normalize("feature(_)x").as_deref(), Some("feature/x"));
        assert_eq!(normalize("100%").as_deref(), Some("100%"));
    }

    #[test]
    fn profiles_are_words() {
        for good in ["", "dev", "dev,db", "a-b_c.d+e@f", "é1"] {
            assert!(profiles(good), "{good}");
        }
        for bad in ["-dev", "dev-", "dev,", "de v", "a/b", "a..b", "a(_)b", "${x}"] {
            assert!(!profiles(bad), "{bad}");
        }
    }
}
