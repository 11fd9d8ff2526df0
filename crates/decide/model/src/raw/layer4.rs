//! `gateway.tcp-routes`, `tls-routes` and `udp-routes`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, HostPattern, Name};

/// What a listener takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerProtocol {
    /// HTTP, over TLS where `tls` says so. `routes` say where requests go.
    #[default]
    Http,
    /// TCP connections, passed on unread. One of `tcp-routes` says where to.
    Tcp,
    /// TLS connections, passed on unread by the name that the client asks for (SNI): `tls-routes`. The service has the
    /// certificate.
    Tls,
    /// UDP datagrams, passed on unread. One of `udp-routes` says where to. The port may be that of a listener for TCP.
    Udp,
}

/// Where the connections of a listener with `protocol: tcp` go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-isolated" = "tcp-route"))]
pub struct TcpRoute {
    /// Unique name among the routes for TCP, TLS and UDP.
    pub name: Name,
    /// The listener. It has one such route.
    pub listener: String,
    /// The service that gets the connections. Each counts as in flight for as long as it is open.
    pub service: String,
    /// Bounds in time.
    pub timeouts: Option<Layer4Timeouts>,
    /// Endpoints that are tried until one takes the connection, within the service's `retry-budget`.
    #[schemars(range(min = 1, max = 10), extend("default" = 2))]
    pub attempts: Option<u8>,
}

/// Where the connections of a listener with `protocol: tls` go that ask for these names. The most specific name wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-isolated" = "tls-route"))]
pub struct TlsRoute {
    /// Unique name among the routes for TCP, TLS and UDP.
    pub name: Name,
    /// The listener.
    pub listener: String,
    /// Names that clients ask for; `*.example.com` matches one or more labels in front. Without it every name that no
    /// other route has, and clients that name none.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// The service that gets the connections, which shakes hands itself. Each counts as in flight for as long as it is
    /// open.
    pub service: String,
    /// Bounds in time.
    pub timeouts: Option<Layer4Timeouts>,
    /// Endpoints that are tried until one takes the connection, within the service's `retry-budget`.
    #[schemars(range(min = 1, max = 10), extend("default" = 2))]
    pub attempts: Option<u8>,
}

/// Bounds in time for connections that are passed on unread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Layer4Timeouts {
    /// For a connection to an endpoint to be made.
    #[schemars(extend("default" = "1s"))]
    pub connect: Option<Duration>,
    /// Without a byte moving in either direction.
    #[schemars(extend("default" = "1h"))]
    pub idle: Option<Duration>,
}

/// Where the datagrams of a listener with `protocol: udp` go. Those of one client, which is an address and a port, go to
/// one endpoint for as long as its session lives: until nothing comes either way for the `idle` timeout, or the endpoint
/// refuses, is ejected or leaves the service. Another one is picked with the next datagram then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-isolated" = "udp-route"))]
pub struct UdpRoute {
    /// Unique name among the routes for TCP, TLS and UDP.
    pub name: Name,
    /// The listener. It has one such route.
    pub listener: String,
    /// The service that gets the datagrams. Each session counts as in flight for as long as it lives.
    pub service: String,
    /// Bounds in time.
    pub timeouts: Option<UdpTimeouts>,
}

/// Bounds in time for sessions of UDP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UdpTimeouts {
    /// Without a datagram in either direction. The session ends then.
    #[schemars(extend("default" = "60s"))]
    pub idle: Option<Duration>,
}
