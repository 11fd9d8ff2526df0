//! The recent changes that deltas are made of: each instance once, at its newest change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Generation, Instant, ServiceName};

use crate::{Details, Instance, Key};

#[derive(Debug)]
pub(crate) struct Changes<D: Details> {
    by_generation: BTreeMap<Generation, (Instant, Key, Arc<Instance<D>>)>,
    newest: BTreeMap<Key, Generation>,
    /// Grows whenever the list differs from before.
    revision: u64,
}

impl<D: Details> Default for Changes<D> {
    fn default() -> Self {
        Self { by_generation: BTreeMap::new(), newest: BTreeMap::new(), revision: 0 }
    }
}

impl<D: Details> Changes<D> {
    pub fn push(&mut self, key: Key, instance: Arc<Instance<D>>, now: Instant, limit: usize) {
        let generation = instance.generation;
        if let Some(before) = self.newest.insert(key.clone(), generation) {
            self.by_generation.remove(&before);
        }
        self.by_generation.insert(generation, (now, key, instance));
        while self.by_generation.len() > limit {
            self.drop_oldest();
        }
        self.revision += 1;
    }

    /// Forgets what is older than `retention`.
    pub fn prune(&mut self, retention: Duration, now: Instant) {
        while self.by_generation.first_key_value().is_some_and(|(_, (at, ..))| now.since(*at) > retention) {
            self.drop_oldest();
            self.revision += 1;
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, (_, key, _))) = self.by_generation.pop_first() {
            self.newest.remove(&key);
        }
    }

    /// What is remembered, oldest first, each with its time.
    pub fn all(&self) -> impl Iterator<Item = (Instant, &Key, &Arc<Instance<D>>)> {
        self.by_generation.values().map(|(at, key, instance)| (*at, key, instance))
    }

    pub fn delta(&self, generation: Generation, hash_code: String) -> Delta<D> {
        let mut apps: BTreeMap<ServiceName, Vec<Arc<Instance<D>>>> = BTreeMap::new();
        for (_, key, instance) in self.by_generation.values() {
            apps.entry(key.app.clone()).or_default().push(Arc::clone(instance));
        }
        Delta { revision: self.revision, generation, hash_code, apps }
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }
}

/// What changed within the retention, and the hash code of the whole that results.
#[derive(Debug)]
pub struct Delta<D: Details> {
    /// Two deltas with the same revision are the same.
    pub revision: u64,
    /// The generation that applying it leads to.
    pub generation: Generation,
    /// The reconcile hash code of the full registry.
    pub hash_code: String,
    /// Changed instances by application, oldest change first.
    pub apps: BTreeMap<ServiceName, Vec<Arc<Instance<D>>>>,
}
