//! Everything that a request can get wrong, and the one table from that to an answer.

use haechi_eureka::DecodeError;
use haechi_web::request::BadEncoding;
use haechi_web::{Response, answer};
use http::StatusCode;

use crate::shared::Refused;
use crate::view::escaped;

/// Why a request is refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Encoding(#[from] BadEncoding),
    /// Netflix's server answers 500 to most of these.
    #[error("{name}: expected {expected}")]
    Query { name: &'static str, expected: &'static str },
    #[error("{0}")]
    Json(DecodeError),
    #[error("{0}")]
    Xml(DecodeError),
    #[error("{0}")]
    Registration(#[from] Refused),
    #[error("the body isn't gzip, although its head says so: {0}")]
    NotGzip(#[from] std::io::Error),
    #[error("the body unpacks to more than {0} bytes")]
    TooLarge(u64),
    #[error("send {0}")]
    MediaType(&'static str),
}

/// Netflix's words; why is ours.
const UNREADABLE: &str = "cannot parse request body";

#[derive(serde::Serialize)]
struct Unreadable {
    error: &'static str,
    reason: String,
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Json(error) => {
                let body = Unreadable { error: UNREADABLE, reason: error.to_string() };
                return answer::json(StatusCode::BAD_REQUEST, &body);
            }
            Refusal::Xml(error) => {
                let reason = escaped(&error.to_string());
                let body = format!("<error><message>{UNREADABLE}</message><reason>{reason}</reason></error>");
                return answer::with(StatusCode::BAD_REQUEST, "application/xml", body);
            }
            Refusal::Encoding(_) | Refusal::Query { .. } | Refusal::NotGzip(_) => StatusCode::BAD_REQUEST,
            Refusal::Registration(Refused::Invalid(_)) => StatusCode::BAD_REQUEST,
            Refusal::Registration(Refused::Full(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        answer::text(status, refusal.to_string())
    }
}
