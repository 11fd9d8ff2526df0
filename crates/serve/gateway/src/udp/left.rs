//! Sockets of listeners that were removed, as long as sessions wait for answers there: a listener that comes back to
//! their port meanwhile goes on with them. Others beside them would lose the datagrams that the kernel gives to these,
//! from which nobody reads.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use haechi_net::listen::{self, ListenError, Socket, Transport};

/// The sockets of each listener that was removed, and where they are bound. Nothing here keeps one open.
#[derive(Debug, Default)]
pub(crate) struct Left(Vec<(SocketAddr, Vec<Weak<Socket>>)>);

impl Left {
    /// These have no listener any more.
    pub fn add(&mut self, sockets: &[Arc<Socket>]) {
        if let Some(Ok(bound)) = sockets.first().map(|socket| socket.local_addr()) {
            self.0.push((bound, sockets.iter().map(Arc::downgrade).collect()));
        }
    }

    /// Those that are still open, and new ones up to one for each worker. Nothing when none is.
    pub fn again(&self, wanted: SocketAddr, workers: usize) -> Result<Option<Vec<Arc<Socket>>>, ListenError> {
        let at_it = self.0.iter().filter(|(bound, _)| *bound == wanted);
        let mut sockets: Vec<_> = at_it.flat_map(|(_, sockets)| sockets).filter_map(Weak::upgrade).collect();
        if sockets.is_empty() {
            return Ok(None);
        }
        let missing = workers.saturating_sub(sockets.len());
        let new = listen::beside(wanted, Transport::Udp, missing)?;
        sockets.extend(new.into_iter().map(Arc::new));
        Ok(Some(sockets))
    }

    /// Where sockets are still open.
    pub fn bound(&self) -> impl Iterator<Item = SocketAddr> {
        let open = |(_, sockets): &&(_, Vec<Weak<Socket>>)| sockets.iter().any(|one| one.strong_count() > 0);
        self.0.iter().filter(open).map(|(bound, _)| *bound)
    }

    /// Forgets those that are closed, and those at which a listener is again.
    pub fn forget(&mut self, has_listener: impl Fn(SocketAddr) -> bool) {
        self.0.retain(|(bound, sockets)| {
            !has_listener(*bound) && sockets.iter().any(|socket| socket.strong_count() > 0)
        });
    }
}
