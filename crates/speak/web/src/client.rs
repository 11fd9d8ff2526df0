//! The client of the control plane: registries that are peers, config servers elsewhere.

use std::time::Duration;

use reqwest::{Certificate, ClientBuilder};
pub use reqwest::{Client, Error, Response as Answer, StatusCode, Url};

/// A client that keeps connections, follows no redirects (an answer from elsewhere is a surprise), and gives
/// up on a connection after `connect` and on a whole exchange after `request`.
pub fn client(connect: Duration, request: Duration) -> Result<Client, Error> {
    builder(connect, request).build()
}

/// As [`client`], for one server whose certificate comes from these roots alone (PEM); without any, from those of this
/// machine.
pub fn trusting(connect: Duration, request: Duration, roots: &[Vec<u8>]) -> Result<Client, Error> {
    let mut trusted = Vec::new();
    for pem in roots {
        trusted.extend(Certificate::from_pem_bundle(pem)?);
    }
    let builder = builder(connect, request).https_only(true);
    if roots.is_empty() { builder.build() } else { builder.tls_certs_only(trusted).build() }
}

fn builder(connect: Duration, request: Duration) -> ClientBuilder {
    Client::builder()
        .connect_timeout(connect)
        .timeout(request)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
}
