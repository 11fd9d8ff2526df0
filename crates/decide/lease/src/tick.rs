//! The passing of time: leases run out, self-preservation decides what that means.

use std::sync::Arc;

use haechi_core::{Instant, WallTime};

use crate::{Details, Instance, Key, Policy, Preservation, Registry, Standing};

/// An instance that was evicted.
#[derive(Debug)]
pub struct Evicted<D: Details> {
    /// As it was last.
    pub instance: Arc<Instance<D>>,
    /// It had been restored from the state file and was never heard of.
    pub unheard: bool,
}

/// What a tick did.
#[derive(Debug)]
pub struct Tick<D: Details> {
    /// Instances whose leases ran out.
    pub evicted: Vec<Evicted<D>>,
    /// Set when self-preservation began (true) or ended (false) to hold expired leases.
    pub holding: Option<bool>,
    /// What the decision rests on.
    pub preservation: Preservation,
}

impl<D: Details> Registry<D> {
    /// Evicts what is due. Call it every [`Policy::tick`].
    pub fn tick(&mut self, now: Instant, wall: WallTime) -> Tick<D> {
        self.discount_standstill(now);
        let now = self.heard_time(now);
        self.changes.prune(self.policy.delta_retention, now);
        self.tombstones.prune(self.policy.trust, now);
        while self.evictions.front().is_some_and(|at| now.since(*at) > self.policy.silence_window) {
            self.evictions.pop_front();
        }
        self.advance_timeline(now);
        let evicted = self.evict(now, wall);
        let holding = !self.expired.is_empty();
        let turned = (holding != self.holding).then_some(holding);
        self.holding = holding;
        Tick { evicted, holding: turned, preservation: self.preservation() }
    }

    /// What self-preservation goes by, as of the last tick.
    pub fn preservation(&self) -> Preservation {
        let restored_and_expired = self.expired.iter().filter(|key| self.is_restored(key)).count();
        let silent = self.late + self.expired.len() - restored_and_expired;
        Preservation::assess(&self.policy, self.size - self.restored, silent, self.evictions.len())
    }

    /// A process that stood still (suspended, starved) heard nobody; that is nobody's fault.
    fn discount_standstill(&mut self, now: Instant) {
        let gap = self.last_tick.map_or(self.policy.tick, |last| now.since(last));
        self.last_tick = Some(now);
        if gap > self.policy.tick * Policy::DEAF_TICKS {
            self.deaf += gap.saturating_sub(self.policy.tick);
        }
    }

    /// Brings the standing of every lease whose time has come up to date.
    fn advance_timeline(&mut self, now: Instant) {
        while let Some((due, key)) = self.timeline.first().cloned() {
            if due >= now {
                break;
            }
            self.timeline.pop_first();
            let Some(lease) = self.lease_mut(&key) else { continue };
            let standing = lease.standing_at(now);
            lease.due = match standing {
                Standing::OnTime => lease.late(),
                Standing::Late => lease.expires(),
                // Nothing more happens to it by time alone; a heartbeat moves it on.
                Standing::Expired => now + lease.duration(),
            };
            let next = (lease.due, key.clone());
            if lease.standing != standing {
                self.set_standing(&key, standing);
            }
            self.timeline.insert(next);
        }
    }

    fn evict(&mut self, now: Instant, wall: WallTime) -> Vec<Evicted<D>> {
        if self.expired.is_empty() {
            return Vec::new();
        }
        let preservation = self.preservation();
        let all = !self.policy.self_preservation || preservation.silence_is_death();
        let due: Vec<Key> = self
            .expired
            .iter()
            .filter(|key| all || self.is_restored(key) || self.held_long_enough(key, &preservation, now))
            .cloned()
            .collect();
        due.iter().filter_map(|key| self.evict_one(key, now, wall)).collect()
    }

    fn is_restored(&self, key: &Key) -> bool {
        self.lease(key).is_some_and(|lease| lease.restored)
    }

    fn held_long_enough(&self, key: &Key, preservation: &Preservation, now: Instant) -> bool {
        let held = self.lease(key).map(|lease| now.since(lease.expires()));
        preservation.hears_most() && held.is_some_and(|held| held > self.policy.hold_at_most)
    }

    fn evict_one(&mut self, key: &Key, now: Instant, wall: WallTime) -> Option<Evicted<D>> {
        let unheard = self.is_restored(key);
        let why = if unheard { "restored, but never heard of again" } else { "its lease ran out" };
        let instance = self.remove(key, why, now, wall)?;
        if !unheard {
            self.evictions.push_back(now);
        }
        Some(Evicted { instance, unheard })
    }
}
