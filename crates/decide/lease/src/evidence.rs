//! Evidence of failure from those who call instances.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Evidence, InstanceId, Instant, ServiceName, WallTime, Witness};

use crate::{Details, Instance, Key, Registry};

/// Why an instance stays in spite of hard evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Its last heartbeat is newer.
    HeardSince,
    /// It was removed on such evidence lately, and then turned out to be alive.
    Trusted,
}

/// What became of a piece of evidence.
#[derive(Debug)]
pub enum Verdict<D: Details> {
    /// It was hard: this instance is removed.
    Removed(Arc<Instance<D>>),
    /// It was hard, and this instance stays all the same.
    Kept(Arc<Instance<D>>, Kept),
    /// It was soft: counted.
    Counted(Arc<Instance<D>>),
    /// No instance of the service has that address (any more).
    NoSuchInstance,
}

impl<D: Details> Registry<D> {
    /// Weighs a piece of evidence. Hard evidence removes at most one instance; among several at the same
    /// address, the one not heard of for the longest time.
    pub fn evidence(&mut self, seen: &Evidence, now: Instant, wall: WallTime) -> Verdict<D> {
        let now = self.heard_time(now);
        let at = self.heard_time(seen.at);
        let suspect = self.apps.get(&seen.service).and_then(|instances| {
            instances
                .values()
                .filter(|l| l.instance.registration.endpoint.is_some_and(|e| e.address == seen.address))
                .min_by_key(|l| l.renewed)
        });
        let Some(suspect) = suspect else { return Verdict::NoSuchInstance };
        let (key, instance) = (suspect.key(), Arc::clone(&suspect.instance));
        let kept = if suspect.renewed > at {
            Some(Kept::HeardSince)
        } else if now < suspect.trusted_until && seen.witness != Witness::Exited {
            Some(Kept::Trusted)
        } else {
            None
        };
        if let Some(lease) = self.lease_mut(&key)
            && (kept.is_some() || !seen.witness.is_hard())
        {
            lease.soft_evidence = lease.soft_evidence.saturating_add(1);
        }
        if !seen.witness.is_hard() {
            return Verdict::Counted(instance);
        }
        if let Some(kept) = kept {
            return Verdict::Kept(instance, kept);
        }
        let why = format!("evidence: {} {}", seen.witness.as_str(), seen.address);
        let Some(removed) = self.remove(&key, &why, now, wall) else { return Verdict::NoSuchInstance };
        self.tombstones.bury(key, now, self.limits.tombstones);
        Verdict::Removed(removed)
    }
}

/// Who was removed on evidence lately, and who of them sent a heartbeat afterwards: a dead process can't.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    contradicted: BTreeMap<ServiceName, BTreeMap<InstanceId, Tombstone>>,
    /// May hold some that were forgotten since, or buried again.
    order: VecDeque<(Instant, Key)>,
}

#[derive(Clone, Copy, Debug)]
struct Tombstone {
    at: Instant,
    wrong: bool,
}

impl Tombstones {
    fn bury(&mut self, key: Key, now: Instant, limit: usize) {
        self.take(now, key, false);
        while self.order.len() > limit {
            self.forget_oldest();
        }
    }

    /// Takes one that was buried before.
    pub fn take(&mut self, at: Instant, key: Key, wrong: bool) {
        self.contradicted.entry(key.app.clone()).or_default().insert(key.id.clone(), Tombstone { at, wrong });
        self.order.push_back((at, key));
    }

    /// Each with the time of its removal, oldest first, and whether it turned out to be a mistake.
    pub fn all(&self) -> impl Iterator<Item = (Instant, &Key, bool)> {
        self.order.iter().filter_map(|(at, key)| {
            let tombstone = self.contradicted.get(&key.app)?.get(&key.id).filter(|known| known.at == *at)?;
            Some((*at, key, tombstone.wrong))
        })
    }

    /// A heartbeat of an instance that isn't registered: if it was removed on evidence, that was a mistake.
    pub fn contradict(&mut self, app: &str, id: &str) {
        if self.order.is_empty() {
            return;
        }
        let app = app.to_uppercase();
        if let Some(tombstone) = self.contradicted.get_mut(app.as_str()).and_then(|ids| ids.get_mut(id)) {
            tombstone.wrong = true;
        }
    }

    /// Until when an instance that registers now is to be trusted.
    pub fn trust_after(&mut self, key: &Key, now: Instant, trust: Duration) -> Instant {
        match self.forget(key) {
            Some(Tombstone { wrong: true, .. }) => now + trust,
            _ => Instant::ZERO,
        }
    }

    pub fn prune(&mut self, retention: Duration, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) > retention) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((at, key)) = self.order.pop_front()
            && let Some(tombstone) = self.contradicted.get(&key.app).and_then(|ids| ids.get(&key.id))
            && tombstone.at == at
        {
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &Key) -> Option<Tombstone> {
        let ids = self.contradicted.get_mut(&key.app)?;
        let tombstone = ids.remove(&key.id);
        if ids.is_empty() {
            self.contradicted.remove(&key.app);
        }
        tombstone
    }
}
