//! Services: their endpoints, and how they are spoken to.

use std::time::Duration;

use haechi_core::{Address, ServiceName};

use super::{ProxyVersion, ServiceTls};

/// A set of endpoints and how one is picked.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Where its endpoints come from.
    pub endpoints: Endpoints,
    /// How one is picked.
    pub balance: Balance,
    /// When one is left out for a while.
    pub ejection: Ejection,
    /// Tokens for retries.
    pub retry_budget: RetryBudget,
    /// Bounds on connections.
    pub connections: Connections,
    /// What it speaks.
    pub protocol: Protocol,
    /// Spoken to over TLS.
    pub tls: Option<ServiceTls>,
    /// Told by the PROXY protocol who asks. A connection then carries one client's request and no other's.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, over TLS too: every service speaks it, and it carries every upgrade.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, known beforehand.
    Http2,
}

/// Where endpoints come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// These.
    Static(Vec<StaticEndpoint>),
    /// Every address of this name, resolved again by its TTL while serving.
    Dns {
        /// Name to resolve.
        host: String,
        /// Port of every address.
        port: u16,
    },
    /// Instances of this service in the registry's stream.
    Registry(ServiceName),
}

/// One endpoint written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticEndpoint {
    /// Where.
    pub address: Address,
    /// Share relative to its peers; 100 is usual.
    pub weight: u16,
}

/// How an endpoint is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The better of two drawn at random, by requests in flight and latency, over weight.
    #[default]
    P2c,
    /// In turn, by weight, smoothly interleaved.
    RoundRobin,
    /// At random, by weight.
    Random,
}

/// When an endpoint is left out on what the gateway itself saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Whether it is done at all.
    pub enabled: bool,
    /// Consecutive soft failures (resets, timeouts) before an endpoint is left out. Refused connections, and
    /// an endpoint that answered nobody since the attempt that timed out, leave at once.
    pub consecutive: u32,
    /// How long the first time; doubles each further time.
    pub base: Duration,
    /// At most this long.
    pub max: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { enabled: true, consecutive: 5, base: Duration::from_secs(1), max: Duration::from_secs(30) }
    }
}

/// A token bucket fed by successes: each success adds `percent`/100 of a token, each retry takes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Retries per 100 successes.
    pub percent: u32,
    /// Tokens that come by themselves each second, so that a quiet service can retry.
    pub floor_per_second: u32,
    /// Most tokens kept by a quiet service; a busy one keeps what 10 to 20 seconds of successes earn.
    pub burst: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20, floor_per_second: 10, burst: 100 }
    }
}

/// Bounds on connections to a service, per worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Idle ones kept per endpoint.
    pub idle_per_endpoint: u32,
    /// An idle one is closed after this.
    pub idle_timeout: Duration,
    /// One that was made this long ago carries no other request; zero is no bound.
    pub lifetime: Duration,
    /// Requests that one carries; 0 is no bound.
    pub requests: u32,
    /// Requests in flight, and so connections in use. More are refused.
    pub in_flight: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            idle_per_endpoint: 256,
            idle_timeout: Duration::from_secs(55),
            lifetime: Duration::from_secs(3600),
            requests: 0,
            in_flight: 10_000,
        }
    }
}
