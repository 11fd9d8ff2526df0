//! The authority of a request: host and optional port.

/// A checked authority, as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// All of it: `shop.example:8080`, `[::1]:80`.
    pub text: &'a str,
    /// Without the port; an IPv6 address keeps its brackets.
    pub host: &'a str,
    /// The port, where there is one.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Checks a Host value or the authority of an absolute target (RFC 3986 §3.2.2). Userinfo is refused, and so
    /// is an empty host: `http` has none (RFC 9110 §4.2.1).
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let end = rest.find(']')?;
                rest[..end].parse::<std::net::Ipv6Addr>().ok()?;
                let (host, after) = text.split_at(end + 2);
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let named = host.starts_with('[') || is_registered_name(host);
        let port = match port {
            None => None,
            Some(digits)
                if !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        named.then_some(Self { text, host, port })
    }

    /// Whether both name the same place. `default_port` is the scheme's.
    pub fn same_as(&self, other: &Self, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// A reg-name of RFC 3986 without percent-encoding and sub-delimiters: no DNS name needs them, and parsers read
/// them differently.
fn is_registered_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::Authority;

    #[test]
    fn a_host_may_have_a_port() {
        let authority = Authority::parse(b"shop.example:8080").unwrap();
        assert_eq!((authority.host, authority.port), ("shop.example", Some(8080)));
        let authority = Authority::parse(b"[::1]:80").unwrap();
        assert_eq!((authority.host, authority.port), ("[::1]", Some(80)));
        assert_eq!(Authority::parse(b"[::1]").unwrap().port, None);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:+80",
            "user@a",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "[::1",
            "[::1]80",
            "[nonsense]",
            "::1",
            "a%2eb",
            "a,b",
            "é",
        ] {
            assert_eq!(Authority::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn case_and_the_default_port_make_no_difference() {
        let parse = |text: &'static str| Authority::parse(text.as_bytes()).unwrap();
        assert!(parse("Shop.Example").same_as(&parse("shop.example:80"), 80));
        assert!(!parse("shop.example:81").same_as(&parse("shop.example"), 80));
    }
}
