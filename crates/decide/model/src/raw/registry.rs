//! `registry:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auth, Duration, FilePath, HttpUrl, PathText, SocketAddress};

/// The service registry, which speaks Eureka's protocol: one that listens here, or others that are followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Registry {
    /// Address and port where Eureka clients register and ask; 8761 is usual.
    pub listen: Option<SocketAddress>,
    /// Registries in other processes whose instances are used here; then no registry runs here.
    pub follow: Option<Follow>,
    /// Path in front of Eureka's own paths. `/v2` below it is served too, for Netflix's clients.
    #[schemars(extend("default" = "/eureka"))]
    pub prefix: Option<PathText>,
    /// Basic authentication of clients and peers; without it nobody is asked.
    pub auth: Option<Auth>,
    /// Leases of instances.
    pub lease: Option<Lease>,
    /// Guard against emptying the registry when heartbeats of many instances stop at once.
    pub self_preservation: Option<SelfPreservation>,
    /// How long a change stays in the delta that clients fetch.
    #[schemars(extend("default" = "3m"))]
    pub delta_retention: Option<Duration>,
    /// Most instances kept; a registration beyond is answered 503.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 200_000))]
    pub max_instances: Option<u32>,
    /// Other registries, Haechi's or Netflix's, that replicate with this one.
    pub peers: Option<Peers>,
    /// The file that keeps the registry's state over a restart; without it a restart begins empty.
    pub snapshot: Option<Snapshot>,
}

/// Registries that are followed. While none answers, what was heard last stays in force, over a restart too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Follow {
    /// Registries that know the same instances (peers of each other); one at a time is followed, the next when it
    /// fails. `http://registry.example:8761`, with user and password in front of the host where they are asked for.
    /// An Eureka server that isn't Haechi's is asked by Eureka's protocol, below `/eureka` if the address has no
    /// path.
    #[schemars(length(min = 1))]
    pub urls: Vec<HttpUrl>,
    /// How often a server that isn't Haechi's is asked for changes. Haechi's tells of them at once.
    #[schemars(extend("default" = "5s"))]
    pub poll: Option<Duration>,
}

/// Leases of instances.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lease {
    /// For an instance that registers without a lease duration: evicted this long after its last heartbeat.
    #[schemars(extend("default" = "90s"))]
    pub duration: Option<Duration>,
    /// For an instance that registers without a renewal interval: how often it is taken to send heartbeats.
    #[schemars(extend("default" = "30s"))]
    pub renewal_interval: Option<Duration>,
    /// Looks for expired leases this often.
    #[schemars(extend("default" = "1s"))]
    pub eviction_interval: Option<Duration>,
}

/// Self-preservation. Hard evidence (a refused connection, a clean goodbye) removes an instance in any case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SelfPreservation {
    /// Whether it is on.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Nothing is evicted while fewer than this percentage of the expected heartbeats arrive.
    #[schemars(range(min = 0, max = 100), extend("default" = 85))]
    pub threshold_percent: Option<u8>,
}

/// Replication with other registries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Peers {
    /// Their service URLs with the prefix: `http://eureka-2.example:8761/eureka`. User and password may stand
    /// in front of the host.
    #[schemars(length(min = 1))]
    pub urls: Vec<HttpUrl>,
    /// For a connection to a peer to be made.
    #[schemars(extend("default" = "1s"))]
    pub connect_timeout: Option<Duration>,
    /// For a peer to answer.
    #[schemars(extend("default" = "5s"))]
    pub timeout: Option<Duration>,
    /// Most changes sent in one batch.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 250))]
    pub batch_size: Option<u32>,
    /// A change waits at most this long for its batch to fill.
    #[schemars(extend("default" = "100ms"))]
    pub batch_delay: Option<Duration>,
    /// Most changes waiting for one peer; beyond it the oldest are dropped and counted.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 500_000))]
    pub queue: Option<u32>,
}

/// The file that keeps the registry's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Snapshot {
    /// Its name. Its folder must exist.
    pub path: FilePath,
}
