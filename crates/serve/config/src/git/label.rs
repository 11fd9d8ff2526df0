//! One label of a repository, in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::version::Version;

/// A label that was asked for: the names to try, and the version that it means.
#[derive(Debug)]
pub(crate) struct Label {
    /// In the order in which they are tried; several for the default label only.
    pub candidates: Vec<String>,
    version: RwLock<Option<Arc<Version>>>,
    /// Held by whoever looks at the repository for this label.
    pub looking: tokio::sync::Mutex<()>,
    /// Looks begun. A request that waited while one began needs no other.
    pub looks: AtomicU64,
    /// When it was last asked for, in the repository's count of requests.
    pub used: AtomicU64,
}

impl Label {
    pub fn new(candidates: Vec<String>) -> Self {
        Self {
            candidates,
            version: RwLock::new(None),
            looking: tokio::sync::Mutex::new(()),
            looks: AtomicU64::new(0),
            used: AtomicU64::new(0),
        }
    }

    pub fn version(&self) -> Option<Arc<Version>> {
        self.version.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, version: Option<Arc<Version>>) {
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = version;
    }

    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::SeqCst)
    }
}
