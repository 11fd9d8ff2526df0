//! Other registries: what happens here is passed on to them, in Eureka's own peer protocol.

mod queue;
mod sender;
mod sync;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_core::Instant;
use haechi_stream::Events;
use haechi_web::client::{Client, Url, client};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub(crate) use queue::Task;
pub(crate) use sync::sync_up;

use crate::options::Options;
use crate::shared::Shared;
use crate::view::{PeerView, shown_url};
use queue::Queue;

/// One peer.
pub(crate) struct Peer {
    /// Ends with a slash.
    base: Url,
    client: Client,
    queue: Mutex<Queue>,
    queue_limit: usize,
    wake: Notify,
    available: AtomicBool,
}

impl Peer {
    fn push(&self, task: Task, now: Instant) {
        self.queue().push(task, self.queue_limit, now);
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
    /// instances back.
    pub fn new(options: &Options, listener: Option<SocketAddr>, events: &Events) -> Self {
        let mut peers = Vec::new();
        for url in &options.peers {
            let base = with_slash(url);
            if is_own(&base, options.own_url.as_ref().map(with_slash).as_ref(), listener) {
                continue;
            }
            match client(options.peer_connect_timeout, options.peer_timeout) {
                Ok(client) => peers.push(Arc::new(Peer {
                    base,
                    client,
                    queue: Mutex::default(),
                    queue_limit: options.peer_queue,
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

/// Starts a sender for each peer.
pub(crate) fn spawn(shared: &Arc<Shared>, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let senders = shared.peers.0.iter();
    senders
        .map(|peer| tokio::spawn(sender::run(Arc::clone(shared), Arc::clone(peer), stopped.clone())))
        .collect()
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
