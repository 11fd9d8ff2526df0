//! The lowered configuration of the gateway: values that can't be wrong, compared with `==`.
//!
//! `haechi-model` lowers the YAML file into these, `haechi-zuul` lowers Zuul's properties into these, and
//! the gateway runs them. A reload is the difference between two [`GatewayConfig`]s.

mod layer4;
mod proxy;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use haechi_content::{Coding, Compress};
use haechi_core::{Address, RouteName, ServiceName};

pub use crate::action::{Action, Asked, Files, Redirect, RedirectPath, Respond, Scheme, Symlinks};
pub use layer4::{Layer4, Layer4Route, ListenerProtocol};
pub use proxy::{BadNetwork, Network, ProxyFrom, ProxyVersion};
pub use tls::{
    Acme, Certificate, Challenge, ClientCertificates, Hsts, ServiceTls, Tls, TlsVersion, UnknownName,
};

/// Everything the gateway does, at one generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatewayConfig {
    /// Threads that serve; 0 is one per core. Fixed at the start.
    pub workers: usize,
    /// Where it accepts, by name.
    pub listeners: BTreeMap<String, Listener>,
    /// What it does with a request. Order has no meaning: the most specific match wins.
    pub routes: Vec<Route>,
    /// Where connections and datagrams go that are passed on unread.
    pub layer4: Vec<Layer4Route>,
    /// Where requests go, by name as routes use it.
    pub services: BTreeMap<ServiceName, Service>,
    /// Where each request's line goes.
    pub access_log: Option<AccessLog>,
    /// Bounds on what a client may do.
    pub limits: Limits,
}

/// A socket that the gateway accepts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where. Port 0 lets the system choose (tests).
    pub listen: Address,
    /// Permissions of a Unix socket's file: who may connect.
    pub mode: u32,
    /// What it takes. All that follows is HTTP's.
    pub protocol: ListenerProtocol,
    /// Whether clients may speak HTTP/2.
    pub http2: bool,
    /// Speaks HTTP/3 too, over UDP on the same port. Only with TLS.
    pub http3: Option<Http3>,
    /// Speaks TLS.
    pub tls: Option<Tls>,
    /// Answers every request with a redirect to https on this port.
    pub redirect_to_https: Option<u16>,
    /// Whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Option<ProxyFrom>,
}

impl Listener {
    /// Owner and group may connect to a Unix socket, unless the file says otherwise.
    pub const MODE: u32 = 0o660;

    /// Plain HTTP at an address, and HTTP/2 for clients that know it beforehand.
    pub const fn plain(listen: SocketAddr) -> Self {
        Self {
            listen: Address::Tcp(listen),
            mode: Self::MODE,
            protocol: ListenerProtocol::Http,
            http2: true,
            http3: None,
            tls: None,
            redirect_to_https: None,
            proxy_protocol: None,
        }
    }
}

/// HTTP/3, as answers over TCP announce it (Alt-Svc, RFC 7838).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http3 {
    /// The port that clients reach it at. Nothing is the listener's own.
    pub port: Option<u16>,
    /// How long clients remember it.
    pub max_age: Duration,
}

impl Default for Http3 {
    fn default() -> Self {
        Self { port: None, max_age: Duration::from_secs(24 * 60 * 60) }
    }
}

/// A route: what it matches, what is changed, where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Unique name.
    pub name: RouteName,
    /// What a request must be for this route.
    pub matches: Match,
    /// Beats specificity: the higher one wins. 0 unless an import needs another system's order.
    pub priority: i32,
    /// Changes and checks on the way, in order.
    pub filters: Vec<Filter>,
    /// Where matched requests go.
    pub action: Action,
    /// Bounds in time.
    pub timeouts: Timeouts,
    /// What may be tried again.
    pub retry: Retry,
}

impl Route {
    /// The services that it may send requests to.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        match &self.action {
            Action::Service(name) => Some(name),
            Action::Respond(_) | Action::Redirect(_) | Action::Files(_) => None,
        }
        .into_iter()
    }
}

/// All of these must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// Host without port, lower case; `*.example.com` matches one or more labels in front.
    pub host: Option<HostPattern>,
    /// Path; nothing matches every path.
    pub path: Option<PathPattern>,
    /// One of these methods; empty is any.
    pub methods: Vec<String>,
    /// Every one of these headers.
    pub headers: Vec<ValueMatch>,
    /// Every one of these query parameters.
    pub query: Vec<ValueMatch>,
}

/// A host to match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// Any host that ends with this, the dot included: `.example.com`.
    Suffix(String),
}

/// A path to match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathPattern {
    /// This path and no other.
    Exact(String),
    /// This path and all below it, whole segments: `/a` matches `/a` and `/a/b`, not `/ab`. No slash at the end.
    Prefix(String),
    /// Ant's patterns: `?` one character, `*` within a segment, `**` any number of segments.
    Pattern(String),
}

