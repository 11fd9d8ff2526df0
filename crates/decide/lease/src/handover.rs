//! The whole state as a value, for the process that goes on in place of this one: leases keep their age, deltas
//! their changes, and nobody has to register or be trusted anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Generation, Instant};

use crate::lease::Lease;
use crate::{Action, Details, Instance, Key, Limits, Policy, Registry, Standing, Status};

/// An instance, and how long ago it last changed while deltas still tell of that.
#[derive(Debug)]
pub struct KeptInstance<D: Details> {
    /// The instance.
    pub instance: Arc<Instance<D>>,
    /// Since its last change.
    pub changed: Option<Duration>,
}

/// A lease as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptLease {
    /// Since the last heartbeat.
    pub unheard: Duration,
    /// It came from the state file and hasn't been heard of since.
    pub restored: bool,
    /// The status that was set from outside.
    pub status_override: Option<Status>,
    /// Failures seen that weren't proof of its death.
    pub soft_evidence: u32,
    /// For how long evidence against it is still only counted.
    pub trusted: Duration,
}

/// Everything.
#[derive(Debug)]
pub struct Handover<D: Details> {
    /// The newest generation.
    pub generation: Generation,
    /// Who is registered.
    pub leases: Vec<(KeptInstance<D>, KeptLease)>,
    /// Who is gone and still in deltas.
    pub gone: Vec<KeptInstance<D>>,
    /// How long ago leases ran out within the silence window, longest first.
    pub evictions: Vec<Duration>,
    /// Who was removed on evidence how long ago, longest first, and whether that was a mistake.
    pub removed: Vec<(Duration, Key, bool)>,
}

impl<D: Details> Registry<D> {
    /// The state, to go on elsewhere.
    pub fn hand_over(&self, now: Instant) -> Handover<D> {
        let now = self.heard_time(now);
        let changed: BTreeMap<Generation, Duration> =
            self.changes.all().map(|(at, _, instance)| (instance.generation, now.since(at))).collect();
        let keep = |instance: &Arc<Instance<D>>| KeptInstance {
            instance: Arc::clone(instance),
            changed: changed.get(&instance.generation).copied(),
        };
        let leases = self.apps.values().flat_map(BTreeMap::values).map(|lease| {
            let kept = KeptLease {
                unheard: now.since(lease.renewed),
                restored: lease.restored,
                status_override: lease.status_override,
                soft_evidence: lease.soft_evidence,
                trusted: lease.trusted_until.since(now),
            };
            (keep(&lease.instance), kept)
        });
        let gone = self.changes.all().filter(|(.., instance)| instance.action == Action::Deleted);
        Handover {
            generation: self.generation,
            leases: leases.collect(),
            gone: gone.map(|(.., instance)| keep(instance)).collect(),
            evictions: self.evictions.iter().map(|at| now.since(*at)).collect(),
            removed: self
                .tombstones
                .all()
                .map(|(at, key, wrong)| (now.since(at), key.clone(), wrong))
                .collect(),
        }
    }

    /// A registry that goes on from such a state. `now` must lie far enough from its clock's start for every age.
    /// Nobody is left out, even where there are more instances than `limits` allow.
    pub fn going_on(handover: Handover<D>, limits: Limits, policy: Policy, now: Instant) -> Self {
        let mut this = Self::new(limits, policy);
        this.generation = handover.generation;
        this.evictions = handover.evictions.into_iter().map(|ago| now - ago).collect();
        for (ago, key, wrong) in handover.removed {
            this.tombstones.take(now - ago, key, wrong);
        }
        let mut changes = Vec::new();
        for (KeptInstance { instance, changed }, lease) in handover.leases {
            let key = instance.key();
            changes.extend(changed.map(|ago| (key.clone(), Arc::clone(&instance), ago)));
            this.relink(key, instance, lease, now);
        }
        for KeptInstance { instance, changed } in handover.gone {
            changes.extend(changed.map(|ago| (instance.key(), instance, ago)));
        }
        changes.sort_by_key(|(_, instance, _)| instance.generation);
        for (key, instance, ago) in changes {
            this.changes.push(key, instance, now - ago, this.limits.recent_changes);
        }
        this
    }

    fn relink(&mut self, key: Key, instance: Arc<Instance<D>>, kept: KeptLease, now: Instant) {
        let mut lease = Lease {
            instance,
            renewed: now - kept.unheard,
            standing: Standing::OnTime,
            due: now,
            restored: kept.restored,
            status_override: kept.status_override,
            soft_evidence: kept.soft_evidence,
            trusted_until: if kept.trusted.is_zero() { Instant::ZERO } else { now + kept.trusted },
        };
        self.dirty.insert(key.app.clone());
        lease.due = self.count(&key, &lease);
        self.apps.entry(key.app).or_default().insert(key.id, lease);
    }
}
