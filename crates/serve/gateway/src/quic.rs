//! The sockets of HTTP/3, one for each listener that speaks it, on the port of its TCP sockets.
//!
//! They are never handed on: a connection lives in one process, and two that read from one socket would take each
//! other's packets. Who comes next waits until the connections of before are done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddr;

use haechi_net::listen;
use haechi_route::GatewayConfig;

use crate::gateway::ApplyError;
use crate::listeners::Listening;
use crate::worker::{Accepts, NewListener};

/// Where HTTP/3 is spoken.
#[derive(Debug)]
pub(crate) struct Quic {
    open: BTreeMap<String, SocketAddr>,
    /// Ports on which connections of before may still end: this process's, or those of the one that it takes over
    /// from.
    before: BTreeSet<SocketAddr>,
    /// How many were opened, so that workers take turns.
    count: usize,
}

/// What a configuration changes.
pub(crate) struct QuicChange {
    /// Names as workers know them.
    pub close: Vec<String>,
    /// Each with the number that says which worker takes it.
    pub open: Vec<(usize, NewListener)>,
}

impl Quic {
    /// None, and these are another process's.
    pub fn new(inherited: &[Listening]) -> Self {
        let sockets = inherited.iter().flat_map(|listening| &listening.sockets);
        let before = sockets.filter_map(|socket| socket.local_addr().ok()).collect();
        Self { open: BTreeMap::new(), before, count: 0 }
    }

    /// Opens what is new, and says what closes. `bound` is where a listener's TCP sockets are. Fails with nothing
    /// changed.
    pub fn change(
        &mut self,
        config: &GatewayConfig,
        bound: impl Fn(&String) -> Option<SocketAddr>,
    ) -> Result<QuicChange, ApplyError> {
        let speaks = config.listeners.iter().filter(|(_, listener)| listener.http3.is_some());
        let wanted: BTreeMap<&String, SocketAddr> =
            speaks.filter_map(|(name, _)| Some((name, bound(name)?))).collect();
        let close: Vec<String> = self
            .open
            .iter()
            .filter(|(name, at)| wanted.get(name) != Some(at))
            .map(|(n, _)| n.clone())
            .collect();
        let mut open = Vec::new();
        for (name, address) in &wanted {
            if self.open.get(*name) == Some(address) {
                continue;
            }
            let is_ours =
                || self.open.values().any(|known| known == address) || self.before.contains(address);
            let socket = match listen::quic(*address) {
                Ok(socket) => Some(socket),
                Err(error) if error.source.kind() == ErrorKind::AddrInUse && is_ours() => None,
                Err(source) => return Err(ApplyError::Listen { name: (*name).clone(), source }),
            };
            let listener = (*name).clone();
            let accepts = Accepts::Quic { address: *address, listener, socket };
            open.push((self.count + open.len(), NewListener { name: key(name), accepts }));
        }
        self.count += open.len();
        self.before.extend(close.iter().filter_map(|name| self.open.get(name)));
        self.open = wanted.into_iter().map(|(name, at)| (name.clone(), at)).collect();
        Ok(QuicChange { close: close.iter().map(|name| key(name)).collect(), open })
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.open.clear();
    }
}

/// How a worker calls a listener's QUIC, beside its TCP.
fn key(listener: &str) -> String {
    format!("{listener} over QUIC")
}
