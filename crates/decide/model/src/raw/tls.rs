//! TLS, of listeners and to services.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Acme, Duration, FilePath, Host, HostPattern};

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tls {
    /// Certificates. The client's server name (SNI) says which one it gets: one that names it, else one with a
    /// wildcard. Files that change on disk are taken in within seconds, without a reload.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub certificates: Vec<Certificate>,
    /// Gets certificates from a CA.
    pub acme: Option<Acme>,
    /// What clients get that name no host, or one that no certificate covers.
    #[schemars(extend("default" = "first"))]
    pub unknown_name: Option<UnknownName>,
    /// The oldest version that is spoken. There is none below TLS 1.2, and no suite without forward secrecy.
    #[schemars(extend("default" = "tls1.2"))]
    pub min_version: Option<TlsVersion>,
    /// Asks clients for a certificate of their own (mTLS).
    pub client_certificates: Option<ClientCertificates>,
    /// Tells browsers to come by https alone from now on (RFC 6797). `hsts: {}` is for a year. Every answer over this
    /// listener's TLS says so, unless its service or a filter sets `Strict-Transport-Security` itself.
    pub hsts: Option<Hsts>,
}

/// HTTP Strict Transport Security. Browsers remember it: a host that promised it can't go back to plain HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hsts {
    /// For how long browsers remember, from each answer on; `0s` makes them forget.
    #[schemars(extend("default" = "365d"))]
    pub max_age: Option<Duration>,
    /// Whether it holds for all hosts below the one that is asked too.
    #[schemars(extend("default" = false))]
    pub include_subdomains: Option<bool>,
    /// Whether browsers may be built with it. Their lists want a year at least, and the hosts below; leaving them
    /// takes months.
    #[schemars(extend("default" = false))]
    pub preload: Option<bool>,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Certificate {
    /// A PEM file with the certificate chain and its private key.
    File(FilePath),
    /// In files of their own.
    Files(CertificateFiles),
}

/// A certificate whose chain and key are in files of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CertificateFiles {
    /// The chain (PEM), the server's own certificate first.
    pub chain: FilePath,
    /// Its private key (PEM, without a passphrase).
    pub key: FilePath,
    /// A response of the CA's OCSP responder (DER) that is sent along with it (stapling). Something else, such as
    /// `openssl ocsp -respout`, fetches it; it is taken in whenever it changes.
    pub ocsp: Option<FilePath>,
}

/// What clients get that name no host, or one that no certificate covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownName {
    /// The first certificate.
    #[default]
    First,
    /// No connection.
    Refuse,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 and TLS 1.3.
    #[default]
    #[serde(rename = "tls1.2")]
    Tls12,
    /// TLS 1.3 alone.
    #[serde(rename = "tls1.3")]
    Tls13,
}

/// Certificates that clients show (mTLS).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientCertificates {
    /// Whether a client without one is served. One that is shown must be good either way.
    #[schemars(extend("default" = "required"))]
    pub mode: Option<ClientCertificateMode>,
    /// Files with the CAs that issue them (PEM).
    #[schemars(length(min = 1))]
    pub ca: Vec<FilePath>,
    /// Revocation lists (PEM or DER). With any, every CA above needs one. A list that is out of date still counts.
    #[serde(default)]
    pub crl: Vec<FilePath>,
    /// Hosts for which one is asked for; without it all. A request for such a host on a connection that was begun
    /// for another one gets 421.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// Tells services who the client is, in `X-Forwarded-Client-Cert: Hash=…;Subject="…";URI="…";DNS="…"`. Clients
    /// can't send this field themselves: it is always taken out.
    #[schemars(extend("default" = false))]
    pub forward: Option<bool>,
}

/// Whether a client without a certificate is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificateMode {
    /// It is not.
    #[default]
    Required,
    /// It is.
    Optional,
}

/// TLS to a service's endpoints. `tls: {}` is enough: their certificates are verified against the CAs of this
/// machine. Of registered instances it is those with a secure port that get requests then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServiceTls {
    /// The name that the endpoints' certificates must be for. Without it the DNS name that is resolved, else each
    /// endpoint's address.
    pub server_name: Option<Host>,
    /// Files with the CAs that are trusted (PEM). Without it those of this machine.
    #[serde(default)]
    pub ca: Vec<FilePath>,
    /// Revocation lists (PEM or DER). With any, every CA that issues a certificate here needs one.
    #[serde(default)]
    pub crl: Vec<FilePath>,
    /// The gateway's own certificate, for services that ask for one (mTLS).
    pub certificate: Option<Certificate>,
    /// Whether certificates are verified. Without it whoever is on the way can read and change everything.
    #[schemars(extend("default" = true))]
    pub verify: Option<bool>,
}
