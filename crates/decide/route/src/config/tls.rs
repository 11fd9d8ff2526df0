//! TLS, of listeners and to services.

use std::path::PathBuf;
use std::time::Duration;

use super::HostPattern;

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, the server's own certificate first (PEM).
    pub chain: PathBuf,
    /// Its private key (PEM); may be the same file.
    pub key: PathBuf,
    /// An OCSP response that is sent along (DER).
    pub ocsp: Option<PathBuf>,
}

/// Certificates from a CA that speaks ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The URL of its directory.
    pub directory: String,
    /// How it may reach us: `mailto:` URLs.
    pub contact: Vec<String>,
    /// The names, lower case. Empty is every host that a route names exactly.
    pub names: Vec<String>,
    /// How it is shown that a name is ours.
    pub challenge: Challenge,
    /// The folder for keys and certificates.
    pub storage: PathBuf,
    /// Files with the roots that its own server is trusted by. Empty is those of this machine.
    pub ca: Vec<PathBuf>,
}

impl Acme {
    /// Names that one listener gets certificates for, at most: public CAs take 300 orders in three hours.
    pub const NAMES: usize = 250;
}

/// How a CA is shown that a name is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Challenge {
    /// By a file over plain HTTP on port 80.
    Http01,
    /// By a certificate in a TLS handshake on port 443.
    #[default]
    TlsAlpn01,
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates; the client's server name says which one it gets.
    pub certificates: Vec<Certificate>,
    /// Those that a CA is asked for.
    pub acme: Option<Acme>,
    /// What clients get that name no host, or one that no certificate covers.
    pub unknown_name: UnknownName,
    /// The oldest version of the protocol.
    pub min_version: TlsVersion,
    /// Who must, or may, show a certificate.
    pub client: Option<ClientCertificates>,
    /// What browsers are told to remember.
    pub hsts: Option<Hsts>,
}

/// HTTP Strict Transport Security (RFC 6797): browsers don't come by plain HTTP any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// For how long they remember; whole seconds are told.
    pub max_age: Duration,
    /// Whether it holds for the hosts below this one too.
    pub include_subdomains: bool,
    /// Whether browsers may be built with it.
    pub preload: bool,
}

impl Hsts {
    /// The header field's value (RFC 6797 §6.1).
    pub fn value(&self) -> String {
        let subdomains = if self.include_subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.preload { "; preload" } else { "" };
        format!("max-age={}{subdomains}{preload}", self.max_age.as_secs())
    }
}

/// What clients get that name no host, or one that no certificate covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownName {
    /// The first certificate.
    #[default]
    First,
    /// No connection.
    Refuse,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2
    #[default]
    Tls12,
    /// 1.3
    Tls13,
}

/// Certificates of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Whether a client without one is refused.
    pub required: bool,
    /// Files with the CAs that issue them (PEM).
    pub ca: Vec<PathBuf>,
    /// Revocation lists (PEM or DER).
    pub crl: Vec<PathBuf>,
    /// Hosts for which this holds; empty is all.
    pub hosts: Vec<HostPattern>,
    /// Whether services are told who the client is (`X-Forwarded-Client-Cert`).
    pub forward: bool,
}

/// TLS to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTls {
    /// The name that the service's certificate must be for; nothing is the endpoint's own: its DNS name or address.
    pub server_name: Option<String>,
    /// Files with the CAs that are trusted (PEM); empty is those of this machine.
    pub ca: Vec<PathBuf>,
    /// Revocation lists (PEM or DER).
    pub crl: Vec<PathBuf>,
    /// The gateway's own certificate, for services that ask for one.
    pub certificate: Option<Certificate>,
    /// Whether the service's certificate is verified.
    pub verify: bool,
}

impl Default for ServiceTls {
    fn default() -> Self {
        Self { server_name: None, ca: Vec::new(), crl: Vec::new(), certificate: None, verify: true }
    }
}
