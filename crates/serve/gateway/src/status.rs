//! What the gateway does now, for people and programs.

use std::collections::BTreeMap;

use haechi_core::{Address, Generation, RouteName, ServiceName};
use serde::Serialize;

use crate::layer4;
use crate::metrics::{RouteSum, ServiceSum};
use crate::stats::BOUNDS_US;
use crate::udp;

/// The gateway's state.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// The configuration that runs.
    pub generation: Generation,
    /// Where each listener accepts.
    pub listeners: BTreeMap<String, Address>,
    /// Open client connections.
    pub connections: u64,
    /// Every service.
    pub services: BTreeMap<ServiceName, ServiceStatus>,
    /// Every route.
    pub routes: BTreeMap<RouteName, RouteStatus>,
    /// Every route for TCP or TLS.
    pub layer4: BTreeMap<RouteName, Layer4Status>,
    /// Every route for UDP.
    pub udp: BTreeMap<RouteName, UdpStatus>,
    /// Routes of the configuration that can't be had, and why.
    pub refused: Vec<String>,
    /// Certificates that are served.
    pub certificates: Vec<CertificateStatus>,
    /// Certificates that are ordered.
    pub acme: Vec<AcmeStatus>,
    /// Certificates, keys and lists that can't be used as they are on disk now, and why.
    pub problems: Vec<String>,
}

/// A certificate of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CertificateStatus {
    /// The listener that serves it.
    pub listener: String,
    /// The file it was read from.
    pub file: String,
    /// The names it covers.
    pub names: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// Seconds since 1970.
    pub not_before: u64,
    /// Seconds since 1970.
    pub not_after: u64,
}

/// A certificate that is ordered from a CA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AcmeStatus {
    /// The name that it is for.
    pub name: String,
    /// The CA's directory.
    pub directory: String,
    /// How it is shown that the name is ours.
    pub challenge: &'static str,
    /// `waiting` for the storage, `wanted`, `ordering`, `valid` or `failing`.
    pub state: &'static str,
    /// When the one that is there expires, in seconds since 1970.
    pub not_after: Option<u64>,
    /// When it is ordered next, in seconds since 1970; 0 is now.
    pub next: u64,
    /// Orders of this process that led to a certificate.
    pub issued: u32,
    /// Orders that failed in a row.
    pub failures: u32,
    /// Why the last one failed, or what is waited for.
    pub why: String,
}

impl AcmeStatus {
    /// What is wrong, in one sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let Self { name, directory, failures, why, .. } = self;
        let still = if self.not_after.is_some() { "the one before is served on" } else { "it has none" };
        (*failures > 0).then(|| {
            format!("no new certificate for {name} from {directory} ({failures} times): {why}; {still}")
        })
    }
}

/// A service's state.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServiceStatus {
    /// Its endpoints, by address.
    pub endpoints: BTreeMap<Address, EndpointStatus>,
    /// Its counters, by the name of the metric.
    pub counts: BTreeMap<&'static str, u64>,
    /// Its answers by class of status, 1xx to 5xx.
    pub answers: [u64; 5],
}

/// An endpoint's state over all workers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EndpointStatus {
    /// `admitting`, `rejecting` or `probing`; the worst that a worker sees.
    pub state: &'static str,
    /// Why it is in that state.
    pub why: String,
    /// Share relative to its peers.
    pub weight: u16,
    /// Attempts in flight.
    pub in_flight: u64,
    /// Attempts since it is known.
    pub requests: u64,
    /// Of these, failed.
    pub failures: u64,
    /// When it closes idle connections, as far as is known, and for how long they are used.
    pub reuse: String,
    /// Mean time to an answer's head, in microseconds; the slowest that a worker sees.
    pub latency_us: u64,
}

/// A route's counts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RouteStatus {
    /// Answers by class of status, 1xx to 5xx.
    pub answers: [u64; 5],
    /// Requests whose client left before the answer was whole.
    pub clients_gone: u64,
    /// Upper bound in microseconds and count of each bucket of latency, not cumulative; the last has no bound.
    pub latency: Vec<(Option<u64>, u64)>,
    /// Sum of all latencies in microseconds.
    pub latency_sum_us: u64,
}

/// Counts of a route for TCP or TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Layer4Status {
    /// Connections that are open.
    pub open: u64,
    /// Those that ended, by how.
    pub ended: BTreeMap<&'static str, u64>,
    /// Bytes that clients sent.
    pub to_service: u64,
    /// Bytes that the service sent.
    pub to_client: u64,
}

impl From<layer4::Sum> for Layer4Status {
    fn from(sum: layer4::Sum) -> Self {
        let ended = layer4::ENDS.into_iter().zip(sum.ended).collect();
        Self { open: sum.open, ended, to_service: sum.to_service, to_client: sum.to_client }
    }
}

/// Counts of a route for UDP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UdpStatus {
    /// Sessions now.
    pub sessions: u64,
    /// Those that ended, by how.
    pub ended: BTreeMap<&'static str, u64>,
    /// What clients sent.
    pub to_service: FlowStatus,
    /// What the service sent.
    pub to_client: FlowStatus,
    /// Datagrams that were not passed on, by why.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// Datagrams that were passed on one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlowStatus {
    /// How many.
    pub datagrams: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl From<udp::Sum> for UdpStatus {
    fn from(sum: udp::Sum) -> Self {
        let flow = |(datagrams, bytes)| FlowStatus { datagrams, bytes };
        Self {
            sessions: sum.sessions,
            ended: udp::ENDS.into_iter().zip(sum.ended).collect(),
            to_service: flow(sum.to_service),
            to_client: flow(sum.to_client),
            dropped: udp::DROPS.into_iter().zip(sum.dropped).collect(),
        }
    }
}

/// What one worker says of its endpoints.
pub(crate) type WorkerStatus = Vec<(ServiceName, Vec<(haechi_balance::EndpointStatus, String)>)>;

impl From<RouteSum> for RouteStatus {
    fn from(sum: RouteSum) -> Self {
        let bounds = BOUNDS_US.iter().map(|bound| Some(*bound)).chain([None]);
        Self {
            answers: sum.answers,
            clients_gone: sum.client_gone,
            latency: bounds.zip(sum.latency.buckets).collect(),
            latency_sum_us: sum.latency.sum_us,
        }
    }
}

impl From<ServiceSum> for ServiceStatus {
    fn from(sum: ServiceSum) -> Self {
        Self { endpoints: BTreeMap::new(), counts: sum.counts, answers: sum.answers }
    }
}

impl Status {
    /// Adds what one worker says.
    pub(crate) fn add(&mut self, worker: WorkerStatus) {
        for (service, endpoints) in worker {
            let service = self.services.entry(service).or_default();
            for (seen, reuse) in endpoints {
                service.endpoints.entry(seen.address.clone()).or_default().add(seen, reuse);
            }
        }
    }
}

impl EndpointStatus {
    fn add(&mut self, seen: haechi_balance::EndpointStatus, reuse: String) {
        // The one that learned the most says the most.
        if reuse.len() > self.reuse.len() {
            self.reuse = reuse;
        }
        let badness = |state: &str| match state {
            "rejecting" => 3,
            "probing" => 2,
            "admitting" => 1,
            _ => 0,
        };
        if badness(seen.state) > badness(self.state) {
            self.state = seen.state;
            self.why = seen.why;
        }
        self.weight = seen.weight;
        self.in_flight += u64::from(seen.in_flight);
        self.requests += seen.sent;
        self.failures += seen.failed;
        self.latency_us = self.latency_us.max(seen.latency.as_micros() as u64);
    }
}
