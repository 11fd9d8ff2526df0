//! Basic authentication (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_web::{Request, Response, answer};
use http::{HeaderValue, StatusCode, header};

use crate::options::Credentials;

/// Whether a request comes with these credentials.
pub(crate) fn is(expected: &Credentials, request: &Request) -> bool {
    let sent = request.header("authorization").and_then(|value| {
        let (scheme, encoded) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())?
    });
    let expected = format!("{}:{}", expected.user, expected.password);
    sent.is_some_and(|sent| same(&sent, expected.as_bytes()))
}

/// Compares without telling by the time how far both agree.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Asks for credentials.
pub(crate) fn ask() -> Response {
    let mut response = answer::text(StatusCode::UNAUTHORIZED, "credentials are needed\n");
    let challenge = HeaderValue::from_static("Basic realm=\"haechi registry\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
