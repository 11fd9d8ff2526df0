//! The one stream of facts: directory snapshots from the registry to every consumer, and evidence from the
//! gateway (and the fleet) back. Nobody polls. [`channel`] is the stream in a process, [`wire`] between two.
//!
//! A snapshot is immutable and replaced whole. Evidence is bounded: when the registry is slow or gone,
//! observations are dropped and counted, because the gateway already acted on them itself.

pub mod events;
pub mod wire;

pub use events::{Event, Events};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use haechi_core::{Directory, Evidence};
use tokio::sync::{mpsc, watch};

/// Observations that wait for the registry, at most.
pub const EVIDENCE_QUEUE: usize = 1024;

/// The registry's end: it publishes directories and takes evidence.
#[derive(Debug)]
pub struct Publisher {
    directories: watch::Sender<Arc<Directory>>,
    evidence: mpsc::Receiver<Evidence>,
}

impl Publisher {
    /// Replaces the directory that every consumer sees.
    pub fn publish(&self, directory: Arc<Directory>) {
        self.directories.send_replace(directory);
    }

    /// The next observation; never returns while no consumer sends any.
    pub async fn evidence(&mut self) -> Option<Evidence> {
        self.evidence.recv().await
    }
}

/// A consumer's end. Cheap to clone; one per worker.
#[derive(Clone, Debug)]
pub struct Subscriber {
    directories: watch::Receiver<Arc<Directory>>,
    evidence: mpsc::Sender<Evidence>,
    dropped: Arc<AtomicU64>,
}

impl Subscriber {
    /// The newest directory; marks it as seen.
    pub fn current(&mut self) -> Arc<Directory> {
        self.directories.borrow_and_update().clone()
    }

    /// Waits for a directory newer than the last one seen. False when the registry is gone: the last
    /// directory stays good.
    pub async fn changed(&mut self) -> bool {
        self.directories.changed().await.is_ok()
    }

    /// Reports what was seen. Never waits: a full queue drops it and counts.
    pub fn report(&self, evidence: Evidence) {
        if self.evidence.try_send(evidence).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Observations dropped since the start, over all clones.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Makes both ends. The first directory is empty, at generation 0.
pub fn channel() -> (Publisher, Subscriber) {
    let (directories_in, directories) = watch::channel(Arc::new(Directory::default()));
    let (evidence, evidence_out) = mpsc::channel(EVIDENCE_QUEUE);
    (
        Publisher { directories: directories_in, evidence: evidence_out },
        Subscriber { directories, evidence, dropped: Arc::default() },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_core::{Generation, Instant, ServiceName, Witness};

    fn seen() -> Evidence {
        Evidence {
            service: ServiceName::new("A").unwrap(),
            address: ([127, 0, 0, 1], 1).into(),
            witness: Witness::Refused,
            at: Instant::ZERO,
        }
    }

    #[tokio::test]
    async fn a_consumer_sees_the_newest_directory_and_the_registry_sees_evidence() {
        let (mut registry, mut gateway) = channel();
        assert_eq!(gateway.current().generation, Generation(0));
        for n in 1..=3 {
            registry.publish(Arc::new(Directory { generation: Generation(n), ..Directory::default() }));
        }
        assert!(gateway.changed().await);
        assert_eq!(gateway.current().generation, Generation(3));
        gateway.report(seen());
        assert_eq!(registry.evidence().await, Some(seen()));
    }

    #[tokio::test]
    async fn evidence_is_bounded_and_the_last_directory_outlives_the_registry() {
        let (registry, mut gateway) = channel();
        for _ in 0..EVIDENCE_QUEUE + 5 {
            gateway.report(seen());
        }
        assert_eq!(gateway.dropped(), 5);
        drop(registry);
        assert!(!gateway.changed().await);
        assert_eq!(gateway.current().generation, Generation(0));
    }
}
