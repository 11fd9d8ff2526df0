//! Looking without changing anything.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Generation, Instant};

use crate::{Details, Instance, Preservation, Registry, Standing, Status};

/// A lease as people look at it.
#[derive(Debug)]
pub struct LeaseView<D: Details> {
    /// The instance.
    pub instance: Arc<Instance<D>>,
    /// What is left of the lease; zero when it ran out.
    pub remaining: Duration,
    /// How it stands now.
    pub standing: Standing,
    /// It came from the state file and hasn't been heard of since.
    pub restored: bool,
    /// Failures seen by gateways since it last registered.
    pub soft_evidence: u32,
}

/// The registry's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// The newest generation.
    pub generation: Generation,
    /// Registered instances.
    pub instances: usize,
    /// Those restored from the state file and not heard of since.
    pub restored: usize,
    /// Heartbeats in the last completed minute.
    pub renewals_last_minute: u64,
    /// Heartbeats that would come in a minute if everybody were on time.
    pub renewals_expected: u64,
    /// 85 % of that: Eureka's threshold, for dashboards. Nothing is decided by it.
    pub renewals_threshold: u64,
    /// Leases that ran out and are kept.
    pub held: usize,
    /// Whether self-preservation keeps them.
    pub self_preservation: bool,
    /// What that goes by.
    pub preservation: Preservation,
}

impl<D: Details> Registry<D> {
    /// One instance. Nothing once its lease ran out, even before it is evicted, unless self-preservation
    /// keeps it.
    pub fn get(&self, app: &str, id: &str, now: Instant) -> Option<Arc<Instance<D>>> {
        let lease = self.lease(&self.key_of(app, id)?)?;
        self.is_shown(lease, now).then(|| Arc::clone(&lease.instance))
    }

    /// The first instance with this id in any application.
    pub fn get_by_id(&self, id: &str, now: Instant) -> Option<Arc<Instance<D>>> {
        let lease = self.apps.values().filter_map(|ids| ids.get(id)).find(|l| self.is_shown(l, now))?;
        Some(Arc::clone(&lease.instance))
    }

    fn is_shown(&self, lease: &crate::lease::Lease<D>, now: Instant) -> bool {
        let now = self.heard_time(now);
        lease.standing_at(now) != Standing::Expired || (lease.standing == Standing::Expired && self.holding)
    }

    /// Every lease, by application and id.
    pub fn leases(&self, now: Instant) -> impl Iterator<Item = LeaseView<D>> {
        let now = self.heard_time(now);
        self.apps.values().flat_map(std::collections::BTreeMap::values).map(move |lease| LeaseView {
            instance: Arc::clone(&lease.instance),
            remaining: lease.expires().since(now),
            standing: lease.standing_at(now),
            restored: lease.restored,
            soft_evidence: lease.soft_evidence,
        })
    }

    /// Overrides in force: instance id and status.
    pub fn overrides(&self) -> impl Iterator<Item = (&str, Status)> {
        self.apps
            .values()
            .flat_map(|ids| ids.iter())
            .filter_map(|(id, lease)| Some((id.as_str(), lease.status_override?)))
    }

    /// The newest generation.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The figures.
    pub fn vitals(&self, now: Instant) -> Vitals {
        let expected = self.expected_per_hour / 60;
        Vitals {
            generation: self.generation,
            instances: self.size,
            restored: self.restored,
            renewals_last_minute: self.renewals.last_minute(self.heard_time(now)),
            renewals_expected: expected,
            renewals_threshold: self.expected_per_hour * 85 / 6_000,
            held: self.expired.len(),
            self_preservation: self.holding,
            preservation: self.preservation(),
        }
    }
}