/// A header or query parameter to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueMatch {
    /// Its name; header names are lower case.
    pub name: String,
    /// What it must be.
    pub value: ValuePattern,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValuePattern {
    /// Present, whatever it is.
    Present,
    /// Not present.
    Absent,
    /// Exactly this.
    Exact(String),
    /// Starts with this.
    Prefix(String),
}

/// One change or check on a request or response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Take this off the front of the path; what is left starts with `/`.
    StripPrefix(String),
    /// Put `to` in place of the prefix `from`.
    RewritePrefix {
        /// What the path starts with.
        from: String,
        /// What it starts with afterwards.
        to: String,
    },
    /// Put this in place of the whole path; the query stays.
    RewritePath(String),
    /// Put this in place of the Host that the service sees.
    RewriteHost(String),
    /// Keep the client's Host. Without it and without `RewriteHost` the service sees its endpoint's authority.
    KeepHost,
    /// Set a request header (replaces it).
    SetRequestHeader(String, String),
    /// Remove a request header.
    RemoveRequestHeader(String),
    /// Set a response header (replaces it).
    SetResponseHeader(String, String),
    /// Remove a response header.
    RemoveResponseHeader(String),
    /// Don't send `X-Forwarded-*`, `Forwarded` and `Via` to the service.
    NoForwardedHeaders,
    /// Tell the service which prefix was stripped, as Zuul does (`X-Forwarded-Prefix`).
    ForwardedPrefix,
    /// Compress what the service answers, for clients that take it.
    Compress(Compress),
}

/// Bounds in time for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be made.
    pub connect: Duration,
    /// From the request being sent to the first byte of the answer.
    pub first_byte: Duration,
    /// Without a byte moving in either direction while a body is under way.
    pub idle: Duration,
    /// From the request's head to the answer's end, retries included; zero is no bound.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            first_byte: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            request: Duration::ZERO,
        }
    }
}

/// What may be tried again on another endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts: u8,
    /// Also retry idempotent methods after bytes were sent (GET, HEAD, OPTIONS, TRACE, PUT, DELETE:
    /// RFC 9110 §9.2.2). Without it only what no service can have accepted is tried again.
    pub idempotent: bool,
    /// Answers of an idempotent method that are tried again, for example 502 and 503. Empty is none.
    pub statuses: Vec<u16>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 2, idempotent: true, statuses: Vec::new() }
    }
}

/// A set of endpoints and how one is picked.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Where its endpoints come from.
    pub endpoints: Endpoints,
    /// How one is picked.
    pub balance: Balance,
    /// When one is left out for a while.
    pub ejection: Ejection,
    /// Tokens for retries.
    pub retry_budget: RetryBudget,
    /// Bounds on connections.
    pub connections: Connections,
    /// What it speaks.
    pub protocol: Protocol,
    /// Spoken to over TLS.
    pub tls: Option<ServiceTls>,
    /// Told by the PROXY protocol who asks. A connection then carries one client's request and no other's.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, over TLS too: every service speaks it, and it carries every upgrade.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, known beforehand.
    Http2,
}

/// Where endpoints come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// These.
    Static(Vec<StaticEndpoint>),
    /// Every address of this name, resolved again by its TTL while serving.
    Dns {
        /// Name to resolve.
        host: String,
        /// Port of every address.
        port: u16,
    },
    /// Instances of this service in the registry's stream.
    Registry(ServiceName),
}

/// One endpoint written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticEndpoint {
    /// Where.
    pub address: Address,
    /// Share relative to its peers; 100 is usual.
    pub weight: u16,
}

/// How an endpoint is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The better of two drawn at random, by requests in flight and latency, over weight.
    #[default]
    P2c,
    /// In turn, by weight, smoothly interleaved.
    RoundRobin,
    /// At random, by weight.
    Random,
}

/// When an endpoint is left out on what the gateway itself saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Whether it is done at all.
    pub enabled: bool,
    /// Consecutive soft failures (resets, timeouts) before an endpoint is left out. Refused connections, and
    /// an endpoint that answered nobody since the attempt that timed out, leave at once.
    pub consecutive: u32,
    /// How long the first time; doubles each further time.
    pub base: Duration,
    /// At most this long.
    pub max: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { enabled: true, consecutive: 5, base: Duration::from_secs(1), max: Duration::from_secs(30) }
    }
}

/// A token bucket fed by successes: each success adds `percent`/100 of a token, each retry takes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Retries per 100 successes.
    pub percent: u32,
    /// Tokens that come by themselves each second, so that a quiet service can retry.
    pub floor_per_second: u32,
    /// Most tokens kept by a quiet service; a busy one keeps what 10 to 20 seconds of successes earn.
    pub burst: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20, floor_per_second: 10, burst: 100 }
    }
}

