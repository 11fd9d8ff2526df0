//! The lowered configuration of the gateway: values that can't be wrong, compared with `==`.
//!
//! `haechi-model` lowers the YAML file into these, `haechi-zuul` lowers Zuul's properties into these, and
//! the gateway runs them. A reload is the difference between two [`GatewayConfig`]s.

mod layer4;
mod limits;
mod proxy;
mod service;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use haechi_content::{Coding, Compress};
use haechi_core::{Address, RouteName, ServiceName};

pub use crate::action::{Action, Asked, Files, Redirect, RedirectPath, Respond, Scheme, Symlinks};
pub use layer4::{Layer4, Layer4Route, ListenerProtocol};
pub use limits::Limits;
pub use proxy::{BadNetwork, Network, ProxyFrom, ProxyVersion};
pub use service::{
    Balance, Connections, Ejection, Endpoints, Protocol, RetryBudget, Service, StaticEndpoint,
};
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

impl Filter {
    /// Header fields that a route sets, at most; of requests, and of answers.
    pub const SET_FIELDS: usize = 32;
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
