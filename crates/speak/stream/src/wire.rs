//! The stream between processes: what a registry tells followers, and what they tell it.
//!
//! A follower asks for what is newer than the generation that it has; the registry answers as soon as there is
//! something, or says after a while that there is nothing, which is its heartbeat. Generations count within one
//! run of a registry, its *epoch*: asked with another epoch, it tells everything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Evidence, Generation, Instant, ServiceName, ServiceSnapshot, Witness};
use serde::{Deserialize, Serialize};

/// Where a registry answers followers.
pub const FACTS_PATH: &str = "/haechi/facts";
/// Where it takes their evidence.
pub const EVIDENCE_PATH: &str = "/haechi/evidence";
/// A question waits this long for something new; so often a registry is heard of at least.
pub const HEARTBEAT: Duration = Duration::from_secs(3);
/// Observations in one message, at most.
pub const EVIDENCE_BATCH: usize = 256;
/// Bytes of one answer, at most: some 500,000 instances.
pub const ANSWER_BYTES: usize = 256 << 20;

/// What a registry knows, or what changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The registry's run.
    pub epoch: String,
    /// The newest generation in it.
    pub generation: Generation,
    /// Whether this is everything; else it is what is newer than the generation asked for.
    pub whole: bool,
    /// For so long after its start somebody who lives may not have registered again.
    pub settles_ms: u64,
    /// The services, with all their instances.
    pub services: Vec<Arc<ServiceSnapshot>>,
    /// Services without instances since.
    #[serde(default)]
    pub removed: Vec<ServiceName>,
}

/// An observation. Processes have different clocks, so it says how long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The service that was called.
    pub service: ServiceName,
    /// The address that failed.
    pub address: SocketAddr,
    /// What was seen.
    pub witness: Witness,
    /// Milliseconds since.
    pub ago_ms: u64,
}

impl Seen {
    /// As somebody on another clock can read it.
    pub fn of(evidence: &Evidence, now: Instant) -> Self {
        Self {
            service: evidence.service.clone(),
            address: evidence.address,
            witness: evidence.witness,
            ago_ms: u64::try_from(now.since(evidence.at).as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// On this process's clock.
    pub fn evidence(self, now: Instant) -> Evidence {
        let ago = Duration::from_millis(self.ago_ms);
        Evidence { service: self.service, address: self.address, witness: self.witness, at: now - ago }
    }
}
