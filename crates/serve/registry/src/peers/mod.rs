//! Other registries: what happens here is passed on to them, in Eureka's own peer protocol.

mod queue;
mod sender;
mod sync;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haechi_core::Instant;
use haechi_stream::Events;
use haechi_web::client::{Client, Url, client};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub(crate) use queue::Task;
pub(crate) use sync::{bounded_body, copy_from, sync_up};

use crate::http::Current;
use crate::options::Options;
use crate::view::{PeerView, shown_url};
use queue::Queue;

/// One peer.
pub(crate) struct Peer {
    /// Ends with a slash.
    base: Url,
    client: Client,
    /// For connecting and for a whole exchange.
    timeouts: (Duration, Duration),
    queue: Mutex<Queue>,
    queue_limit: AtomicUsize,
    wake: Notify,
    available: AtomicBool,
}

impl Peer {
    fn push(&self, task: Task, now: Instant) {
        self.queue().push(task, self.queue_limit.load(Ordering::Relaxed), now);
        self.wake.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All peers; usually none.
#[derive(Default)]
pub(crate) struct Peers(Vec<Arc<Peer>>);

impl Peers {
    /// The peers of the options, without this registry itself: peering with oneself brings cancelled
    /// instances back. One that was a peer before keeps what waits for it.
    pub fn new(options: &Options, listener: Option<SocketAddr>, events: &Events, before: &Self) -> Self {
        let mut peers = Vec::new();
        let timeouts = (options.peer_connect_timeout, options.peer_timeout);
        for url in &options.peers {
            let base = with_slash(url);
            if is_own(&base, options.own_url.as_ref().map(with_slash).as_ref(), listener) {
                continue;
            }
            let known = before.0.iter().find(|peer| peer.base == base && peer.timeouts == timeouts);
            if let Some(peer) = known {
                peer.queue_limit.store(options.peer_queue, Ordering::Relaxed);
                peers.push(Arc::clone(peer));
                continue;
            }
            match client(timeouts.0, timeouts.1) {
                Ok(client) => peers.push(Arc::new(Peer {
                    base,
                    client,
                    timeouts,
                    queue: Mutex::default(),
                    queue_limit: AtomicUsize::new(options.peer_queue),
                    wake: Notify::new(),
                    available: AtomicBool::new(false),
                })),
                Err(error) => {
                    events.say("registry", format!("no client for the peer {}: {error}", shown_url(&base)));
                }
            }
        }
        Self(peers)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes something on to every peer. Never waits.
    pub fn pass_on(&self, now: Instant, task: impl Fn() -> Task) {
        for peer in &self.0 {
            peer.push(task(), now);
        }
    }

    pub fn views(&self) -> Vec<PeerView> {
        let view = |peer: &Arc<Peer>| PeerView {
            url: shown_url(&peer.base),
            available: peer.available.load(Ordering::Relaxed),
            pending: peer.queue().len(),
        };
        self.0.iter().map(view).collect()
    }
}

/// The tasks that send to peers.
#[derive(Default)]
pub(crate) struct Senders(Vec<(Arc<Peer>, watch::Sender<bool>, JoinHandle<()>)>);

impl Senders {
    /// Starts senders for new peers, ends those of peers that are none any more, and answers the new ones. What
    /// waits for a peer that goes is still sent, if it takes it.
    pub fn follow(&mut self, current: &Arc<Current>) -> Vec<Arc<Peer>> {
        let wanted = &current.shared().peers.0;
        self.0.retain(|(peer, stop, _)| {
            let stays = wanted.iter().any(|wanted| Arc::ptr_eq(wanted, peer));
            if !stays {
                stop.send_replace(true);
            }
            stays
        });
        let is_new = |peer: &&Arc<Peer>| !self.0.iter().any(|(known, ..)| Arc::ptr_eq(known, peer));
        let new: Vec<_> = wanted.iter().filter(is_new).cloned().collect();
        for peer in &new {
            let (stop, stopped) = watch::channel(false);
            let task = tokio::spawn(sender::run(Arc::clone(current), Arc::clone(peer), stopped));
            self.0.push((Arc::clone(peer), stop, task));
        }
        new
    }

    /// Sends what waits, as far as the peers take it, and ends.
    pub async fn stop(self) {
        for (_, stop, _) in &self.0 {
            stop.send_replace(true);
        }
        for (.., task) in self.0 {
            // A task that panicked has nothing left to finish.
            let _ = task.await;
        }
    }
}

fn with_slash(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

/// Whether an address is this registry's own: it is configured so, or it names the port that we listen on at
/// an address of this machine that reaches it.
fn is_own(url: &Url, own: Option<&Url>, listener: Option<SocketAddr>) -> bool {
    if own == Some(url) {
        return true;
    }
    let (Some(listener), Some(host)) = (listener, url.host_str()) else { return false };
    if url.port_or_known_default() != Some(listener.port()) {
        return false;
    }
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip == listener.ip() || (listener.ip().is_unspecified() && ip.is_loopback()),
        Err(_) => {
            host.eq_ignore_ascii_case("localhost")
                && (listener.ip().is_loopback() || listener.ip().is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_address_is_no_peer() {
        let url = |text: &str| with_slash(&text.parse().unwrap());
        let own = url("http://registry-1:8761/eureka");
        let any: SocketAddr = "0.0.0.0:8761".parse().unwrap();
        let one: SocketAddr = "127.0.0.1:8761".parse().unwrap();
        for (peer, listener, is) in [
            ("http://registry-1:8761/eureka/", any, true),
            ("http://registry-2:8761/eureka/", any, false),
            ("http://localhost:8761/eureka/", any, true),
            ("http://127.0.0.1:8761/eureka/", any, true),
            ("http://127.0.0.1:8761/eureka/", one, true),
            ("http://[::1]:8761/eureka/", one, false),
            ("http://localhost:8762/eureka/", one, false),
            ("http://10.0.0.1:8761/eureka/", any, false),
        ] {
            assert_eq!(is_own(&url(peer), Some(&own), Some(listener)), is, "{peer} at {listener}");
        }
    }
}
