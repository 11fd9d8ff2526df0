//! What followers in other processes are told: the directory, and which services are gone since when.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haechi_core::{Directory, Generation, ServiceName};
use haechi_stream::wire::Facts;
use tokio::sync::watch;

/// Services without instances that are remembered. Who missed more is told everything.
const GONE: usize = 1_024;

/// The registry's run as seen from outside.
pub(crate) struct Feed {
    epoch: String,
    told: watch::Sender<Told>,
    /// Whether everybody who lives is known, as far as anybody can tell: from the state file or from a peer.
    settled: AtomicBool,
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Told {
    directory: Arc<Directory>,
    gone: VecDeque<(Generation, ServiceName)>,
    /// What is gone since then is in `gone`.
    complete_since: Generation,
}

impl Feed {
    pub fn new() -> Self {
        Self {
            epoch: format!("{:016x}", haechi_core::rng::from_entropy().u64(..)),
            told: watch::Sender::default(),
            settled: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        }
    }

    /// The next directory.
    pub fn advance(&self, directory: Arc<Directory>) {
        self.told.send_if_modified(|told| {
            if directory.generation == told.directory.generation {
                return false;
            }
            for name in told.directory.services.keys().filter(|name| !directory.services.contains_key(*name))
            {
                told.gone.push_back((directory.generation, name.clone()));
            }
            while told.gone.len() > GONE {
                if let Some((generation, _)) = told.gone.pop_front() {
                    told.complete_since = generation;
                }
            }
            told.directory = directory;
            true
        });
    }

    /// Nobody is missing only because the registry began anew.
    pub fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// No follower waits any longer.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Followers that wait are answered that nothing is new, as long as what this returns is there.
    pub fn interrupt(&self) -> Interrupt<'_> {
        self.ended.send_replace(true);
        Interrupt(self)
    }

    /// What is newer than `since` in this run; everything for somebody who knows another. Waits for it, at most
    /// for `wait`. `settles` is what is left until everybody who lives has registered.
    pub async fn newer(
        &self,
        epoch: &str,
        since: Generation,
        settles: Duration,
        wait: Duration,
    ) -> Option<Facts> {
        let mut told = self.told.subscribe();
        let mut ended = self.ended.subscribe();
        let settles = if self.settled.load(Ordering::Relaxed) { Duration::ZERO } else { settles };
        let pause = tokio::time::sleep(wait);
        tokio::pin!(pause);
        loop {
            let facts = told.borrow_and_update().newer(&self.epoch, epoch == self.epoch, since);
            if let Some(facts) = facts {
                let settles_ms = u64::try_from(settles.as_millis()).unwrap_or(u64::MAX);
                return Some(Facts { settles_ms, ..facts });
            }
            tokio::select! {
                changed = told.changed() => changed.ok()?,
                () = pause.as_mut() => return None,
                _ = ended.wait_for(|ended| *ended) => return None,
            }
        }
    }
}

/// See [`Feed::interrupt`].
pub(crate) struct Interrupt<'a>(&'a Feed);

impl Drop for Interrupt<'_> {
    fn drop(&mut self) {
        self.0.ended.send_replace(false);
    }
}

impl Told {
    fn newer(&self, epoch: &str, same_run: bool, since: Generation) -> Option<Facts> {
        let directory = &self.directory;
        let whole = !same_run || since < self.complete_since || since > directory.generation;
        if !whole && since == directory.generation {
            return None;
        }
        let changed = directory.services.values().filter(|service| whole || service.generation > since);
        let removed = self
            .gone
            .iter()
            .filter(|(at, name)| !whole && *at > since && !directory.services.contains_key(name));
        Some(Facts {
            epoch: epoch.to_owned(),
            generation: directory.generation,
            whole,
            settles_ms: 0,
            services: changed.cloned().collect(),
            removed: removed.map(|(_, name)| name.clone()).collect(),
        })
    }
}
