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
    /// Certificates that are served.
    pub certificates: Vec<CertificateView>,
    /// Names whose certificates are ordered from a CA.
    pub ordered: Vec<OrderedView>,
    /// What was left out to keep it short; nothing is in `/api/overview`.
    pub left_out: LeftOut,
}

/// How much of each list is not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Services.
    pub services: usize,
    /// Endpoints of services that are shown.
    pub endpoints: usize,
    /// Routes.
    pub routes: usize,
    /// Warnings and problems.
    pub sentences: usize,
}

/// Services, and endpoints of one service, that a console is sent each second.
pub const SHOWN_SERVICES: usize = 50;
/// Endpoints of all services together.
pub const SHOWN_ENDPOINTS: usize = 200;
/// Routes.
pub const SHOWN_ROUTES: usize = 100;
/// Warnings, and problems.
pub const SHOWN_SENTENCES: usize = 50;

impl Overview {
    /// What a console shows: services, endpoints and routes whose names contain `find`, those with something
    /// amiss first, of each only so many.
    #[must_use]
    pub fn shortened(mut self, find: &str) -> Self {
        let mut left_out = LeftOut::default();
        let amiss = |service: &ServiceView| {
            service.endpoints.is_empty() || service.endpoints.iter().any(|endpoint| endpoint.state != "up")
        };
        self.services.retain(|service| service.name.contains(find) || service.source.contains(find));
        self.services.sort_by_key(|service| !amiss(service));
        left_out.services = cut(&mut self.services, SHOWN_SERVICES);
        let mut room = SHOWN_ENDPOINTS;
        for service in &mut self.services {
            service.endpoints.sort_by_key(|endpoint| endpoint.state == "up");
            // At least one of each: a service without any looks dead.
            left_out.endpoints += cut(&mut service.endpoints, room.clamp(1, SHOWN_SERVICES));
            room = room.saturating_sub(service.endpoints.len());
        }
        self.routes.retain(|route| [&route.name, &route.matches, &route.to].iter().any(|t| t.contains(find)));
        left_out.routes = cut(&mut self.routes, SHOWN_ROUTES);
        self.certificates.sort_by_key(|certificate| certificate.seconds_left);
        // Those that end first are what matters; the rest is in `haechi status`.
        self.certificates.truncate(SHOWN_SERVICES);
        self.ordered.sort_by_key(|ordered| ordered.state == "valid");
        self.ordered.truncate(SHOWN_SERVICES);
        left_out.sentences =
            cut(&mut self.warnings, SHOWN_SENTENCES) + cut(&mut self.problems, SHOWN_SENTENCES);
        self.left_out = left_out;
        self
    }
}

/// Keeps so many, and answers how many went.
fn cut<T>(list: &mut Vec<T>, most: usize) -> usize {
    let more = list.len().saturating_sub(most);
    list.truncate(most);
    more
}

/// A certificate of a listener.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateView {
    /// The listener.
    pub listener: String,
    /// Its file.
    pub file: String,
    /// The names it covers.
    pub names: Vec<String>,
    /// Seconds until it expires; below zero if it has.
    pub seconds_left: i64,
}

/// A name whose certificate is ordered from a CA.
#[derive(Clone, Debug, Serialize)]
pub struct OrderedView {
    /// The name.
    pub name: String,
    /// The CA's directory.
    pub directory: String,
    /// `waiting`, `wanted`, `ordering`, `valid` or `failing`.
    pub state: &'static str,
    /// Why the last order failed, or what is waited for.
    pub why: String,
    /// Seconds until the certificate that is there expires.
    pub seconds_left: Option<i64>,
    /// Seconds until the next order.
    pub next_s: u64,
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
    /// How many endpoints it has.
    pub known: usize,
    /// How many of them are up.
    pub up: usize,
    /// Its endpoints.
    pub endpoints: Vec<EndpointView>,
}

impl ServiceView {
    /// With its endpoints counted.
    pub fn new(name: String, source: String, endpoints: Vec<EndpointView>) -> Self {
        let up = endpoints.iter().filter(|endpoint| endpoint.state == "up").count();
        Self { name, source, known: endpoints.len(), up, endpoints }
    }
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
