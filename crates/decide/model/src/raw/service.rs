//! `services`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, EndpointAddress, HostAndPort, Name, PathText, ServiceTls};

/// A set of endpoints and how one is picked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-isolated" = "service"))]
pub struct Service {
    /// Where its endpoints come from: a list of addresses, `{ registry: NAME }` or `{ dns: HOST:PORT }`.
    pub endpoints: Endpoints,
    /// How one is picked.
    #[schemars(extend("default" = "p2c"))]
    pub balance: Option<Balance>,
    /// When one is left out on what the gateway itself saw.
    pub ejection: Option<Ejection>,
    /// How many retries there may be.
    pub retry_budget: Option<RetryBudget>,
    /// Connections kept.
    pub connections: Option<Connections>,
    /// What it speaks.
    #[schemars(extend("default" = "auto"))]
    pub protocol: Option<Protocol>,
    /// Speaks TLS to its endpoints.
    pub tls: Option<ServiceTls>,
    /// Tells its endpoints in a header of the PROXY protocol who asks. A connection then carries one request and is
    /// closed: another client's would come under the wrong address. Not with `protocol: h2`.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Asks every endpoint whether it is well. This version doesn't do it yet and says so.
    pub health: Option<Health>,
}

/// Where endpoints come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Endpoints {
    /// These.
    Static(#[schemars(length(min = 1))] Vec<Endpoint>),
    /// From a source that may change while serving.
    Source(EndpointSource),
}

/// A source of endpoints; exactly one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndpointSource {
    /// Instances of this service in the registry. Case doesn't matter.
    pub registry: Option<Name>,
    /// Every address of a host, resolved again while serving.
    pub dns: Option<HostAndPort>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Endpoint {
    /// Its address.
    Address(EndpointAddress),
    /// With a weight.
    Weighted(WeightedEndpoint),
}

/// One endpoint with a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WeightedEndpoint {
    /// Its address.
    pub address: EndpointAddress,
    /// Share of requests relative to its peers; 0 takes none.
    #[schemars(range(min = 0, max = 10_000), extend("default" = 100))]
    pub weight: Option<u16>,
}

/// How an endpoint is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// The better of two drawn at random, by requests in flight and latency, over weight.
    #[default]
    P2c,
    /// In turn, by weight.
    RoundRobin,
    /// At random, by weight.
    Random,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1, over TLS too: every service speaks it, and it carries every upgrade.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, which gRPC needs; in the clear without asking (prior knowledge).
    H2,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// When an endpoint is left out for a while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ejection {
    /// Whether it is done at all.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Consecutive soft failures (resets, timeouts) before an endpoint is left out. A refused connection does it
    /// at once.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 5))]
    pub consecutive: Option<u32>,
    /// How long the first time; doubles each further time.
    #[schemars(extend("default" = "1s"))]
    pub base: Option<Duration>,
    /// At most this long.
    #[schemars(extend("default" = "30s"))]
    pub max: Option<Duration>,
}

/// Retries are paid with tokens, so that they can't multiply the load of a failing service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetryBudget {
    /// Retries allowed per 100 successes.
    #[schemars(range(min = 0, max = 1_000), extend("default" = 20))]
    pub percent: Option<u32>,
    /// Retries allowed each second in any case.
    #[schemars(range(min = 0, max = 100_000), extend("default" = 10))]
    pub floor_per_second: Option<u32>,
    /// Most retries saved up by a quiet service; a busy one saves what 10 to 20 seconds of successes earn.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 100))]
    pub burst: Option<u32>,
}

/// Connections kept for a service, for each worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Connections {
    /// Idle ones kept per endpoint.
    #[schemars(range(min = 0, max = 100_000), extend("default" = 256))]
    pub idle_per_endpoint: Option<u32>,
    /// An idle one is closed after this.
    #[schemars(extend("default" = "55s"))]
    pub idle_timeout: Option<Duration>,
    /// One that was made this long ago carries no other request; `0s` is no bound.
    #[schemars(extend("default" = "1h"))]
    pub lifetime: Option<Duration>,
    /// Requests that one carries; 0 is no bound.
    #[schemars(extend("default" = 0))]
    pub requests: Option<u32>,
    /// Requests in flight, and so connections in use. More are refused with 503 at once.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 10_000))]
    pub in_flight: Option<u32>,
}

/// Active health checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Health {
    /// Path that is asked with GET.
    pub path: PathText,
    /// How often.
    #[schemars(extend("default" = "5s"))]
    pub every: Option<Duration>,
}
