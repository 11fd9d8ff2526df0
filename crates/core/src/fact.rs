//! The one stream of facts: what is known of each instance, as immutable snapshots that are swapped whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::{Generation, InstanceId, ServiceName};

/// Where an instance stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It exists and is not ready.
    Starting,
    /// It takes requests.
    Up,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// It is dead, or says that it can't serve.
    Down,
    /// A person or a program took it out.
    OutOfService,
}

impl InstanceState {
    /// Whether new requests may be sent to it.
    pub const fn takes_requests(self) -> bool {
        matches!(self, Self::Up)
    }

    /// The word used in the console, in JSON and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::OutOfService => "out_of_service",
        }
    }
}

/// What is known of one instance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InstanceFact {
    /// The service it belongs to.
    pub service: ServiceName,
    /// Its id, unique in the service.
    pub instance: InstanceId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS there.
    pub secure: bool,
    /// What it runs, where it says so (metadata `version`).
    pub version: Option<Arc<str>>,
    /// Where it stands (metadata `zone`).
    pub zone: Option<Arc<str>>,
    /// Whether it takes requests.
    pub state: InstanceState,
    /// Why it is in that state, for people: "registered", "evidence: refused 127.0.0.1:8989".
    pub why: Arc<str>,
    /// Share of requests relative to its peers; 100 is usual, 0 takes none.
    pub weight: u16,
    /// What it registered with, unchanged.
    pub metadata: Arc<BTreeMap<String, String>>,
    /// The generation of the snapshot in which this fact last changed.
    pub generation: Generation,
}

/// All instances of one service at one generation. Replaced whole, never changed in place, so endpoints and
/// their states can't disagree.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ServiceSnapshot {
    /// The service.
    pub service: ServiceName,
    /// The generation in which anything of this service last changed.
    pub generation: Generation,
    /// Its instances, ordered by id.
    pub instances: Vec<InstanceFact>,
}

/// Every service at one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Directory {
    /// The generation of the newest change in it.
    pub generation: Generation,
    /// The services by name. An unchanged service is the same `Arc` in the next directory, so a consumer can
    /// tell with `Arc::ptr_eq` what to look at.
    pub services: BTreeMap<ServiceName, Arc<ServiceSnapshot>>,
}

impl Directory {
    /// One service, or nothing if no instance of it is known.
    pub fn service(&self, name: &str) -> Option<&Arc<ServiceSnapshot>> {
        self.services.get(name)
    }
}
