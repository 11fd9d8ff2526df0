//! What is counted of connections that are passed on.

use super::Ended;
use super::hello::Refusal;
use crate::stats::{Counter, Histogram, HistogramSum};
use crate::tunnel::End;

/// Counts of one route on one worker.
#[derive(Debug, Default)]
pub(crate) struct Layer4Stats {
    /// Connections that are open.
    pub open: Counter,
    /// Those that ended, by how.
    ended: [Counter; ENDS.len()],
    /// Bytes that clients sent.
    pub to_service: Counter,
    /// Bytes that the service sent.
    pub to_client: Counter,
    /// How long they were open.
    lasted: Histogram,
}

/// How a connection ended, for metrics and the log. A closed set.
pub(crate) const ENDS: [&str; 7] =
    ["whole", "client_cut", "service_cut", "idle", "drained", "no_endpoint", "not_connected"];

impl Ended {
    /// Its index in [`ENDS`].
    const fn index(self) -> usize {
        match self {
            Self::Tunnel(End::Whole | End::ServiceLeft) => 0,
            Self::Tunnel(End::ClientCut) => 1,
            Self::Tunnel(End::ServiceCut) => 2,
            Self::Tunnel(End::Idle) => 3,
            Self::Tunnel(End::Drained) => 4,
            Self::Failed(crate::failure::Failure::NoEndpoint | crate::failure::Failure::Full) => 5,
            Self::Failed(_) => 6,
        }
    }

    /// In one word.
    pub const fn as_str(self) -> &'static str {
        ENDS[self.index()]
    }
}

impl Layer4Stats {
    /// Counts one that ended.
    pub fn ended(&self, ended: Ended, lasted: std::time::Duration) {
        if let Some(counter) = self.ended.get(ended.index()) {
            counter.one();
        }
        self.lasted.record(lasted);
    }

    /// Adds this one's counts to a sum over workers.
    pub fn add_to(&self, sum: &mut Sum) {
        sum.open += self.open.get();
        sum.to_service += self.to_service.get();
        sum.to_client += self.to_client.get();
        for (ended, total) in self.ended.iter().zip(&mut sum.ended) {
            *total += ended.get();
        }
        self.lasted.add_to(&mut sum.lasted);
    }
}

/// Counts of one route over all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    pub open: u64,
    /// As [`ENDS`] says.
    pub ended: [u64; ENDS.len()],
    pub to_service: u64,
    pub to_client: u64,
    pub lasted: HistogramSum,
}

/// Connections that no route took, on one worker.
#[derive(Debug, Default)]
pub(crate) struct RefusedStats([Counter; Refusal::ALL.len()]);

impl RefusedStats {
    pub fn count(&self, refusal: Refusal) {
        if let Some(counter) = self.0.get(refusal as usize) {
            counter.one();
        }
    }

    /// Each reason with its count.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL.iter().zip(&self.0).map(|(refusal, counter)| (refusal.as_str(), counter.get()))
    }
}
