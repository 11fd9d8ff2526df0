//! Accepting connections.

use std::cell::{Ref, RefCell};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_route::config::ListenerProtocol;
use haechi_tls::ServerTls;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::crew::hand_over;
use super::handshake::{NoConn, shake_hands};
use super::places::{Place, give_way};
use super::proxy_header::{asks, take_header};
use super::queue::{Peer, Queue};
use super::{Deadline, Worker, is_shortage};
use crate::added::{self, Lines};
use crate::client::Client;
use crate::conn::Conn;
use crate::failure::Failure;
use crate::h2;
use crate::layer4::{self, Entrance};
use crate::outbox::Outbox;
use crate::plan::Applied;
use crate::prepare::{ClientFacts, HttpVersion};
use crate::stream::Stream;
use crate::way;

/// How long accepting pauses when there is no place and nobody gives way. Short enough that nobody notices, long enough not
/// to spin.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// The address of a client that has none, at a Unix socket (RFC 7239 §6.2). It keeps its place in X-Forwarded-For: a
/// service that counts proxies from the end must not take for an address what the client wrote itself.
const UNKNOWN: &str = "unknown";

/// A socket that is accepted or received from.
#[derive(Debug)]
pub(crate) struct Accepting {
    /// Of its listener now: another one may take over the socket.
    name: RefCell<String>,
    /// What ran when it was told to stop: that knows the listener.
    last: RefCell<Option<Arc<Applied>>>,
    stop: Notify,
}

impl Accepting {
    pub fn new(name: &str) -> Rc<Self> {
        let (name, last) = (RefCell::new(name.to_owned()), RefCell::default());
        Rc::new(Self { name, last, stop: Notify::new() })
    }

    /// From now on its connections are of this listener.
    pub fn rename(&self, name: &str) {
        name.clone_into(&mut self.name.borrow_mut());
    }

    /// Accepts nothing more than what waits already. That is served as the listener was until now.
    pub fn close(&self, worker: &Worker) {
        *self.last.borrow_mut() = Some(worker.plan.borrow().applied.clone());
        self.stop.notify_one();
    }

    /// Waits until nothing more is to be accepted.
    pub async fn stopped(&self) {
        self.stop.notified().await;
    }

    /// The socket of another worker's listener, as that one knows it.
    pub fn elsewhere(name: String, applied: Arc<Applied>) -> Rc<Self> {
        let (name, last) = (RefCell::new(name), RefCell::new(Some(applied)));
        Rc::new(Self { name, last, stop: Notify::new() })
    }

    /// The listener's name now.
    pub fn name(&self) -> Ref<'_, str> {
        Ref::map(self.name.borrow(), String::as_str)
    }

    /// The listener's name now, and what knows it.
    pub fn known(&self, worker: &Worker) -> (String, Arc<Applied>) {
        (self.name.borrow().clone(), self.applied(worker))
    }

    /// By what its connections are served.
    fn applied(&self, worker: &Worker) -> Arc<Applied> {
        self.last.borrow().clone().unwrap_or_else(|| worker.plan.borrow().applied.clone())
    }
}

