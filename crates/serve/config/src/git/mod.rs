//! Configuration from git repositories.

mod follow;
mod label;
mod pattern;
mod pool;
mod repository;

pub(crate) use pattern::GitSource;
pub(crate) use repository::GitRepository;
pub use repository::{LabelStatus, RepositoryStatus};
