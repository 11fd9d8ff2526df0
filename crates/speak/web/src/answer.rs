//! Making answers.

use std::convert::Infallible;
use std::io::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, channel};

/// A body: whole, or fed through a channel (server-sent events).
pub type Body = BoxBody<Bytes, Infallible>;
/// An answer.
pub type Response = http::Response<Body>;

/// A body smaller than this is not worth compressing.
const GZIP_MIN_BYTES: usize = 512;

/// A body from bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A body whose parts are sent later; at most `capacity` wait for a slow reader.
pub fn streamed(capacity: usize) -> (channel::Sender<Bytes, Infallible>, Body) {
    let (sender, body) = channel::Channel::new(capacity);
    (sender, body.boxed())
}

/// An answer with a body of the given type.
pub fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// `text/plain` in UTF-8.
pub fn text(status: StatusCode, body: impl Into<String>) -> Response {
    with(status, "text/plain;charset=UTF-8", body.into())
}

/// `application/json`. A value that can't be written (a map with keys that aren't text) answers 500.
pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => with(status, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("can't write the answer: {error}")),
    }
}

/// Whether the client takes gzip (RFC 9110 §12.5.3; `q=0` refuses it).
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).any(|list| {
        list.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
                && !parts.any(|p| {
                    p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
                })
        })
    })
}

/// The bytes compressed with gzip, or nothing where that isn't worth it.
pub fn gzip(bytes: &[u8]) -> Option<Bytes> {
    if bytes.len() < GZIP_MIN_BYTES {
        return None;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_only_when_offered() {
        for (value, takes) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("xgzip", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(takes_gzip(&headers), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