/// Accepts until told to stop, then takes what the kernel accepted already: closing would reset it.
pub(super) async fn accept(queue: Queue, own: Rc<Accepting>, worker: Rc<Worker>) {
    let port = queue.port();
    let mut stopping = false;
    let mut failing = false;
    loop {
        let accepted = if stopping {
            match queue.accept_waiting() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                accepted => accepted,
            }
        } else {
            tokio::select! {
                accepted = queue.accept() => accepted,
                () = own.stop.notified() => {
                    stopping = true;
                    continue;
                }
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                let kept = if stopping { Some(stream) } else { hand_over(stream, peer, &own, port, &worker) };
                if let Some(stream) = kept {
                    welcome(stream, peer, port, &own, &worker).await;
                }
            }
            // The connection was gone before it was taken.
            Err(error) if is_of_one_connection(&error) => {}
            // What waits in a queue that can't be read can't be had by waiting either.
            Err(error) if stopping && !is_shortage(&error) => {
                tracing::warn!(%error, "can't take what waits at a listener that closes");
                return;
            }
            Err(error) => {
                if !failing {
                    failing = true;
                    tracing::warn!(%error, "can't accept connections; idle ones are closed until it works again");
                }
                worker.stats.limits.descriptors.one();
                if is_shortage(&error) {
                    worker.make_room_for_descriptors().await;
                } else {
                    give_way(&worker);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Begins to serve a connection once there is a place for it. While every connection is busy with a request, the next
/// ones wait in the kernel.
pub(super) async fn welcome(
    stream: Stream,
    peer: Peer,
    port: Option<u16>,
    own: &Rc<Accepting>,
    worker: &Rc<Worker>,
) {
    while !worker.places.make_room(worker) {
        tokio::time::sleep(PAUSE).await;
    }
    let ip = peer.map(|peer| peer.ip().to_canonical());
    if is_proxy(own, worker, ip) {
        start_proxied(stream, peer, port, worker, own);
    } else if let Some(place) = worker.places.take(worker, ip) {
        start(stream, facts(ip, port), place, own);
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// What is known of a client before it said anything.
fn facts(ip: Option<IpAddr>, port: Option<u16>) -> ClientFacts {
    ClientFacts {
        ip: ip.map_or_else(|| UNKNOWN.to_owned(), |ip| ip.to_string()),
        port: port.map(|port| port.to_string()).unwrap_or_default(),
        scheme: "http",
        protocol: HttpVersion::Http1,
        tls: None,
        redirect_to_https: None,
        added: Lines::default(),
        addresses: None,
    }
}

/// Whether connections from this address to this listener begin with a header of the PROXY protocol.
fn is_proxy(own: &Accepting, worker: &Worker, ip: Option<IpAddr>) -> bool {
    let plan = own.applied(worker);
    let config = plan.config.listeners.get(&*own.name.borrow());
    config.and_then(|config| config.proxy_protocol.as_ref()).is_some_and(|from| from.expects(ip))
}

/// Begins with the header of a proxy, then goes on as for the client that it names.
fn start_proxied(stream: Stream, peer: Peer, port: Option<u16>, worker: &Rc<Worker>, own: &Rc<Accepting>) {
    let mut place = worker.places.take_uncounted(worker);
    let (worker, own) = (worker.clone(), own.clone());
    let deadline = waiting(&worker);
    tokio::task::spawn_local(async move {
        let Some(said) = take_header(stream.plain(), peer, &deadline, &worker).await else { return };
        let addresses = asks(said);
        let ip = addresses.map(|of| of.source).or(peer).map(|peer| peer.ip().to_canonical());
        if place.count_for(ip) {
            let port = addresses.map(|of| of.destination.port()).or(port);
            let facts = ClientFacts { addresses: addresses.map(Box::new), ..facts(ip, port) };
            start(stream, facts, place, &own);
        }
    });
}

fn start(stream: Stream, mut facts: ClientFacts, place: Place, own: &Accepting) {
    let plan = own.applied(&place.worker);
    let listener = &*own.name.borrow();
    let protocol = plan.config.listeners.get(listener).map(|config| config.protocol);
    if matches!(protocol, Some(ListenerProtocol::Layer4(_))) {
        let entrance = place.worker.plan.borrow().layer4.entrance(listener).cloned();
        let entrance = entrance.filter(|entrance| protocol == Some(ListenerProtocol::Layer4(entrance.kind)));
        // There is none when the name is another listener's by now, of another kind.
        if let Some(entrance) = entrance {
            start_layer4(stream, facts, place, listener, entrance);
        }
        return;
    }
    if let Some(tls) = plan.tls.listener(listener) {
        return match stream {
            Stream::Tcp(stream) => {
                if let Some(config) = plan.config.listeners.get(listener) {
                    facts.added = added::lines(config, facts.protocol, &facts.port);
                }
                start_tls(stream, facts, place, tls.clone());
            }
            // No configuration has TLS at a Unix socket.
            Stream::Unix(_) => {}
        };
    }
    let config = plan.config.listeners.get(listener);
    let http2 = config.is_some_and(|config| config.http2);
    facts.redirect_to_https = config.and_then(|config| config.redirect_to_https);
    let Ok(conn) = stream.into_conn() else { return };
    let deadline = waiting(&place.worker);
    tokio::task::spawn_local(async move {
        let worker = place.worker.clone();
        if deadline.gave_way() {
            return;
        }
        way::serve(client(conn, facts, deadline, http2), worker).await;
        drop(place);
    });
}

/// What is passed on unread.
fn start_layer4(stream: Stream, facts: ClientFacts, place: Place, listener: &str, entrance: Rc<Entrance>) {
    let deadline = waiting(&place.worker);
    let listener = listener.to_owned();
    tokio::task::spawn_local(async move {
        if deadline.gave_way() {
            return;
        }
        layer4::serve(stream, &facts, &listener, entrance, deadline, &place.worker).await;
        drop(place);
    });
}

/// The deadline of a new connection. It may have to give way before its task first runs: many are accepted at once.
fn waiting(worker: &Worker) -> Deadline {
    let deadline = worker.deadlines.register();
    let now = worker.now();
    deadline.set_waiting(now + worker.plan.borrow().config.limits.head_timeout, now);
    deadline
}

fn start_tls(stream: TcpStream, mut facts: ClientFacts, place: Place, tls: Arc<ServerTls>) {
    let deadline = waiting(&place.worker);
    tokio::task::spawn_local(async move {
        let worker = place.worker.clone();
        if deadline.gave_way() {
            return;
        }
        // Boxed, so that a connection which stays idle doesn't carry the room for it.
        let done = Box::pin(shake_hands(stream, &tls, &deadline, &worker)).await;
        // Certificates that this connection doesn't need any more may go.
        drop(tls);
        match done {
            Ok((conn, session)) => {
                let http2 = session.protocol.as_deref() == Some(b"h2");
                facts.scheme = "https";
                facts.tls = Some(Rc::new(session));
                if http2 {
                    Box::pin(h2::serve(conn, Vec::new(), Rc::new(facts), deadline, worker)).await;
                } else {
                    way::serve(client(conn, facts, deadline, false), worker).await;
                }
            }
            Err(NoConn::PlainHttp(stream)) => {
                let client = client(Conn::Tcp(stream), facts, deadline, false);
                Box::pin(way::tell(client, Failure::PlainHttpToTls, &worker)).await;
            }
            Err(NoConn::Closed) => {}
        }
        drop(place);
    });
}

fn client(conn: Conn, facts: ClientFacts, deadline: Deadline, may_open_http2: bool) -> Client {
    let (pending, outbox) = (Vec::new(), Outbox::default());
    Client { conn, pending, outbox, deadline, facts: Rc::new(facts), may_open_http2, served: false }
}
