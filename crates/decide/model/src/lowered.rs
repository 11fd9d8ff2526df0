//! What a file means: values that can't be wrong, one per part, compared with `==`. A reload is the difference
//! between two of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use haechi_route::config::GatewayConfig;

use crate::expectation::Expectation;
pub use crate::raw::{KeyStoreType, RsaAlgorithm};

/// Everything a file says. A part that is `None` doesn't run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowered {
    /// The gateway. Holds what is right even where something was left out.
    pub gateway: Option<GatewayConfig>,
    /// Routes to fetch from a config server, beside the gateway's own.
    pub zuul: Option<ZuulImport>,
    /// The registry.
    pub registry: Option<RegistryConfig>,
    /// Registries elsewhere that are followed. Never beside [`Lowered::registry`].
    pub follow: Option<FollowConfig>,
    /// The config server.
    pub config: Option<ConfigServerConfig>,
    /// The admin port.
    pub admin: Option<AdminConfig>,
    /// How a new binary takes over.
    pub upgrade: UpgradeConfig,
    /// What must hold of the routes; see [`crate::expectation`].
    pub expectations: Vec<Expectation>,
}

/// How a new binary takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeConfig {
    /// For the new process to start and say so.
    pub start_timeout: Duration,
    /// For what is in flight in the old process.
    pub drain_timeout: Duration,
    /// For idle connections in the old process.
    pub idle_timeout: Duration,
}

impl Default for UpgradeConfig {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(3600),
            idle_timeout: Duration::from_secs(10),
        }
    }
}

/// Text that is never shown: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// User and password (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// User name, without a colon.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// The admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whom it asks for.
    pub auth: Option<BasicAuth>,
}

/// Routes from the properties of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZuulImport {
    /// The application.
    pub application: String,
    /// Its profiles, at least one; the last one wins.
    pub profiles: Vec<String>,
    /// Label; nothing is the config server's default.
    pub label: Option<String>,
    /// The config server.
    pub from: ConfigOrigin,
    /// Asks for changes this often; zero is only when told to.
    pub refresh: Duration,
}

/// A config server to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOrigin {
    /// The one in this process.
    InProcess,
    /// Another one.
    Remote {
        /// Its URL, without a slash at the end.
        uri: String,
        /// How to authenticate there.
        auth: Option<BasicAuth>,
    },
}

/// The registry.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistryConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Path in front of Eureka's, no slash at the end. `/v2` below it is served too.
    pub prefix: String,
    /// Whom it asks for.
    pub auth: Option<BasicAuth>,
    /// Lease of an instance that names none.
    pub lease_duration: Duration,
    /// Renewal interval of an instance that names none.
    pub renewal_interval: Duration,
    /// How often expired leases are looked for.
    pub eviction_interval: Duration,
    /// Guard against mass expiry: nothing is evicted below this percentage of the expected heartbeats. `None`
    /// is off.
    pub self_preservation_percent: Option<u8>,
    /// How long a change stays in the delta.
    pub delta_retention: Duration,
    /// Most instances kept.
    pub max_instances: usize,
    /// Replication.
    pub peers: Option<PeersConfig>,
    /// The file that keeps the state over a restart.
    pub snapshot: Option<SnapshotConfig>,
}

/// Registries elsewhere that are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowConfig {
    /// Their addresses, at least one.
    pub urls: Vec<String>,
    /// How often one without the stream is asked.
    pub poll: Duration,
}

/// Replication with other registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeersConfig {
    /// Service URLs, no slash at the end; at least one.
    pub urls: Vec<String>,
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// For an answer.
    pub timeout: Duration,
    /// Most changes in one batch.
    pub batch_size: usize,
    /// Longest wait for a batch to fill.
    pub batch_delay: Duration,
    /// Most changes waiting for one peer.
    pub queue: usize,
}

/// The registry's state on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// The file.
    pub path: PathBuf,
}

/// The config server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Path in front of Spring's, no slash at the end; usually empty.
    pub prefix: String,
    /// Whom it asks for.
    pub auth: Option<BasicAuth>,
    /// Where properties are; the first one wins; at least one.
    pub sources: Vec<ConfigSource>,
    /// Properties that win over every source.
    pub overrides: BTreeMap<String, String>,
    /// Encryption, where a key is installed or `{cipher}` values are passed on.
    pub encrypt: Option<EncryptConfig>,
    /// Whether an application without any property is answered 200.
    pub accept_empty: bool,
}

/// Where properties are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// In a git repository.
    Git(Box<GitConfig>),
    /// In folders.
    Native(NativeConfig),
}

/// Properties in folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeConfig {
    /// Folders, a later one wins; may hold placeholders.
    pub locations: Vec<String>,
    /// Also `<location>/<label>/`.
    pub add_label_locations: bool,
}

/// Properties in git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitConfig {
    /// For applications that match none of `repos`.
    pub default: GitRepository,
    /// Other repositories, in the order of the file.
    pub repos: Vec<MatchedRepository>,
}

/// A repository for applications that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRepository {
    /// Its name in the file.
    pub name: String,
    /// `application/profile` with `*`; at least one.
    pub patterns: Vec<String>,
    /// The repository.
    pub repository: GitRepository,
}

/// A git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitRepository {
    /// Where it is; may hold placeholders.
    pub uri: String,
    /// Branch, tag or commit for clients that name none.
    pub label: String,
    /// Falls back to `master`.
    pub try_master: bool,
    /// Folders besides `/`, a later one wins; may hold placeholders and `*`.
    pub search_paths: Vec<String>,
    /// Fetches this often; zero is only when told to.
    pub refresh: Duration,
    /// For one fetch.
    pub timeout: Duration,
    /// Clones before the first request is answered.
    pub clone_on_start: bool,
    /// Where the clone is kept; nothing is a temporary folder.
    pub folder: Option<PathBuf>,
    /// For http(s).
    pub http_auth: Option<BasicAuth>,
    /// For ssh.
    pub ssh: SshConfig,
}

/// How ssh is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshConfig {
    /// File with the private key.
    pub private_key: Option<PathBuf>,
    /// Its passphrase.
    pub passphrase: Option<Secret>,
    /// Refuses hosts that `known_hosts` doesn't have.
    pub strict_host_key_checking: bool,
}

/// Encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptConfig {
    /// The key; nothing is no key.
    pub key: Option<EncryptKey>,
    /// How RSA is used.
    pub rsa: RsaConfig,
    /// Whether `{cipher}` values are decrypted here.
    pub enabled: bool,
    /// Whether what can't be decrypted becomes `invalid.<key>`.
    pub prefix_invalid_properties: bool,
}

/// A key for encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncryptKey {
    /// A password.
    Symmetric {
        /// The password.
        key: Secret,
        /// Hexadecimal.
        salt: String,
    },
    /// A private RSA key in PEM.
    Pem(Secret),
    /// An RSA key in a key store.
    KeyStore {
        /// Its file.
        location: PathBuf,
        /// Its password.
        password: Option<Secret>,
        /// The key's name.
        alias: Option<String>,
        /// The key's own password.
        secret: Option<Secret>,
        /// Its kind.
        kind: KeyStoreType,
    },
}

/// How RSA is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaConfig {
    /// Padding.
    pub algorithm: RsaAlgorithm,
    /// AES in GCM for the value.
    pub strong: bool,
    /// Hexadecimal.
    pub salt: String,
}
