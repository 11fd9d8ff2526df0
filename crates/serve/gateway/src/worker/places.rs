//! How many client connections there may be, and which of them give way when there are too many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, getrlimit};

use super::Worker;

/// Of the process's descriptors, one in this many is kept for requests in flight and files: clients and idle connections
/// to services can't take it.
const RESERVED: usize = 4;

/// So much of the process's descriptors is left to idle connections to services however many clients there are. It is
/// a part of what is kept from them.
const IDLE: usize = 8;

/// When places run out, this share of a worker's waiting connections gives way at once, so that finding them
/// costs little for each.
const SHARE: usize = 64;

/// The places for client connections, shared by all workers.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicUsize,
    /// Workers that found nobody of their own who could give way.
    wanted: AtomicUsize,
    by_network: Mutex<HashMap<IpAddr, usize>>,
    /// What the process may open.
    descriptors: usize,
}

/// A network has as many connections as it may.
struct TooMany;

/// A connection's place.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) worker: Rc<Worker>,
    /// Counted for this network, when there is a bound for one.
    network: Option<IpAddr>,
    /// It is a session's of UDP, which is no connection.
    is_session: bool,
}

impl Places {
    /// None is taken yet.
    pub fn new() -> Arc<Self> {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let (taken, wanted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { taken, wanted, by_network: Mutex::default(), descriptors })
    }

    /// Client connections, as many as the process's descriptors allow.
    const fn most(&self) -> usize {
        self.descriptors - self.descriptors / RESERVED
    }

    /// Idle connections to services that a worker may keep: its share of what clients leave.
    pub fn idle_share(&self, worker: &Worker) -> usize {
        let left = self.most().saturating_sub(self.taken.load(Ordering::Relaxed));
        let most = left.max(self.descriptors / IDLE);
        most.min(worker.plan.borrow().config.limits.idle_connections) / worker.crew.count().max(1)
    }

    /// Whether every place is taken, by somebody who stays.
    pub fn is_full(&self, worker: &Worker) -> bool {
        // Those who leave do so when their tasks run. Were they counted, a batch would give way for each of many
        // connections that are accepted in one turn, and those that carry requests with them.
        let staying = self.taken.load(Ordering::Relaxed).saturating_sub(worker.deadlines.leaving());
        staying >= worker.plan.borrow().config.limits.connections.min(self.most())
    }

    fn by_network(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing panics while it holds this lock; if something did, the counts are still good.
        self.by_network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection from `address`, if it has one. Nothing when its network has as many as it may.
    pub fn take(&self, worker: &Rc<Worker>, address: Option<IpAddr>) -> Option<Place> {
        let network = self.count(worker, address).ok()?;
        let mut place = self.take_uncounted(worker);
        place.network = network;
        Some(place)
    }

    /// Counts a connection for the network of its address, which is named when there is a bound.
    fn count(&self, worker: &Worker, address: Option<IpAddr>) -> Result<Option<IpAddr>, TooMany> {
        let bound = worker.plan.borrow().config.limits.connections_per_address;
        let network = address.filter(|_| bound > 0).map(network);
        if let Some(network) = network {
            let mut counts = self.by_network();
            let count = counts.entry(network).or_default();
            if *count >= bound {
                worker.stats.limits.connections_per_address.one();
                return Err(TooMany);
            }
            *count += 1;
        }
        Ok(network)
    }

    /// Takes a place for a connection of which it is not known yet whose it is.
    pub fn take_uncounted(&self, worker: &Rc<Worker>) -> Place {
        self.taken.fetch_add(1, Ordering::Relaxed);
        worker.open.set(worker.open.get() + 1);
        worker.stats.accepted.one();
        worker.stats.connections.one();
        Place { worker: worker.clone(), network: None, is_session: false }
    }

    /// As [`Places::take`], for a session of UDP.
    pub fn take_for_session(&self, worker: &Rc<Worker>, address: IpAddr) -> Option<Place> {
        let network = self.count(worker, Some(address)).ok()?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        worker.open.set(worker.open.get() + 1);
        Some(Place { worker: worker.clone(), network, is_session: true })
    }

    /// Whether there is a place, or one is about to be: connections of this worker that wait for their client
    /// for the longest time give way. When there are none, other workers are asked.
    pub fn make_room(&self, worker: &Worker) -> bool {
        if !self.is_full(worker) {
            return true;
        }
        worker.stats.limits.connections.one();
        let room = give_way(worker) > 0;
        if !room {
            self.ask_others();
        }
        room
    }

    /// Asks other workers to let connections go.
    pub fn ask_others(&self) {
        self.wanted.store(1, Ordering::Relaxed);
    }

    /// How many sessions of UDP each worker may have: whoever invents addresses must not take more than half of the
    /// places.
    pub fn for_sessions(&self, worker: &Worker) -> usize {
        let share = self.most() / 2 / worker.crew.count().max(1);
        worker.plan.borrow().config.limits.udp_sessions.min(share.max(1))
    }

    /// Gives way when another worker asked for it.
    pub fn help(&self, worker: &Worker) {
        if self.wanted.load(Ordering::Relaxed) > 0 && worker.close_oldest_idle() + give_way(worker) > 0 {
            self.wanted.store(0, Ordering::Relaxed);
        }
    }
}

impl Place {
    /// Counts the connection for its client's address, once that is known. False when there are too many from there.
    pub fn count_for(&mut self, address: Option<IpAddr>) -> bool {
        match self.worker.places.count(&self.worker, address) {
            Ok(network) => self.network = network,
            Err(TooMany) => return false,
        }
        true
    }
}

/// Lets the connections go that wait the longest. Returns how many.
pub(super) fn give_way(worker: &Worker) -> usize {
    worker.deadlines.give_way(worker.open.get() / SHARE + 1)
}

/// What counts as one address: of IPv6 the /64 that one customer gets.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let worker = &self.worker;
        worker.places.taken.fetch_sub(1, Ordering::Relaxed);
        if let Some(network) = self.network {
            let mut counts = worker.places.by_network();
            if let Some(count) = counts.get_mut(&network) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.remove(&network);
                }
            }
        }
        worker.open.set(worker.open.get().saturating_sub(1));
        if !self.is_session {
            worker.stats.connections.less_one();
        }
        if worker.open.get() == 0 {
            worker.emptied.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn addresses_of_one_ipv6_customer_count_as_one() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
