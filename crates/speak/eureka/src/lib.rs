//! Eureka's wire forms, JSON and XML, full and compact, and nothing else: no policy, no sockets.
//!
//! Reading is lenient where Netflix's server or its clients are (see `docs/decisions/0202-eureka-wire.md`) and
//! bounded by [`limits`]; writing reproduces the field order and the quirks of which fields are strings.
//! Instances are written once per change as a [`Fragment`]; a listing is a concatenation of fragments.

pub mod fragment;
pub mod instance;
pub mod json;
pub mod limits;
pub mod replication;
pub mod xml;

pub use fragment::{Encoding, Fragment, Listing};
pub use instance::{DataCenter, InstanceInfo, LeaseInfo, Port};
pub use replication::{ReplicationAction, ReplicationItem, ReplicationResponse};

/// Why a document could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It isn't JSON, or is nested too deeply.
    #[error("not JSON: {0}")]
    Json(String),
    /// It isn't XML, or uses what is refused (a document type, entities of its own).
    #[error("not XML that is accepted here: {0}")]
    Xml(String),
    /// The outermost element or key is another.
    #[error("expected {0:?} as the root")]
    Root(&'static str),
    /// A field has a value of the wrong kind.
    #[error("{field}: expected {expected}")]
    Field {
        /// The field's name on the wire.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// Something exceeds a limit.
    #[error("{what} exceeds the limit of {limit}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit, from [`limits`].
        limit: usize,
    },
}

impl DecodeError {
    pub(crate) fn field(field: &'static str, expected: &'static str) -> Self {
        Self::Field { field, expected }
    }
}
