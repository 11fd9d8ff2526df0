//! The target of a request (RFC 9112 §3.2): its form and its bytes. What a path means (dot segments,
//! escapes) is the route table's to judge.

use crate::{Authority, BadRequest};

/// A checked target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Path and query as sent to a server: `/a/b?c`, or `*` for OPTIONS.
    pub path_and_query: &'a str,
    /// Bytes of the path in it.
    path_len: usize,
    /// The authority, when the target was in absolute form.
    pub authority: Option<Authority<'a>>,
}

impl<'a> Target<'a> {
    /// The path, without the query.
    pub fn path(&self) -> &'a str {
        self.path_and_query.get(..self.path_len).unwrap_or_default()
    }

    /// The query without its question mark.
    pub fn query(&self) -> Option<&'a str> {
        self.path_and_query.get(self.path_len + 1..)
    }

    pub(crate) fn parse(method: &str, target: &'a str) -> Result<Self, BadRequest> {
        if target.starts_with('/') {
            return Self::origin(target, None);
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Self { path_and_query: target, path_len: 1, authority: None });
        }
        let rest = strip_scheme(target).ok_or(BadRequest::Target)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        let authority = Authority::parse(authority.as_bytes()).ok_or(BadRequest::Host)?;
        // An empty path means `/`; one that is missing before a query can't be forwarded by range copy.
        let path_and_query = if path_and_query.is_empty() { "/" } else { path_and_query };
        Self::origin(path_and_query, Some(authority))
    }

    fn origin(path_and_query: &'a str, authority: Option<Authority<'a>>) -> Result<Self, BadRequest> {
        let path_len = path_and_query.find('?').unwrap_or(path_and_query.len());
        let path = &path_and_query[..path_len];
        if path.starts_with('/') && path_and_query.bytes().all(is_target_byte) {
            Ok(Self { path_and_query, path_len, authority })
        } else {
            Err(BadRequest::Target)
        }
    }
}

fn strip_scheme(target: &str) -> Option<&str> {
    let scheme = target.get(..7)?;
    scheme.eq_ignore_ascii_case("http://").then(|| &target[7..])
}

/// Visible ASCII. A fragment is never sent (RFC 9110 §4.2.4), and some services cut it off.
const fn is_target_byte(byte: u8) -> bool {
    byte > b' ' && byte < 0x7f && byte != b'#'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_told_apart() {
        let target = Target::parse("GET", "/a/b?c=d?e").unwrap();
        assert_eq!((target.path(), target.query()), ("/a/b", Some("c=d?e")));
        let target = Target::parse("GET", "/a").unwrap();
        assert_eq!((target.path(), target.query()), ("/a", None));
        assert_eq!(Target::parse("GET", "/?").unwrap().query(), Some(""));
    }

    #[test]
    fn an_absolute_target_carries_its_authority() {
        let target = Target::parse("GET", "HTTP://shop.example:81/a?b").unwrap();
        assert_eq!(target.path_and_query, "/a?b");
        assert_eq!(target.authority.unwrap().text, "shop.example:81");
        assert_eq!(Target::parse("GET", "http://shop.example").unwrap().path(), "/");
    }

    #[test]
    fn the_asterisk_is_for_options() {
        assert_eq!(Target::parse("OPTIONS", "*").unwrap().path(), "*");
        assert_eq!(Target::parse("GET", "*"), Err(BadRequest::Target));
    }

    #[test]
    fn what_parsers_read_differently_is_refused() {
        for bad in [
            "a",
            "/a#b",
            "/a?b#c",
            "/é",
            "/a b",
            "https://a/",
            "ftp://a/",
            "http://",
            "http:///a",
            "http://a?b",
            "http://u@a/",
            "example.com:443",
            "/a\u{7f}",
        ] {
            assert!(Target::parse("GET", bad).is_err(), "{bad:?}");
        }
    }
}
