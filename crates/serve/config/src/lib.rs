//! The config server, wire-compatible with Spring Cloud Config.
//!
//! Answers come from memory: an immutable [`version`](crate::version) per repository and label, parsed once per
//! commit and replaced whole. A local repository is looked at on every request (one look serves all who wait),
//! so a commit is seen at once. A remote one is fetched in the background; no request waits for it once its
//! label is known, and the mirror on disk carries what is known over a restart.

mod cache;
mod checkout;
mod cipher;
mod environment;
mod error;
mod git;
mod http;
mod native;
mod options;
mod server;
mod shared;
mod sources;
mod version;

pub use environment::Environment;
pub use error::Error;
pub use git::{LabelStatus, RepositoryStatus};
pub use haechi_git::{Credentials, Ssh};
pub use native::NativeStatus;
pub use options::{
    EncryptOptions, GitOptions, Limits, NativeOptions, Options, PatternRepository, RepositoryOptions,
    SourceOptions,
};
pub use server::{ConfigServer, Status};
pub use version::Problem;
