//! The only places where leases enter, change and leave the state, so that every count and index agrees.

use std::sync::Arc;

use haechi_core::{Instant, WallTime};

use crate::lease::Lease;
use crate::{Action, Details, Instance, Key, Registry, Standing};

impl<D: Details> Registry<D> {
    /// Puts a lease in and makes its instance the newest change.
    pub(crate) fn link(&mut self, key: Key, mut lease: Lease<D>, now: Instant) -> Arc<Instance<D>> {
        let instance = Arc::clone(&lease.instance);
        self.changed(&key, &instance, now);
        lease.due = self.count(&key, &lease);
        self.apps.entry(key.app).or_default().insert(key.id, lease);
        instance
    }

    /// Counts a lease that comes in and gives it its place in the timeline, which is returned.
    pub(crate) fn count(&mut self, key: &Key, lease: &Lease<D>) -> Instant {
        self.counts.add(lease.instance.status);
        self.size += 1;
        self.restored += usize::from(lease.restored);
        self.expected_per_hour += renewals_per_hour(&lease.instance);
        let due = lease.late();
        self.timeline.insert((due, key.clone()));
        due
    }

    /// Takes a lease out, with no change announced.
    pub(crate) fn unlink(&mut self, key: &Key) -> Option<Lease<D>> {
        let instances = self.apps.get_mut(&key.app)?;
        let lease = instances.remove(&key.id)?;
        if instances.is_empty() {
            self.apps.remove(&key.app);
        }
        self.timeline.remove(&(lease.due, key.clone()));
        self.leave_standing(key, lease.standing, lease.restored);
        self.restored -= usize::from(lease.restored);
        self.size -= 1;
        self.counts.remove(lease.instance.status);
        self.expected_per_hour -= renewals_per_hour(&lease.instance);
        Some(lease)
    }

    /// Replaces an instance under the same lease.
    pub(crate) fn replace(&mut self, key: &Key, mut next: Instance<D>, now: Instant) {
        next.generation = self.generation.next();
        let next = Arc::new(next);
        let Some(lease) = self.lease_mut(key) else { return };
        let before = std::mem::replace(&mut lease.instance, Arc::clone(&next));
        self.counts.remove(before.status);
        self.counts.add(next.status);
        self.changed(key, &next, now);
    }

    /// Takes an instance out for good and says why.
    pub(crate) fn remove(
        &mut self,
        key: &Key,
        why: &str,
        now: Instant,
        wall: WallTime,
    ) -> Option<Arc<Instance<D>>> {
        let lease = self.unlink(key)?;
        let mut last = lease.instance.successor();
        last.action = Action::Deleted;
        last.last_updated = wall;
        last.evicted = wall;
        last.why = why.into();
        last.generation = self.generation.next();
        let last = Arc::new(last);
        self.changed(key, &last, now);
        Some(last)
    }

    /// Moves a lease to another standing and keeps the counts of silence right.
    pub(crate) fn set_standing(&mut self, key: &Key, standing: Standing) {
        let Some(lease) = self.lease_mut(key) else { return };
        let before = std::mem::replace(&mut lease.standing, standing);
        let restored = lease.restored;
        self.leave_standing(key, before, restored);
        match standing {
            Standing::OnTime => {}
            Standing::Late => self.late += usize::from(!restored),
            Standing::Expired => {
                self.expired.insert(key.clone());
            }
        }
    }

    fn leave_standing(&mut self, key: &Key, standing: Standing, restored: bool) {
        match standing {
            Standing::OnTime => {}
            Standing::Late => self.late -= usize::from(!restored),
            Standing::Expired => {
                self.expired.remove(key);
            }
        }
    }

    /// A sign of life: the lease starts anew.
    pub(crate) fn note_life(&mut self, key: &Key, now: Instant, wall: WallTime) {
        let Some(lease) = self.lease_mut(key) else { return };
        lease.heard(now, wall);
        if lease.standing != Standing::OnTime {
            self.set_standing(key, Standing::OnTime);
            self.reschedule(key);
        }
        let Some(lease) = self.lease_mut(key) else { return };
        if std::mem::take(&mut lease.restored) {
            self.restored -= 1;
        }
    }

    /// Moves a lease's place in the timeline to where it will be late.
    fn reschedule(&mut self, key: &Key) {
        let Some(lease) = self.lease_mut(key) else { return };
        let due = lease.late();
        let before = std::mem::replace(&mut lease.due, due);
        self.timeline.remove(&(before, key.clone()));
        self.timeline.insert((due, key.clone()));
    }

    fn changed(&mut self, key: &Key, instance: &Arc<Instance<D>>, now: Instant) {
        self.generation = instance.generation;
        self.dirty.insert(key.app.clone());
        self.changes.push(key.clone(), Arc::clone(instance), now, self.limits.recent_changes);
    }
}

/// What an instance means to send; at least one an hour, so that the sum is never empty.
fn renewals_per_hour<D: Details>(instance: &Instance<D>) -> u64 {
    3_600 / instance.registration.renewal_interval.as_secs().clamp(1, 3_600)
}
