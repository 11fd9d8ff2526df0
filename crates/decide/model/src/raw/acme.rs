//! `gateway.listeners[].tls.acme`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FilePath, HostPattern, HttpUrl};

/// Certificates from a CA that speaks ACME (RFC 8555): Let's Encrypt, another public one, or one in the house such as
/// step-ca. They are ordered, renewed in time and taken in without a reload. Each name has a certificate of its own, so
/// that one that can't be had costs no other. Until a name has one, its handshakes get what `unknown-name` says: none,
/// where there is no other certificate either.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Acme {
    /// Whether you agree to the CA's terms of service. There are no certificates without.
    #[schemars(extend("default" = false))]
    pub agree_to_terms: Option<bool>,
    /// The CA's directory. To try it out without meeting the limits of Let's Encrypt, take its staging server, whose
    /// certificates nobody trusts: `https://acme-staging-v02.api.letsencrypt.org/directory`.
    #[schemars(extend("default" = "https://acme-v02.api.letsencrypt.org/directory"))]
    pub directory: Option<HttpUrl>,
    /// Mail addresses at which the CA may reach you.
    #[serde(default)]
    pub contact: Vec<String>,
    /// Names to get certificates for, 250 at most. Without it each host that a route names exactly.
    #[serde(default)]
    pub names: Vec<HostPattern>,
    /// How the CA is shown that a name is yours: by a handshake on port 443, which must lead to this listener, or by a
    /// file on port 80, which must lead to a listener without TLS. The file comes before routes and before
    /// `redirect-to-https`.
    #[schemars(extend("default" = "tls-alpn-01"))]
    pub challenge: Option<AcmeChallenge>,
    /// A folder that is kept over restarts, for the account's key and the certificates with theirs. Only its owner can
    /// read them. One process at a time orders.
    #[schemars(extend("default" = ".haechi/acme"))]
    pub storage: Option<FilePath>,
    /// Files with the roots that the CA's own server is trusted by (PEM), for a CA in the house. Without it those of this
    /// machine.
    #[serde(default)]
    pub ca: Vec<FilePath>,
}

/// How a CA is shown that a name is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AcmeChallenge {
    /// By a file over plain HTTP.
    #[serde(rename = "http-01")]
    Http01,
    /// By a certificate in a TLS handshake.
    #[default]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}
