//! Names that are resolved again and again, by their TTL.
//!
//! `getaddrinfo` hides the TTL, so a name would be asked for too often or too late. A resolver that is silent
//! or wrong changes nothing: the last addresses stay good until there are better ones.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// No name is asked for more often than this, whatever its TTL.
pub const MIN_WAIT: Duration = Duration::from_millis(500);

/// Nor less often.
pub const MAX_WAIT: Duration = Duration::from_mins(5);

/// After a failure a name is asked for again this much later.
pub const RETRY_WAIT: Duration = Duration::from_secs(1);

/// One question to one server, before the next is tried.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A name could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The system's configuration can't be read.
    #[error("can't read the resolver's configuration: {0}")]
    Configuration(#[source] NetError),
    /// No answer, or one that says no.
    #[error("can't resolve {host}: {source}")]
    Lookup {
        /// The name.
        host: String,
        /// Why.
        source: NetError,
    },
    /// The answer holds no address.
    #[error("{0} has no addresses")]
    Empty(String),
}

/// Asks name servers.
#[derive(Clone, Debug)]
pub struct Resolver(TokioResolver);

/// What a name resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In order, each once.
    pub addresses: Vec<IpAddr>,
    /// How long it is good.
    pub ttl: Duration,
}

impl Resolver {
    /// The system's: its hosts file, name servers and search list.
    pub fn system() -> Result<Self, DnsError> {
        let mut builder = TokioResolver::builder_tokio().map_err(DnsError::Configuration)?;
        set(builder.options_mut());
        builder.build().map(Self).map_err(DnsError::Configuration)
    }

    /// One name server and nothing else.
    pub fn at(server: SocketAddr) -> Result<Self, DnsError> {
        let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut name_server.connections {
            connection.port = server.port();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        set(builder.options_mut());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        builder.build().map(Self).map_err(DnsError::Configuration)
    }

    /// Every address of a name. An answer without addresses is an error: it says nothing of where to send to.
    pub async fn lookup(&self, host: &str) -> Result<Answer, DnsError> {
        if let Ok(address) = host.parse() {
            return Ok(Answer { addresses: vec![address], ttl: MAX_WAIT });
        }
        let fail = |source| DnsError::Lookup { host: host.to_owned(), source };
        let found = self.0.lookup_ip(host).await.map_err(fail)?;
        let addresses: BTreeSet<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(DnsError::Empty(host.to_owned()));
        }
        // Aliases on the way are among the records: the shortest TTL is how long the whole is good.
        let ttl = found.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or_default();
        Ok(Answer { addresses: addresses.into_iter().collect(), ttl: Duration::from_secs(ttl.into()) })
    }

    /// Resolves a name for ever and hands over every answer that differs from the one before.
    pub async fn follow(&self, host: &str, mut changed: impl FnMut(&[IpAddr])) {
        let mut last = Vec::new();
        loop {
            let wait = match self.lookup(host).await {
                Ok(answer) => {
                    if answer.addresses != last {
                        changed(&answer.addresses);
                        last = answer.addresses;
                    }
                    answer.ttl.clamp(MIN_WAIT, MAX_WAIT)
                }
                Err(error) => {
                    tracing::warn!(%error, kept = last.len(), "the addresses known before stay in use");
                    RETRY_WAIT
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}

fn set(options: &mut ResolverOpts) {
    options.timeout = TIMEOUT;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // The TTL is kept by whoever follows the name; a second cache would add to it.
    options.cache_size = 0;
    options.preserve_intermediates = true;
}
