//! An endpoint as the picker knows it.

use std::time::Duration;

use haechi_core::{Address, Instant};

use crate::admission::{Admission, EjectionNumber};
use crate::latency::PeakEwma;

/// Names an endpoint of one [`Picker`](crate::Picker) as long as it stays; a key of one that left is not
/// taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointKey {
    pub(crate) slot: u32,
    pub(crate) epoch: u32,
}

/// An endpoint that requests may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Where. Endpoints are the same if their addresses are.
    pub address: Address,
    /// Share relative to its peers; 100 is usual, 0 takes none.
    pub weight: u16,
}

/// A request on its way to an endpoint. Give it back to the picker exactly once: dropping it would leave the
/// endpoint one in flight too many.
#[derive(Debug)]
#[must_use = "give it back by finished, failed or abandoned"]
pub struct Attempt {
    pub(crate) key: EndpointKey,
    pub(crate) sent_at: Instant,
    pub(crate) under: EjectionNumber,
    pub(crate) answered: bool,
}

impl Attempt {
    /// The endpoint it was sent to.
    pub fn key(&self) -> EndpointKey {
        self.key
    }

    /// Whether its endpoint was ejected when it was sent: it is a trial, or there was no other endpoint.
    pub fn is_doubtful(&self) -> bool {
        self.under != 0
    }

    /// When it was sent.
    pub fn sent_at(&self) -> Instant {
        self.sent_at
    }
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    pub(crate) weight: u16,
    pub(crate) in_flight: u32,
    pub(crate) latency: PeakEwma,
    pub(crate) last_answer: Option<Instant>,
    pub(crate) admission: Admission,
    /// Smooth weighted round robin's running value.
    pub(crate) turn: i64,
    pub(crate) sent: u64,
    pub(crate) failed: u64,
}

impl Endpoint {
    pub(crate) fn new(spec: EndpointSpec, latency: Duration, now: Instant) -> Self {
        Self {
            address: spec.address,
            weight: spec.weight,
            in_flight: 0,
            latency: PeakEwma::starting_at(latency, now),
            last_answer: None,
            admission: Admission::new(),
            turn: 0,
            sent: 0,
            failed: 0,
        }
    }

    /// How loaded it is: what is in flight, the request to come included, times the latency.
    pub(crate) fn load(&self, now: Instant) -> f64 {
        /// Below this, latencies are alike and only what is in flight counts.
        const FLOOR_NANOS: f64 = 1_000.0;
        f64::from(self.in_flight + 1) * self.latency.nanos(now).max(FLOOR_NANOS)
    }
}
