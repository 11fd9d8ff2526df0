//! Connections and datagrams that are passed on unread.

use std::time::Duration;

use haechi_core::{RouteName, ServiceName};

use super::HostPattern;

/// What a listener takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// Requests.
    #[default]
    Http,
    /// What is passed on unread.
    Layer4(Layer4),
}

/// What is passed on unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer4 {
    /// TCP connections.
    Tcp,
    /// TCP connections that begin with a ClientHello, by the name in it. The service shakes hands, not the gateway.
    Tls,
    /// UDP datagrams, those of one client to one endpoint for as long as its session lives.
    Udp,
}

impl Layer4 {
    /// As the file says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
        }
    }

    /// Without a byte or a datagram in either direction, unless a route says otherwise.
    pub const fn idle_timeout(self) -> Duration {
        match self {
            Self::Tcp | Self::Tls => Duration::from_secs(3600),
            // What Envoy takes. A forgotten session costs a descriptor, and nobody says that one is over.
            Self::Udp => Duration::from_secs(60),
        }
    }
}

impl ListenerProtocol {
    /// Whether datagrams come in, and no connections: their ports are others'.
    pub fn is_udp(self) -> bool {
        self == Self::Layer4(Layer4::Udp)
    }

    /// As the file says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Layer4(kind) => kind.as_str(),
        }
    }
}

/// Where what a listener takes is passed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer4Route {
    /// Unique among these.
    pub name: RouteName,
    /// What it passes on; its listener's.
    pub kind: Layer4,
    /// The listener.
    pub listener: String,
    /// Names that clients ask for; empty is any, and none. TLS alone has them.
    pub hosts: Vec<HostPattern>,
    /// Where to.
    pub service: ServiceName,
    /// For a connection to an endpoint to be made. UDP makes none.
    pub connect_timeout: Duration,
    /// Without a byte moving in either direction; for UDP, after which a session ends.
    pub idle_timeout: Duration,
    /// Endpoints that are tried until one takes the connection.
    pub attempts: u8,
}

impl Layer4Route {
    /// What a route is that says no more than this.
    pub fn new(name: RouteName, kind: Layer4, listener: String, service: ServiceName) -> Self {
        Self {
            name,
            kind,
            listener,
            hosts: Vec::new(),
            service,
            connect_timeout: Duration::from_secs(1),
            idle_timeout: kind.idle_timeout(),
            attempts: 2,
        }
    }
}
