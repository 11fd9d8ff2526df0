//! A lease: how long an instance counts as alive.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{InstanceId, Instant, ServiceName, WallTime};

use crate::{Details, Instance, Status};

/// An instance's place in the registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The application, in upper case.
    pub app: ServiceName,
    /// The instance.
    pub id: InstanceId,
}

/// How a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Heartbeats come as they should.
    OnTime,
    /// One is missing: the lease still holds, yet the instance counts as silent.
    Late,
    /// The lease ran out.
    Expired,
}

/// The lease of one instance. Unlike the instance, it changes with each heartbeat.
#[derive(Debug)]
pub(crate) struct Lease<D: Details> {
    pub instance: Arc<Instance<D>>,
    /// The last heartbeat, or the registration.
    pub renewed: Instant,
    pub standing: Standing,
    /// Where it stands in the timeline: no later than the next change of its standing.
    pub due: Instant,
    /// It came from the state file and hasn't been heard of since.
    pub restored: bool,
    /// The status that was set from outside, if any.
    pub status_override: Option<Status>,
    /// Failures seen of it since its last change that weren't proof of its death.
    pub soft_evidence: u32,
    /// Until when evidence is only counted, because it proved such evidence wrong.
    pub trusted_until: Instant,
}

impl<D: Details> Lease<D> {
    pub fn key(&self) -> Key {
        self.instance.key()
    }

    pub fn duration(&self) -> Duration {
        self.instance.registration.duration
    }

    pub fn expires(&self) -> Instant {
        self.renewed + self.duration()
    }

    /// When silence becomes conspicuous: after half the lease, but not before one and a half intervals, and
    /// no later than the lease's end.
    pub fn late(&self) -> Instant {
        let registration = &self.instance.registration;
        let patience = (registration.duration / 2).max(registration.renewal_interval * 3 / 2);
        self.renewed + patience.min(registration.duration)
    }

    /// Its standing by the clock.
    pub fn standing_at(&self, now: Instant) -> Standing {
        if now > self.expires() {
            Standing::Expired
        } else if now > self.late() {
            Standing::Late
        } else {
            Standing::OnTime
        }
    }

    /// Takes note of a sign of life.
    pub fn heard(&mut self, now: Instant, wall: WallTime) {
        self.renewed = self.renewed.max(now);
        self.instance.set_last_renewal(wall);
    }
}
