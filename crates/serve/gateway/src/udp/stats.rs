//! What is counted of datagrams that are passed on.

use crate::stats::Counter;

/// Counts of one route on one worker.
#[derive(Debug, Default)]
pub(crate) struct UdpStats {
    /// Sessions now.
    pub sessions: Counter,
    /// Those that ended, by how.
    ended: [Counter; ENDS.len()],
    /// What clients sent, as far as it was passed on.
    pub to_service: Flow,
    /// What the service sent, as far as it was passed on.
    pub to_client: Flow,
    dropped: [Counter; DROPS.len()],
}

/// What went one way.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub datagrams: Counter,
    /// Of their payload.
    pub bytes: Counter,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing came either way for the route's `idle` timeout.
    Idle,
    /// Nobody has the endpoint's port: its machine said so (ICMP).
    Refused,
    /// The endpoint's machine can't be reached.
    Unreachable,
    /// The endpoint was ejected, or left the service.
    EndpointLeft,
    /// The route leads to another service.
    Rerouted,
    /// There were too many: `limits.udp-sessions`, or those of connections.
    GaveWay,
    /// Its listener or route is gone, or the process ends.
    Drained,
}

/// How a session ended, for metrics and the log. A closed set.
pub(crate) const ENDS: [&str; 7] =
    ["idle", "refused", "unreachable", "endpoint_left", "rerouted", "gave_way", "drained"];

/// Why a datagram was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The service has no endpoint, or none that can be reached.
    NoEndpoint,
    /// The service has as many in flight as it may.
    ServiceFull,
    /// There are too many sessions, and none can give way.
    Sessions,
    /// Its client's address has as many as it may.
    Address,
    /// No socket could be made for its session.
    NoSocket,
    /// The kernel has no room for more to the service now.
    ServiceBusy,
    /// The kernel has no room for more to clients now.
    ClientBusy,
    /// It is larger than its way takes.
    TooLarge,
    /// The client can't be reached.
    NoClient,
}

/// Why a datagram was not passed on, for metrics. A closed set.
pub(crate) const DROPS: [&str; 9] = [
    "no_endpoint",
    "service_full",
    "sessions",
    "address",
    "no_socket",
    "service_busy",
    "client_busy",
    "too_large",
    "no_client",
];

impl End {
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        ENDS[self as usize]
    }
}

impl Flow {
    /// Counts a datagram of so many bytes.
    pub fn one(&self, bytes: usize) {
        self.datagrams.one();
        self.bytes.add(bytes as u64);
    }
}

impl UdpStats {
    /// Counts a session that ended.
    pub fn ended(&self, end: End) {
        self.sessions.less_one();
        if let Some(counter) = self.ended.get(end as usize) {
            counter.one();
        }
    }

    /// Counts a datagram that was not passed on.
    pub fn dropped(&self, why: Dropped) {
        if let Some(counter) = self.dropped.get(why as usize) {
            counter.one();
        }
    }

    /// Adds this one's counts to a sum over workers.
    pub fn add_to(&self, sum: &mut Sum) {
        sum.sessions += self.sessions.get();
        for (flow, total) in [(&self.to_service, &mut sum.to_service), (&self.to_client, &mut sum.to_client)]
        {
            total.0 += flow.datagrams.get();
            total.1 += flow.bytes.get();
        }
        for (counter, total) in self.ended.iter().zip(&mut sum.ended) {
            *total += counter.get();
        }
        for (counter, total) in self.dropped.iter().zip(&mut sum.dropped) {
            *total += counter.get();
        }
    }
}

/// Counts of one route over all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    pub sessions: u64,
    /// As [`ENDS`] says.
    pub ended: [u64; ENDS.len()],
    /// Datagrams and bytes.
    pub to_service: (u64, u64),
    pub to_client: (u64, u64),
    /// As [`DROPS`] says.
    pub dropped: [u64; DROPS.len()],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_where_their_values_are() {
        assert_eq!((End::Idle.as_str(), End::Drained.as_str()), ("idle", "drained"));
        assert_eq!(DROPS[Dropped::NoEndpoint as usize], "no_endpoint");
        assert_eq!(DROPS[Dropped::NoClient as usize], "no_client");
    }
}
