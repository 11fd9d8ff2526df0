//! All sessions of a worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::session::Session;
use super::stats::End;
use crate::worker::Worker;

/// When there are too many, this share of them gives way at once, so that finding them costs little for each.
const SHARE: usize = 64;

/// What tells sessions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The listener's socket.
    pub port: u64,
    pub client: SocketAddr,
    /// The address of ours that the client sends to, where there are several: answers leave from there.
    pub asked: Option<IpAddr>,
}

/// The sessions of all listeners.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// Clients choose the keys, so the hash must be one that they can't foresee, as the standard one is.
    by_client: RefCell<HashMap<Key, Rc<Session>>>,
    ports: Cell<u64>,
}

impl Sessions {
    /// A number for a listener's socket.
    pub(super) fn next_port(&self) -> u64 {
        self.ports.set(self.ports.get() + 1);
        self.ports.get()
    }

    /// A client's session.
    pub(super) fn find(&self, key: &Key) -> Option<Rc<Session>> {
        self.by_client.borrow().get(key).cloned()
    }

    pub(super) fn insert(&self, session: Rc<Session>) {
        self.by_client.borrow_mut().insert(session.key, session);
    }

    pub(super) fn remove(&self, key: &Key) {
        self.by_client.borrow_mut().remove(key);
    }

    /// Whether there may be one more. Those that were quiet for the longest time end for it.
    pub(super) fn make_room(&self, worker: &Worker) -> bool {
        let most = worker.places.for_sessions(worker);
        let count = self.by_client.borrow().len();
        if count < most && !worker.places.is_full(worker) {
            return true;
        }
        worker.stats.limits.udp_sessions.one();
        let mut all: Vec<Rc<Session>> = self.by_client.borrow().values().cloned().collect();
        let leaving = (count.saturating_sub(most) + count / SHARE + 1).min(count);
        if leaving < all.len() {
            all.select_nth_unstable_by_key(leaving, |session| session.quiet_since());
        }
        for session in &all[..leaving] {
            session.end(End::GaveWay, worker);
        }
        leaving > 0
    }

    /// Lets the sessions of a listener's socket end, which receives no more.
    pub(super) fn leave(&self, port: u64, worker: &Worker) {
        for session in self.by_client.borrow().values().filter(|session| session.key.port == port) {
            session.leave(worker);
        }
    }
}
