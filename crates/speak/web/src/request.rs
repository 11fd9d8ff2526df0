//! Reading requests.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

/// A request with its whole body.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The target as sent.
    pub uri: Uri,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body, at most [`crate::Limits::body_bytes`].
    pub body: Bytes,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// A path or query that percent-decodes to something that isn't UTF-8, or holds NUL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not percent-encoded UTF-8 text")]
pub struct BadEncoding(pub String);

fn decode(text: &str) -> Result<String, BadEncoding> {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !decoded.contains('\0') => Ok(decoded.into_owned()),
        _ => Err(BadEncoding(text.to_owned())),
    }
}

impl Request {
    /// The path's segments, percent-decoded one by one, so that an encoded slash stays inside its segment.
    /// Empty segments (`//`, a slash at the end) are left out.
    pub fn segments(&self) -> Result<Vec<String>, BadEncoding> {
        self.uri.path().split('/').filter(|s| !s.is_empty()).map(decode).collect()
    }

    /// The query's pairs in order, decoded (`+` is a space).
    pub fn query(&self) -> Result<Vec<(String, String)>, BadEncoding> {
        form_pairs(self.uri.query().unwrap_or_default())
    }

    /// The first value of a query parameter.
    pub fn query_value(&self, name: &str) -> Result<Option<String>, BadEncoding> {
        Ok(self.query()?.into_iter().find(|(k, _)| k == name).map(|(_, v)| v))
    }

    /// A header as text; a value that isn't visible ASCII counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// Pairs of a query or of an `application/x-www-form-urlencoded` body.
pub fn form_pairs(text: &str) -> Result<Vec<(String, String)>, BadEncoding> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plus = |s: &str| -> Result<String, BadEncoding> {
                let spaced: Cow<'_, str> =
                    if s.contains('+') { s.replace('+', " ").into() } else { Cow::Borrowed(s) };
                decode(&spaced)
            };
            Ok((plus(name)?, plus(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &'static str) -> Request {
        Request {
            method: Method::GET,
            uri: Uri::from_static(target),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            peer: ([127, 0, 0, 1], 1).into(),
        }
    }

    #[test]
    fn segments_are_decoded_one_by_one() {
        assert_eq!(get("/eureka/apps//A%2Fb/h%3A1/").segments().unwrap(), ["eureka", "apps", "A/b", "h:1"]);
        assert!(get("/%ff").segments().is_err());
        assert!(get("/a%00").segments().is_err());
    }

    #[test]
    fn query_pairs_keep_order_and_decode_plus() {
        let pairs = get("/?a=1+2&b&c=%3D").query().unwrap();
        assert_eq!(
            pairs,
            [("a".into(), "1 2".into()), ("b".into(), String::new()), ("c".into(), "=".into())]
        );
        assert_eq!(get("/?value=UP&value=DOWN").query_value("value").unwrap().as_deref(), Some("UP"));
    }
}
