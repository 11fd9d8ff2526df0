//! Git repositories read at a commit, without a work tree.
//!
//! A [`Repository`] is either a local one, read where it lies, or a bare mirror of a remote one that
//! [`Repository::fetch`] brings up to date. Both are read from the object database at a commit
//! ([`Repository::snapshot`]), so a reader never sees half a change, and `.git` can't be reached at all.
//!
//! Everything here blocks: callers run it on threads that may. A fetch is bounded by its deadline even
//! against a remote that accepts and then says nothing, and can be interrupted.

mod error;
mod fetch;
mod interrupt;
mod label;
mod make;
mod repository;
mod snapshot;
mod transport;
mod uri;

pub use error::Error;
pub use fetch::{Credentials, Fetched, RemoteOptions, Ssh};
pub use interrupt::Interrupt;
pub use make::{Change, Signature, commit, init};
pub use repository::Repository;
pub use snapshot::{File, Limits, Skipped, Snapshot};
pub use uri::{InvalidUri, Uri};

/// A commit's id, 40 hexadecimal digits.
pub type CommitId = String;
