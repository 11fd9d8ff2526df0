//! Why there is no certificate.

use std::time::Duration;

use instant_acme::{Error, Problem};

use crate::http::Unreachable;

/// Where it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The CA was not reached, or what is needed here could not be read or written.
    Unreachable,
    /// The CA refused.
    Refused,
}

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// Where it failed.
    pub fault: Fault,
    /// What to tell people.
    pub why: String,
    /// For how long the CA wants to be left alone, if it says so.
    pub retry_after: Option<Duration>,
    /// Whether the CA doesn't know the account: it has to be made anew.
    pub(crate) no_account: bool,
}

impl Failure {
    pub(crate) fn new(fault: Fault, why: impl Into<String>) -> Self {
        Self { fault, why: why.into(), retry_after: None, no_account: false }
    }

    /// Something here, not at the CA.
    pub(crate) fn here(what: &str, error: &dyn std::error::Error) -> Self {
        Self::new(Fault::Unreachable, format!("{what}: {error}"))
    }

    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Api(problem) => Self {
                no_account: problem.r#type.as_deref() == Some(NO_ACCOUNT),
                ..Self::new(Fault::Refused, words(problem))
            },
            Error::Other(other) => match other.downcast_ref::<Unreachable>() {
                Some(unreachable) => Self::new(Fault::Unreachable, unreachable.to_string()),
                None => Self::new(Fault::Refused, other.to_string()),
            },
            Error::Timeout(_) => Self::new(Fault::Refused, "the CA did not come to a result in time"),
            Error::Json(_) => {
                Self::new(Fault::Unreachable, "what answers is no ACME server; check `directory`")
            }
            other => Self::new(Fault::Refused, other.to_string()),
        }
    }
}

/// RFC 8555 §6.7.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Characters of a CA's explanation that are passed on, at most.
const WORDS: usize = 600;

/// What the CA says of it.
pub(crate) fn words(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
    let mut words = match (kind, problem.detail.as_deref()) {
        ("", None) => "the CA refused and didn't say why".to_owned(),
        ("", Some(detail)) => format!("the CA says: {detail}"),
        (kind, None) => format!("the CA says: {kind}"),
        (kind, Some(detail)) => format!("the CA says: {detail} ({kind})"),
    };
    for part in &problem.subproblems {
        words.push_str("; ");
        words.push_str(part.detail.as_deref().unwrap_or_default());
    }
    // It goes into a log, a line each.
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect()
}
