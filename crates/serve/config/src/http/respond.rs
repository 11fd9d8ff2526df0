//! Answers in Spring's words.

use haechi_spring::error::error_json;
use haechi_web::{Request, Response, answer};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::cache::Answer;
use crate::error::Error;
use crate::server::Inner;

/// Says which broken files an answer has in their last good version.
const WARNING: HeaderName = HeaderName::from_static("haechi-config-warning");
/// Warnings named in one header.
const WARNINGS: usize = 5;

/// Spring Boot's error document.
pub(super) fn error(server: &Inner, status: u16, message: Option<&str>, request: &Request) -> Response {
    let body = error_json(server.shared.clock.wall(), status, message, request.uri.path());
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer::with(status, "application/json", body)
}

pub(super) fn failure(server: &Inner, failure: &Error, request: &Request) -> Response {
    error(server, failure.status(), Some(&failure.to_string()), request)
}

pub(super) fn success(found: Answer) -> Response {
    let mut response = answer::with(StatusCode::OK, found.content_type, found.body);
    if !found.warnings.is_empty() {
        let named = found.warnings.iter().take(WARNINGS).map(|w| printable(w)).collect::<Vec<_>>().join("; ");
        if let Ok(value) = HeaderValue::try_from(named) {
            response.headers_mut().insert(WARNING, value);
        }
    }
    response
}

/// A header can't hold line breaks or letters beyond ASCII.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
