//! A listener's QUIC: one socket on one worker, handshakes within their limits.
//!
//! One socket, because the kernel knows a connection by its client's address alone: spread over sockets, a client
//! whose address changes would end up where nobody knows it.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use haechi_http::h3::code;
use haechi_net::listen;
use haechi_net::proxy_protocol::Addresses;
use haechi_tls::{ServerState, Session};
use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::rustls::pki_types::CertificateDer;
use quinn::{
    Connection, ConnectionError, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use tokio::task::spawn_local;

use super::serve::serve;
use crate::added;
use crate::plan::Plan;
use crate::prepare::{ClientFacts, HttpVersion};
use crate::worker::{Accepting, Deadline, Worker};

/// How often a port is tried that a connection of before still uses.
const TAKEN: Duration = Duration::from_millis(200);

/// A client that is silent for so long is gone. It is asked before.
const GONE: Duration = Duration::from_secs(30);
const ASK: Duration = Duration::from_secs(10);

/// Streams that carry no request, of one client at once. It needs three.
const UNIDIRECTIONAL: u32 = 8;

/// Beyond this share of the handshakes that may be under way, clients first show that they are where they say.
const RETRY_SHARE: usize = 4;

/// First packets that wait for this thread, and their bytes.
const WAITING: usize = 1024;
const WAITING_BYTES: u64 = 16 << 20;

/// Accepts until told to stop, then lets the connections end. Without a socket the port is still used by
/// connections of before, and waited for.
pub(crate) async fn accept(
    socket: Option<UdpSocket>,
    address: SocketAddr,
    listener: String,
    worker: Rc<Worker>,
    own: Rc<Accepting>,
) {
    let socket = tokio::select! {
        socket = opened(socket, address, &listener) => socket,
        () = own.stopped() => return,
    };
    let listening = Listening { listener, address, closing: Rc::default(), worker };
    match listening.open(socket) {
        Ok((endpoint, base)) => listening.run(&endpoint, base, &own).await,
        Err(error) => tracing::error!(%error, listener = listening.listener, "can't serve HTTP/3"),
    }
}

async fn opened(socket: Option<UdpSocket>, address: SocketAddr, listener: &str) -> UdpSocket {
    if let Some(socket) = socket {
        return socket;
    }
    let mut told = false;
    loop {
        match listen::quic(address) {
            Ok(socket) => return socket,
            Err(error) if !told => {
                told = true;
                tracing::warn!(%error, listener, "HTTP/3 waits for its port");
            }
            Err(_) => {}
        }
        tokio::time::sleep(TAKEN).await;
    }
}

struct Listening {
    listener: String,
    address: SocketAddr,
    /// Whether the connections are to end.
    closing: Rc<Cell<bool>>,
    worker: Rc<Worker>,
}

/// What handshakes use, made anew when a certificate or a limit changes.
struct Current {
    state: Arc<ServerState>,
    plan: Rc<Plan>,
    /// Nothing while the CAs of client certificates can't be read.
    config: Option<(Arc<ServerConfig>, bool)>,
}

impl Listening {
    fn open(&self, socket: UdpSocket) -> io::Result<(Endpoint, ServerConfig)> {
        let plan = self.worker.plan.borrow().clone();
        let tls = plan.tls.listener(&self.listener).ok_or_else(|| io::Error::other("it has no TLS"))?;
        let tls = QuicServerConfig::try_from(tls.state().quic_to_open(b"h3")).map_err(io::Error::other)?;
        let mut base = ServerConfig::with_crypto(Arc::new(tls));
        base.max_incoming(WAITING).incoming_buffer_size_total(WAITING_BYTES);
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(base.clone()), socket, runtime)?;
        Ok((endpoint, base))
    }

    fn current(&self, plan: &Rc<Plan>, base: &ServerConfig) -> Option<Current> {
        let state = plan.tls.listener(&self.listener)?.state();
        let config = state.quic(b"h3").and_then(|(tls, asks)| {
            // With the keys of the tokens that it gave out.
            let mut config = base.clone();
            config.crypto = Arc::new(QuicServerConfig::try_from(tls).ok()?);
            config.transport_config(Arc::new(transport(plan)));
            Some((Arc::new(config), asks))
        });
        Some(Current { state, plan: plan.clone(), config })
    }

    async fn run(&self, endpoint: &Endpoint, base: ServerConfig, own: &Accepting) {
        let mut current: Option<Current> = None;
        loop {
            let incoming = tokio::select! {
                incoming = endpoint.accept() => incoming,
                () = own.stopped() => break,
            };
            let Some(incoming) = incoming else { break };
            let plan = self.worker.plan.borrow().clone();
            let is_fresh = current.as_ref().is_some_and(|current| {
                let state = plan.tls.listener(&self.listener).map(|tls| tls.state());
                Rc::ptr_eq(&current.plan, &plan)
                    && state.is_some_and(|state| Arc::ptr_eq(&state, &current.state))
            });
            if !is_fresh {
                current = self.current(&plan, &base);
            }
            let current = current.as_ref();
            let usable = current.and_then(|current| Some((current, current.config.clone()?)));
            if let Some((current, (config, asks))) = usable {
                self.admit(incoming, current, config, asks);
            } else {
                self.worker.stats.tls.failed("no_trust");
                incoming.refuse();
            }
        }
        self.closing.set(true);
        self.worker.deadlines.wake_all();
        // While connections end, the port still answers: a client that is refused at once goes by TCP.
        let mut idle = pin!(endpoint.wait_idle());
        loop {
            tokio::select! {
                () = &mut idle => return,
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => incoming.refuse(),
                    None => return,
                },
            }
        }
    }

    /// Shakes hands with a client, unless there are too many of them.
    fn admit(&self, incoming: Incoming, current: &Current, config: Arc<ServerConfig>, asks: bool) {
        let worker = &self.worker;
        let limits = &current.plan.config.limits;
        let under_way = worker.stats.tls.under_way.get() as usize;
        if under_way >= limits.handshakes {
            worker.stats.limits.handshakes.one();
            return incoming.refuse();
        }
        let many = under_way >= limits.handshakes / RETRY_SHARE;
        if many && !incoming.remote_address_validated() && incoming.may_retry() {
            worker.stats.http3.retries.one();
            // It may: that was asked.
            return drop(incoming.retry());
        }
        if !worker.places.make_room(worker) {
            return incoming.refuse();
        }
        let hand = Handshake {
            worker: worker.clone(),
            state: current.state.clone(),
            asks,
            address: self.address,
            within: limits.handshake_timeout,
            listener: self.listener.clone(),
            closing: self.closing.clone(),
        };
        spawn_local(hand.shake(incoming, config));
    }
}

