//! Why a question has no answer.

use haechi_props::ReadError;

/// Why an environment or file can't be answered, and how HTTP says so.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// 404.
    #[error("no branch, tag or commit {0:?}")]
    UnknownLabel(String),
    /// 404.
    #[error("no file {0:?}")]
    UnknownFile(String),
    /// 404, where `accept_empty` is off.
    #[error("nothing is known of the application {0:?}")]
    UnknownApplication(String),
    /// 400.
    #[error("{0}")]
    Invalid(String),
    /// 400: a placeholder that refers to itself, or the like.
    #[error("{0}")]
    Placeholder(String),
    /// 503: never read so far, and out of reach now.
    #[error("{repository} has not been read yet: {why}")]
    Unavailable {
        /// Its address, without credentials.
        repository: String,
        /// What keeps it.
        why: String,
    },
    /// 500: a file that the application needs has never been good.
    #[error("{}", list(.0))]
    Broken(Vec<ReadError>),
    /// 500: the disk, the object database.
    #[error("{0}")]
    Internal(String),
}

fn list(errors: &[ReadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::UnknownLabel(_) | Self::UnknownFile(_) | Self::UnknownApplication(_) => 404,
            Self::Invalid(_) | Self::Placeholder(_) => 400,
            Self::Unavailable { .. } => 503,
            Self::Broken(_) | Self::Internal(_) => 500,
        }
    }
}
