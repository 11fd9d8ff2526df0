//! What the table looks at, borrowed from the request.

use crate::config::{ValueMatch, ValuePattern};
use crate::path::NormalPath;

/// A request's header fields.
pub trait Headers {
    /// The value of the first line with this name (lower case), spaces around it cut. Only the first line
    /// counts: a request with two lines of a name is matched by one of them, always the same.
    fn first(&self, name: &str) -> Option<&[u8]>;
}

/// A request without header fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn first(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn first(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.iter().find(|(n, _)| n.as_ref().eq_ignore_ascii_case(name))?;
        Some(value.as_ref().trim_ascii())
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        Headers::first(self.as_slice(), name)
    }
}

/// A request, as far as routing looks at it.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// Method, as sent; methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// Host as sent: a port, a dot at the end and upper case don't matter. Empty if there is none.
    pub host: &'a str,
    /// The path in normal form.
    pub path: &'a NormalPath<'a>,
    /// The query without its `?`; empty if there is none.
    pub query: &'a str,
    /// The header fields.
    pub headers: &'a dyn Headers,
}

/// Whether a condition on a header holds.
pub(crate) fn header_holds(want: &ValueMatch, headers: &dyn Headers) -> bool {
    let value = headers.first(&want.name);
    match &want.value {
        ValuePattern::Present => value.is_some(),
        ValuePattern::Absent => value.is_none(),
        ValuePattern::Exact(text) => value == Some(text.as_bytes()),
        ValuePattern::Prefix(text) => value.is_some_and(|v| v.starts_with(text.as_bytes())),
    }
}

/// Whether a condition on a query parameter holds: its first occurrence counts, decoded as forms are.
pub(crate) fn query_holds(want: &ValueMatch, query: &str) -> bool {
    let value = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(name, _)| decoded(name).eq(want.name.bytes()))
        .map(|(_, value)| value);
    match &want.value {
        ValuePattern::Present => value.is_some(),
        ValuePattern::Absent => value.is_none(),
        ValuePattern::Exact(text) => value.is_some_and(|v| decoded(v).eq(text.bytes())),
        ValuePattern::Prefix(text) => value.is_some_and(|v| decoded(v).take(text.len()).eq(text.bytes())),
    }
}

/// The bytes of a form-encoded text: `+` is a space, `%xx` a byte, a `%` without digits itself.
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        rest = tail;
        if first == b'+' {
            return Some(b' ');
        }
        if first == b'%'
            && let [high, low, after @ ..] = tail
        {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            if let (Some(high), Some(low)) = (digit(*high), digit(*low)) {
                rest = after;
                return Some((high * 16 + low) as u8);
            }
        }
        Some(first)
    })
}

/// The host of an authority without port, brackets kept, without the root's dot.
pub(crate) fn without_port(authority: &str) -> &str {
    let host = match authority.rfind(':') {
        Some(colon) if authority[colon + 1..].bytes().all(|b| b.is_ascii_digit()) => &authority[..colon],
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}
