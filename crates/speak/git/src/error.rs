//! What goes wrong.

use std::path::PathBuf;
use std::time::Duration;

use crate::uri::InvalidUri;

/// Why a repository can't be opened, fetched or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address isn't one.
    #[error(transparent)]
    Uri(#[from] InvalidUri),
    /// Nothing there that git would open.
    #[error("{path} is not a git repository: {why}")]
    NotARepository {
        /// Where.
        path: PathBuf,
        /// What git makes of it.
        why: String,
    },
    /// No branch, tag or commit of that name, as far as known here.
    #[error("no branch, tag or commit {0:?} in the repository")]
    UnknownLabel(String),
    /// The remote said no, broke off, or can't be reached.
    #[error("can't fetch from {uri}: {why}")]
    Fetch {
        /// Without credentials.
        uri: String,
        /// The chain of causes.
        why: String,
    },
    /// The remote took too long; what it had sent is dropped.
    #[error("the fetch from {uri} was not done after {} s", after.as_secs_f32())]
    TimedOut {
        /// Without credentials.
        uri: String,
        /// The deadline it missed.
        after: Duration,
    },
    /// [`crate::Interrupt::fire`] was called.
    #[error("the fetch from {0} was interrupted")]
    Interrupted(String),
    /// The tree at the commit is past a limit.
    #[error("commit {commit} holds more than {limit} {what}; raise the limit or split the repository")]
    TooLarge {
        /// The commit.
        commit: String,
        /// Files, bytes, or levels of folders.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The object database is damaged or can't be read.
    #[error("can't read the repository: {0}")]
    Read(String),
    /// A commit can't be made.
    #[error("can't write the repository: {0}")]
    Write(String),
}

/// An error with its causes on one line, without repeating a cause that a message already quotes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

pub(crate) fn read(error: impl std::error::Error) -> Error {
    Error::Read(chain(&error))
}

pub(crate) fn write(error: impl std::error::Error) -> Error {
    Error::Write(chain(&error))
}
