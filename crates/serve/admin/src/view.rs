//! What the console shows, as JSON. Times are RFC 3339 in UTC, durations in milliseconds.

use haechi_core::{Generation, WallTime};
use serde::Serialize;

/// Everything at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overview {
    /// When this was put together.
    pub at: String,
    /// The program's version.
    pub version: &'static str,
    /// The configuration that is applied.
    pub generation: Generation,
    /// Seconds since the process accepted.
    pub uptime_s: u64,
    /// The parts in this process.
    pub parts: Vec<PartView>,
    /// Services with their endpoints as the gateway uses them, or, without a gateway, as the registry knows them.
    pub services: Vec<ServiceView>,
    /// Routes, most requests first.
    pub routes: Vec<RouteView>,
    /// Requests over the last minutes, oldest first, one sample a second.
    pub traffic: Vec<Sample>,
    /// Applied configurations, newest first.
    pub generations: Vec<GenerationView>,
    /// What is not done as its author may expect, such as a property of Zuul's that has no effect, in sentences.
    pub warnings: Vec<String>,
    /// What is wrong now, in sentences.
    pub problems: Vec<String>,
}

/// One part in this process.
#[derive(Clone, Debug, Serialize)]
pub struct PartView {
    /// `gateway`, `registry`, `config`, `admin`.
    pub name: &'static str,
    /// Where it listens, as `host:port`, several joined by a comma.
    pub listen: String,
    /// One sentence on how it is.
    pub state: String,
    /// Whether that is good.
    pub ok: bool,
}

/// One service.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Where its endpoints come from: `registry HELLOWORLD-SERVICE`, `dns elb.example:80`, `static`.
    pub source: String,
    /// Its endpoints.
    pub endpoints: Vec<EndpointView>,
}

/// One endpoint.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EndpointView {
    /// `host:port`.
    pub address: String,
    /// Instance id in the registry, if it came from there.
    pub instance: Option<String>,
    /// `up`, `draining`, `down`, `out_of_service`, `starting`, or `ejected`.
    pub state: String,
    /// Why it is in that state.
    pub why: String,
    /// Seconds until the lease runs out, if the registry holds one.
    pub lease_s: Option<u64>,
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests sent since the start.
    pub requests: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
    /// Moving average of the time to the first byte, milliseconds.
    pub latency_ms: Option<f64>,
    /// When it closes idle connections, as far as the gateway knows, and for how long they are used.
    pub reuse: String,
}

/// One route.
#[derive(Clone, Debug, Serialize)]
pub struct RouteView {
    /// Its name.
    pub name: String,
    /// What it matches, in words: `/hello/**`.
    pub matches: String,
    /// Where it goes: a service's name, or `responds 404`.
    pub to: String,
    /// Where it was written: `haechi.yaml`, `zuul helloworld-client`.
    pub origin: String,
    /// Requests since the start.
    pub requests: u64,
    /// Answers with 5xx since the start.
    pub errors: u64,
    /// Median time of an answer, milliseconds, since the start.
    pub p50_ms: Option<f64>,
    /// 99th percentile, milliseconds, since the start.
    pub p99_ms: Option<f64>,
}

/// One second of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// When it ended.
    pub at: WallTime,
    /// Requests answered in it.
    pub requests: u64,
    /// Of these with 5xx.
    pub errors: u64,
    /// Retries in it.
    pub retries: u64,
    /// Median time of an answer in it, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile in it, milliseconds.
    pub p99_ms: f64,
}

/// One applied configuration.
#[derive(Clone, Debug, Serialize)]
pub struct GenerationView {
    /// Its number.
    pub number: Generation,
    /// When it was applied.
    pub at: String,
    /// What caused it: `start`, `file changed`, `refresh`, `commit 3fa2…`.
    pub cause: String,
    /// What changed against the one before.
    pub changes: Vec<String>,
    /// What was left out, and why.
    pub refused: Vec<String>,
}
