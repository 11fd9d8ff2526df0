//! Basic authentication (RFC 7617) of the whole server.

use base64::Engine as _;
use haechi_git::Credentials;
use haechi_web::{Request, Response, answer};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// The one user that may ask.
pub(super) struct Basic {
    /// Of `user:password`. Digests are compared, so that neither length nor content shows in the time it takes.
    digest: [u8; 32],
}

impl Basic {
    pub fn new(credentials: &Credentials) -> Self {
        let pair = format!("{}:{}", credentials.username, credentials.password);
        Self { digest: Sha256::digest(pair.as_bytes()).into() }
    }

    pub fn permits(&self, request: &Request) -> bool {
        let Some((scheme, encoded)) =
            request.header("authorization").and_then(|value| value.trim().split_once(' '))
        else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(pair) = base64::engine::general_purpose::STANDARD.decode(encoded.trim()) else { return false };
        let given: [u8; 32] = Sha256::digest(&pair).into();
        given.iter().zip(&self.digest).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

pub(super) fn challenge() -> Response {
    let mut response = answer::text(StatusCode::UNAUTHORIZED, "a user name and password are needed\n");
    let challenge = HeaderValue::from_static("Basic realm=\"config\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
