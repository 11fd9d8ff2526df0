//! The file as written: every key that exists, typed. Doc comments here are the schema's descriptions and
//! the reference's text, so they speak to whoever writes the file.
//!
//! A default named here (`extend("default" = …)`) is checked by a test against what lowering really does.

mod acme;
mod admin;
mod config;
mod gateway;
mod layer4;
mod registry;
mod route;
mod service;
mod text;
mod tls;
mod upgrade;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use acme::{Acme, AcmeChallenge};
pub use admin::{Admin, Auth};
pub use config::{
    ConfigServer, ConfigSource, Encrypt, Git, GitRepository, GitRepositoryEntry, KeyStore, KeyStoreType,
    Native, Rsa, RsaAlgorithm,
};
pub use gateway::{AccessLog, Gateway, Import, Limits, Listener, LogFormat, ProxyProtocol, ZuulImport};
pub use layer4::{Layer4Timeouts, ListenerProtocol, TcpRoute, TlsRoute, UdpRoute, UdpTimeouts};
pub use registry::{Lease, Peers, Registry, SelfPreservation, Snapshot};
pub use route::{
    Compress, Encoding, Files, Filter, HeaderValue, Match, Redirect, Respond, Retry, RewritePrefix, Route,
    Scheme, Symlinks, Timeouts, ValueCondition, ValueMatch,
};
pub use service::{
    Balance, Connections, Ejection, Endpoint, EndpointSource, Endpoints, Health, Protocol, ProxyVersion,
    RetryBudget, Service, WeightedEndpoint,
};
pub use text::{
    ConfigUrl, Duration, EndpointAddress, ExpectationLine, FileMode, FilePath, HexText, Host, HostAndPort,
    HostPattern, HttpUrl, ListenAddress, Method, Name, Network, PathPattern, PathText, Secret, Size,
    SocketAddress,
};
pub use tls::{
    Certificate, CertificateFiles, ClientCertificateMode, ClientCertificates, Hsts, ServiceTls, Tls,
    TlsVersion, UnknownName,
};
pub use upgrade::Upgrade;

/// One file configures any set of parts; a part that has no section doesn't run.
///
/// Durations and sizes carry a unit (`5s`, `16KiB`). `${NAME}` and `${NAME:-default}` in a value are replaced
/// by environment variables; `$${` stands for a literal `${`. File names are relative to the folder of this file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "haechi.yaml")]
pub struct File {
    /// The admin port: console, status, metrics, Zuul's `/routes` and `/refresh`.
    pub admin: Option<Admin>,
    /// The service registry, which speaks Eureka's protocol.
    pub registry: Option<Registry>,
    /// The config server, which speaks Spring Cloud Config's protocol.
    pub config: Option<ConfigServer>,
    /// The gateway: where it listens and what it does with a request.
    pub gateway: Option<Gateway>,
    /// Where routes send requests, by name.
    #[serde(default)]
    pub services: IndexMap<String, Service>,
    /// How a new binary takes over from the one that runs.
    pub upgrade: Option<Upgrade>,
    /// Checked by `haechi check` and whenever the file is read: `METHOD URL -> ROUTE`, or `METHOD URL -> STATUS`
    /// for a request that the gateway itself answers (404 if no route matches). A line that doesn't hold is an
    /// error; the configuration is applied nevertheless.
    #[serde(default)]
    pub expect: Vec<ExpectationLine>,
}