/// How QUIC is spoken.
fn transport(plan: &Plan) -> TransportConfig {
    let limits = &plan.config.limits;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits.http3_streams.into())
        .max_concurrent_uni_streams(UNIDIRECTIONAL.into())
        .stream_receive_window(limits.http3_window.into())
        .receive_window(limits.http3_connection_window.into())
        .send_window(limits.http3_connection_window.into())
        // Nothing is done with datagrams.
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(VarInt::try_from(GONE.as_millis()).ok().map(Into::into))
        .keep_alive_interval(Some(ASK));
    transport
}

/// A handshake under way.
struct Handshake {
    worker: Rc<Worker>,
    state: Arc<ServerState>,
    asks: bool,
    address: SocketAddr,
    within: Duration,
    listener: String,
    closing: Rc<Cell<bool>>,
}

impl Handshake {
    async fn shake(self, incoming: Incoming, config: Arc<ServerConfig>) {
        let worker = self.worker.clone();
        let deadline = worker.deadlines.register();
        deadline.set(worker.now() + self.within);
        worker.stats.tls.under_way.one();
        let done = within(incoming, config, &deadline).await;
        worker.stats.tls.under_way.less_one();
        match done {
            Some(Ok(connection)) => {
                worker.stats.tls.done(true, false);
                self.served(connection, deadline).await;
            }
            Some(Err(error)) => {
                let reason = match error {
                    ConnectionError::TransportError(_) | ConnectionError::VersionMismatch => "protocol",
                    ConnectionError::ConnectionClosed(_) => "alert",
                    ConnectionError::TimedOut => "timeout",
                    _ => "closed",
                };
                worker.stats.tls.failed(reason);
                tracing::debug!(reason, why = %error, "no QUIC handshake");
            }
            None => {
                worker.stats.limits.handshake_timeout.one();
                worker.stats.tls.failed("timeout");
            }
        }
    }

    /// The client is where it says, so it takes a place now.
    async fn served(self, connection: Connection, deadline: Deadline) {
        let ip = connection.remote_address().ip().to_canonical();
        let Some(place) = self.worker.places.take(&self.worker, Some(ip)) else {
            return connection.close(super::code(code::EXCESSIVE_LOAD), b"");
        };
        let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let chain = connection.peer_identity().and_then(certificates);
        let session = Session::of_quic(
            self.state,
            data.as_ref().and_then(|data| data.server_name.as_deref()),
            self.asks,
            chain.as_ref().and_then(|chain| chain.first()),
        );
        let between = Addresses {
            source: SocketAddr::new(ip, connection.remote_address().port()),
            destination: SocketAddr::new(
                connection.local_ip().unwrap_or(self.address.ip()).to_canonical(),
                self.address.port(),
            ),
        };
        let port = self.address.port().to_string();
        let plan = self.worker.plan.borrow().clone();
        let config = plan.config.listeners.get(&self.listener);
        let lines = config.map(|config| added::lines(config, HttpVersion::Http3, &port));
        drop(plan);
        let facts = ClientFacts {
            ip: ip.to_string(),
            port,
            scheme: "https",
            protocol: HttpVersion::Http3,
            tls: Some(Rc::new(session)),
            redirect_to_https: None,
            added: lines.unwrap_or_default(),
            addresses: Some(Box::new(between)),
        };
        tracing::trace!(listener = self.listener, client = facts.ip, "a connection of HTTP/3");
        let counts = &self.worker.stats.http3;
        counts.accepted.one();
        counts.connections.one();
        serve(connection, facts, deadline, self.worker.clone(), self.closing).await;
        counts.connections.less_one();
        drop(place);
    }
}

fn certificates(identity: Box<dyn Any>) -> Option<Vec<CertificateDer<'static>>> {
    identity.downcast().ok().map(|chain| *chain)
}

async fn within(
    incoming: Incoming,
    config: Arc<ServerConfig>,
    deadline: &Deadline,
) -> Option<Result<Connection, ConnectionError>> {
    let connecting = match incoming.accept_with(config) {
        Ok(connecting) => connecting,
        Err(error) => return Some(Err(error)),
    };
    let mut connecting = pin!(connecting);
    poll_fn(|cx| match connecting.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => deadline.poll(cx).map(|()| None),
    })
    .await
}
