//! Where a service's endpoints come from: the file, the registry's stream, DNS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use haechi_core::{Address, Directory};
use haechi_route::config::{Endpoints, Service};

/// Addresses by name and port, as last resolved.
pub(crate) type Resolved = BTreeMap<(String, u16), Arc<[SocketAddr]>>;

/// An endpoint that a service should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub address: Address,
    /// What it is called in Host.
    pub authority: String,
    pub weight: u16,
}

/// The usual weight.
const WEIGHT: u16 = 100;

/// What a service at a Unix socket is called in Host, whose syntax has no word for a file (RFC 9110 §7.2).
const UNIX_HOST: &str = "localhost";

/// The endpoints of a service, now.
pub(crate) fn targets(service: &Service, directory: &Directory, resolved: &Resolved) -> Vec<Target> {
    let secure = service.tls.is_some();
    match &service.endpoints {
        Endpoints::Static(list) => list
            .iter()
            .map(|e| Target {
                address: e.address.clone(),
                authority: e.address.tcp().map_or_else(|| UNIX_HOST.to_owned(), |tcp| tcp.to_string()),
                weight: e.weight,
            })
            .collect(),
        Endpoints::Dns { host, port } => resolved
            .get(&(host.clone(), *port))
            .map(|addresses| {
                let authority = if *port == if secure { 443 } else { 80 } {
                    host.clone()
                } else {
                    format!("{host}:{port}")
                };
                addresses
                    .iter()
                    .map(|address| Target {
                        address: (*address).into(),
                        authority: authority.clone(),
                        weight: WEIGHT,
                    })
                    .collect()
            })
            .unwrap_or_default(),
        Endpoints::Registry(name) => directory
            .services
            .get(name)
            .map(|snapshot| {
                snapshot
                    .instances
                    .iter()
                    .filter(|fact| fact.state.takes_requests() && fact.secure == secure)
                    .map(|fact| Target {
                        address: fact.address.into(),
                        authority: fact.address.to_string(),
                        weight: fact.weight,
                    })
                    .collect()
            })
            .unwrap_or_default(),
    }
}
