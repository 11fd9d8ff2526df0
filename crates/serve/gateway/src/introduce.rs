//! Telling a service by the PROXY protocol who asks.

use std::net::SocketAddr;

use haechi_net::proxy_protocol::{Addresses, Version, write};
use haechi_route::config::ProxyVersion;

use crate::conn::Conn;
use crate::prepare::ClientFacts;
use crate::service::Service;

/// The header in front of a connection for this client, where the service wants one.
pub(crate) fn header(service: &Service, facts: &ClientFacts, conn: &Conn) -> Option<Vec<u8>> {
    let version = match service.config.proxy_protocol? {
        ProxyVersion::V1 => Version::V1,
        ProxyVersion::V2 => Version::V2,
    };
    Some(write(version, addresses(facts, conn)))
}

/// Between whom a client's connection is. Nothing when that is not the Internet, or the client left.
pub(crate) fn addresses(facts: &ClientFacts, conn: &Conn) -> Option<Addresses> {
    if let Some(known) = &facts.addresses {
        return Some(**known);
    }
    let socket = conn.socket()?;
    let of =
        |address: std::io::Result<socket2::SockAddr>| -> Option<SocketAddr> { address.ok()?.as_socket() };
    Some(Addresses { source: of(socket.peer_addr())?, destination: of(socket.local_addr())? })
}
