//! Heartbeats.

use std::sync::Arc;

use haechi_core::{Instant, WallTime};

use crate::registry::effective;
use crate::{Details, Instance, Registry, Source, Standing, Status};

/// A heartbeat as it came. Its `status` parameter, if any, means nothing to Eureka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// The sender's version of the instance.
    pub last_dirty: Option<WallTime>,
    /// The override that the sending peer knows.
    pub overridden: Option<Status>,
}

/// What a heartbeat came to.
#[derive(Debug)]
pub enum Renewal<D: Details> {
    /// The lease runs anew (200).
    Renewed,
    /// The instance isn't here, or its status is unknown: the client must register (404).
    Unknown,
    /// The lease runs anew, but the sender knows a newer version, which it must register (404).
    SenderIsNewer,
    /// The lease runs anew, but the peer that passed this on has an older version (409, with ours).
    PeerIsOlder(Arc<Instance<D>>),
}

impl<D: Details> Registry<D> {
    /// Takes a heartbeat (`InstanceResource.renewLease`).
    pub fn renew(
        &mut self,
        (app, id): (&str, &str),
        heartbeat: Heartbeat,
        source: Source,
        now: Instant,
        wall: WallTime,
    ) -> Renewal<D> {
        let now = self.heard_time(now);
        let Some(key) = self.key_of(app, id) else {
            if source == Source::Client {
                self.tombstones.contradict(app, id);
            }
            return Renewal::Unknown;
        };
        let Some(lease) = self.lease_mut(&key) else { return Renewal::Unknown };
        let instance = Arc::clone(&lease.instance);
        let status = effective(instance.status, lease.status_override, Some(instance.status), source);
        if status == Status::Unknown {
            return Renewal::Unknown;
        }
        // The usual case: on time and heard of before. Nothing but two numbers changes.
        if lease.standing == Standing::OnTime && !lease.restored {
            lease.heard(now, wall);
        } else {
            self.note_life(&key, now, wall);
        }
        self.renewals.count(now);
        if status != instance.status {
            let mut next = instance.successor();
            next.why = format!("override {}", status.as_str()).into();
            self.modify(&key, next, status, None, now, wall);
        }
        let Some(sent) = heartbeat.last_dirty else { return Renewal::Renewed };
        if sent > instance.last_dirty {
            if source == Source::Peer {
                self.note_override(&key, heartbeat.overridden, now);
            }
            return Renewal::SenderIsNewer;
        }
        match self.lease(&key) {
            Some(lease) if sent < lease.instance.last_dirty && source == Source::Peer => {
                Renewal::PeerIsOlder(Arc::clone(&lease.instance))
            }
            _ => Renewal::Renewed,
        }
    }

    /// Keeps the override of a peer that is ahead of us, until its registration comes
    /// (`storeOverriddenStatusIfRequired`).
    fn note_override(&mut self, key: &crate::Key, overridden: Option<Status>, now: Instant) {
        let Some(status) = overridden.filter(|s| *s != Status::Unknown) else { return };
        let Some(lease) = self.lease_mut(key) else { return };
        if lease.status_override == Some(status) {
            return;
        }
        lease.status_override = Some(status);
        let mut next = lease.instance.successor();
        next.overridden = status;
        self.replace(key, next, now);
    }
}