/// Bounds on connections to a service, per worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Idle ones kept per endpoint.
    pub idle_per_endpoint: u32,
    /// An idle one is closed after this.
    pub idle_timeout: Duration,
    /// One that was made this long ago carries no other request; zero is no bound.
    pub lifetime: Duration,
    /// Requests that one carries; 0 is no bound.
    pub requests: u32,
    /// Requests in flight, and so connections in use. More are refused.
    pub in_flight: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            idle_per_endpoint: 256,
            idle_timeout: Duration::from_secs(55),
            lifetime: Duration::from_secs(3600),
            requests: 0,
            in_flight: 10_000,
        }
    }
}

/// Where each request's line goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// A file, appended to; nothing is standard output.
    pub path: Option<PathBuf>,
    /// Its form.
    pub format: LogFormat,
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Bounds on what a client may do. Each is counted when it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head, its line included.
    pub head_bytes: usize,
    /// Header fields in a head, at most 128.
    pub headers: usize,
    /// Bytes of a request's target.
    pub target_bytes: usize,
    /// Bytes of a request's body; 0 is no bound.
    pub body_bytes: u64,
    /// Bytes of a chunk's extensions, and of all trailers of a body.
    pub chunk_extra_bytes: usize,
    /// Open client connections, over all listeners and workers. Beyond it those that wait for their client for
    /// the longest time give way.
    pub connections: usize,
    /// Of these, from one address (IPv6: one /64); 0 is no bound.
    pub connections_per_address: usize,
    /// Idle connections to services, over all services and workers. Beyond it the oldest are closed.
    pub idle_connections: usize,
    /// Bytes of further requests that are read ahead while one is in flight.
    pub pipelined_bytes: usize,
    /// Answers that each worker compresses at the same time.
    pub compressors: usize,
    /// Bytes of small files' contents that each worker remembers.
    pub file_cache_bytes: usize,
    /// Pipes of one worker, for large bodies between plain sockets; without one they are copied.
    pub pipes: usize,
    /// Bytes a second of a request's body that a client must send, or of an answer that it must take, on the
    /// average; the route's idle bound is allowed for in advance. 0 is no bound.
    pub min_rate: u64,
    /// For a request's head to arrive, from its first byte.
    pub head_timeout: Duration,
    /// For a client connection to stay idle between requests.
    pub keep_alive: Duration,
    /// Streams of an HTTP/2 connection at once.
    pub http2_streams: u32,
    /// Bytes of a stream's body that its peer may send ahead.
    pub http2_window: u32,
    /// The same for all streams of a connection together.
    pub http2_connection_window: u32,
    /// HTTP/2 frames that carry nothing, within ten seconds and beyond what real work brings with it.
    pub http2_control_frames: u32,
    /// Streams that a client may reset within ten seconds.
    pub http2_resets: u32,
    /// Streams of an HTTP/3 connection at once.
    pub http3_streams: u32,
    /// Bytes of a stream's body that a client may send ahead.
    pub http3_window: u32,
    /// The same for all streams of a connection together, and as much of all answers that the client has not
    /// acknowledged.
    pub http3_connection_window: u32,
    /// HTTP/3 frames and streams that carry nothing, within ten seconds and beyond what real work brings with it.
    pub http3_control_frames: u32,
    /// Streams of HTTP/3 that a client may reset within ten seconds.
    pub http3_resets: u32,
    /// TLS handshakes under way, per worker.
    pub handshakes: usize,
    /// For a TLS handshake to be done, or a ClientHello to arrive that decides where its connection goes.
    pub handshake_timeout: Duration,
    /// For a connection that switched protocols (WebSocket) and in which no byte moves.
    pub tunnel_idle: Duration,
    /// For tunnels whose listener or route is gone.
    pub tunnel_drain: Duration,
    /// UDP sessions, per worker. Beyond it those that were quiet for the longest time give way.
    pub udp_sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 << 10,
            headers: 100,
            target_bytes: 16 << 10,
            body_bytes: 0,
            chunk_extra_bytes: 8 << 10,
            connections: 100_000,
            connections_per_address: 0,
            idle_connections: 100_000,
            pipelined_bytes: 64 << 10,
            compressors: 256,
            file_cache_bytes: 16 << 20,
            pipes: 128,
            min_rate: 500,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            http2_streams: 128,
            http2_window: 256 << 10,
            http2_connection_window: 1 << 20,
            http2_control_frames: 10_000,
            http2_resets: 1_000,
            http3_streams: 128,
            http3_window: 256 << 10,
            http3_connection_window: 1 << 20,
            http3_control_frames: 10_000,
            http3_resets: 1_000,
            handshakes: 10_000,
            handshake_timeout: Duration::from_secs(10),
            tunnel_idle: Duration::from_secs(3600),
            tunnel_drain: Duration::from_secs(600),
            udp_sessions: 10_000,
        }
    }
}
