//! What a client registers, and what the registry holds of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use haechi_core::{Generation, InstanceFact, InstanceId, ServiceName, WallTime};

use crate::{Key, Status};

/// What the registry carries for the wire without looking into it.
pub trait Details: std::fmt::Debug + Send + Sync + 'static {
    /// A place beside each [`Instance`] for what was computed from it (serialized fragments). It starts
    /// empty, and goes when the instance changes.
    type Memo: Default + std::fmt::Debug + Send + Sync;
}

impl Details for () {
    type Memo = ();
}

/// Where an instance takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether that port speaks TLS.
    pub secure: bool,
}

/// An instance as a client or a peer sent it.
#[derive(Debug)]
pub struct Registration<D> {
    /// The application, in upper case.
    pub app: ServiceName,
    /// The instance's id.
    pub id: InstanceId,
    /// The status that it says it has.
    pub status: Status,
    /// The override that it believes in; [`Status::Unknown`] is none.
    pub overridden: Status,
    /// When the client last changed anything. Absent: now.
    pub last_dirty: Option<WallTime>,
    /// How often it means to send heartbeats.
    pub renewal_interval: Duration,
    /// How long its lease lasts after each.
    pub duration: Duration,
    /// Where it takes requests, if that is an address with an enabled port.
    pub endpoint: Option<Endpoint>,
    /// Its names at `vips/`.
    pub vips: Vec<Box<str>>,
    /// Its names at `svips/`.
    pub secure_vips: Vec<Box<str>>,
    /// Its metadata.
    pub metadata: Arc<BTreeMap<String, String>>,
    /// All else.
    pub details: Arc<D>,
}

// Derived, this would ask for `D: Clone` although only the `Arc` is cloned.
impl<D> Clone for Registration<D> {
    fn clone(&self) -> Self {
        Self {
            app: self.app.clone(),
            id: self.id.clone(),
            status: self.status,
            overridden: self.overridden,
            last_dirty: self.last_dirty,
            renewal_interval: self.renewal_interval,
            duration: self.duration,
            endpoint: self.endpoint,
            vips: self.vips.clone(),
            secure_vips: self.secure_vips.clone(),
            metadata: Arc::clone(&self.metadata),
            details: Arc::clone(&self.details),
        }
    }
}

/// What last happened to an instance, as deltas say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It registered, for the first time or again.
    Added,
    /// Its status was changed from outside.
    Modified,
    /// It is gone.
    Deleted,
}

impl Action {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One instance at one generation. Never changed in place, with one exception: heartbeats move the time of
/// the last renewal without making a new generation, so that they cost nothing to anybody.
#[derive(Debug)]
pub struct Instance<D: Details> {
    /// What was registered.
    pub registration: Registration<D>,
    /// The status that counts, after overrides.
    pub status: Status,
    /// The override in force; [`Status::Unknown`] is none.
    pub overridden: Status,
    /// The client's own version of itself: the greater wins between registries.
    pub last_dirty: WallTime,
    /// When the registry last changed it.
    pub last_updated: WallTime,
    /// When its present lease began.
    pub registered: WallTime,
    /// When it was first up; the epoch is never.
    pub service_up: WallTime,
    /// When it went; the epoch is not yet.
    pub evicted: WallTime,
    /// What last happened.
    pub action: Action,
    /// Why it is in its state, for people.
    pub why: Arc<str>,
    /// The generation of its last change.
    pub generation: Generation,
    /// What was computed from it.
    pub memo: D::Memo,
    /// See [`Instance::last_renewal`]; milliseconds.
    pub renewed: AtomicU64,
}

impl<D: Details> Instance<D> {
    /// Its place in the registry.
    pub fn key(&self) -> Key {
        Key { app: self.registration.app.clone(), id: self.registration.id.clone() }
    }

    /// When the last heartbeat (or the registration) came.
    pub fn last_renewal(&self) -> WallTime {
        WallTime(self.renewed.load(Ordering::Relaxed))
    }

    pub(crate) fn set_last_renewal(&self, wall: WallTime) {
        self.renewed.store(wall.0, Ordering::Relaxed);
    }

    /// A copy to change: the same, with an empty memo.
    pub(crate) fn successor(&self) -> Self {
        Self {
            registration: self.registration.clone(),
            status: self.status,
            overridden: self.overridden,
            last_dirty: self.last_dirty,
            last_updated: self.last_updated,
            registered: self.registered,
            service_up: self.service_up,
            evicted: self.evicted,
            action: self.action,
            why: Arc::clone(&self.why),
            generation: self.generation,
            memo: D::Memo::default(),
            renewed: AtomicU64::new(self.renewed.load(Ordering::Relaxed)),
        }
    }

    /// What consumers of facts need to know, if requests can be sent to it at all.
    pub fn fact(&self) -> Option<InstanceFact> {
        self.registration.fact(self.status, &self.why, self.generation)
    }
}

impl<D> Registration<D> {
    /// What consumers of facts need to know of an instance with this status, if requests can be sent to it at all.
    pub fn fact(&self, status: Status, why: &Arc<str>, generation: Generation) -> Option<InstanceFact> {
        let endpoint = self.endpoint?;
        let label = |key: &str| self.metadata.get(key).map(|v| Arc::from(v.as_str()));
        Some(InstanceFact {
            service: self.app.clone(),
            instance: self.id.clone(),
            address: endpoint.address,
            secure: endpoint.secure,
            version: label("version"),
            zone: label("zone"),
            state: status.state(),
            why: Arc::clone(why),
            weight: self.metadata.get("weight").and_then(|w| w.parse().ok()).unwrap_or(USUAL_WEIGHT),
            metadata: Arc::clone(&self.metadata),
            generation,
        })
    }
}

/// The weight of an instance that asks for none.
const USUAL_WEIGHT: u16 = 100;
