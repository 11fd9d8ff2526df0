//! `gateway:` without its routes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Auth, Duration, FileMode, FilePath, HttpUrl, ListenAddress, ListenerProtocol, Name, Network, Route, Size,
    TcpRoute, Tls, TlsRoute, UdpRoute,
};

/// The gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Gateway {
    /// Threads that serve, each with connections and turns of its own. One per core without it. Another number takes
    /// effect with the next start or binary upgrade: connections stay with the thread that accepted them.
    #[schemars(range(min = 1, max = 256))]
    pub workers: Option<u16>,
    /// Where it accepts requests.
    #[schemars(length(min = 1))]
    pub listeners: Vec<Listener>,
    /// What it does with a request. The most specific match wins, whatever the order; a tie is an error.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Where connections of listeners with `protocol: tcp` go.
    #[serde(default)]
    pub tcp_routes: Vec<TcpRoute>,
    /// Where connections of listeners with `protocol: tls` go, by the name that the client asks for.
    #[serde(default)]
    pub tls_routes: Vec<TlsRoute>,
    /// Where datagrams of listeners with `protocol: udp` go.
    #[serde(default)]
    pub udp_routes: Vec<UdpRoute>,
    /// Routes from elsewhere, beside those above.
    pub import: Option<Import>,
    /// A line for each request; without it none is written.
    pub access_log: Option<AccessLog>,
    /// Bounds on what a client may do.
    pub limits: Option<Limits>,
}

/// A socket that the gateway accepts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-isolated" = "listener"))]
pub struct Listener {
    /// Unique name.
    pub name: Name,
    /// Address and port, or a Unix socket: `0.0.0.0:8080`, `unix:/run/haechi/web.sock`. Port 0 lets the system choose.
    /// A Unix socket's file is made here and removed when the listener goes. One that a dead process left is replaced;
    /// one on which anybody listens is not, and neither is a file that is no socket.
    pub listen: ListenAddress,
    /// Permissions of a Unix socket's file: who may connect. `"666"` lets everybody.
    #[schemars(extend("default" = "660"))]
    pub mode: Option<FileMode>,
    /// What it takes. `tls`, `http2`, `http3` and `redirect-to-https` are for `http` alone.
    #[schemars(extend("default" = "http"))]
    pub protocol: Option<ListenerProtocol>,
    /// Whether clients may speak HTTP/2: by ALPN over TLS, in the clear when they know it beforehand.
    #[schemars(extend("default" = true))]
    pub http2: Option<bool>,
    /// Whether clients may speak HTTP/3, over UDP on the same port, with the same certificates. Needs `tls`, and no
    /// `proxy-protocol`. Answers over TCP announce it (`Alt-Svc`).
    #[schemars(extend("default" = false))]
    pub http3: Option<bool>,
    /// The port that answers announce, where clients reach the listener at another one: behind a port that is passed
    /// on, in a container.
    #[schemars(range(min = 1, max = 65_535))]
    pub http3_port: Option<u16>,
    /// How long clients remember that there is HTTP/3.
    #[schemars(extend("default" = "1d"))]
    pub http3_max_age: Option<Duration>,
    /// Speaks TLS.
    pub tls: Option<Tls>,
    /// Answers every request with a redirect (308) to https on this port, `443` as a rule. Routes are not looked at.
    #[schemars(range(min = 1, max = 65_535))]
    pub redirect_to_https: Option<u16>,
    /// Takes connections from a proxy that says in a header of the PROXY protocol (version 1 or 2) for whom they are.
    /// A connection whose header is absent or malformed is closed.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// Whose connections begin with a header of the PROXY protocol. What it says is believed: the client's address for
/// `X-Forwarded-For`, the access log and `limits.connections-per-address`, the port for `X-Forwarded-Port`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProxyProtocol {
    /// The proxies' own addresses or networks. Connections from elsewhere have no header and are served without.
    /// Left out, every connection must have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Network>,
}

/// Routes from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Import {
    /// Routes from the `zuul.*` and `ribbon.*` properties of an application in a config server.
    pub zuul: Option<ZuulImport>,
}

/// Zuul's routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ZuulImport {
    /// The application whose properties are read.
    pub application: Name,
    /// Profiles, the last one wins.
    #[serde(default)]
    #[schemars(extend("default" = ["default"]))]
    pub profiles: Vec<String>,
    /// Label; without it the config server's default one.
    pub label: Option<String>,
    /// URL of the config server; without it the one in this file.
    pub uri: Option<HttpUrl>,
    /// Basic authentication at the config server in `uri`.
    pub auth: Option<Auth>,
    /// Asks for changes this often; `0s` only when told to (`POST /refresh` on the admin port).
    #[schemars(extend("default" = "0s"))]
    pub refresh: Option<Duration>,
}

/// The access log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccessLog {
    /// A file, appended to; without it standard output. Once it was moved away, a new one is written.
    pub path: Option<FilePath>,
    /// Its form.
    #[schemars(extend("default" = "text"))]
    pub format: Option<LogFormat>,
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One line of text.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Bounds on what a client may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// A request's head, its line included.
    #[schemars(extend("default" = "32KiB"))]
    pub head: Option<Size>,
    /// Header fields in a head.
    #[schemars(range(min = 1, max = 128), extend("default" = 100))]
    pub headers: Option<u16>,
    /// A request's target: path and query.
    #[schemars(extend("default" = "16KiB"))]
    pub target: Option<Size>,
    /// A request's body; `0B` is no bound.
    #[schemars(extend("default" = "0B"))]
    pub body: Option<Size>,
    /// A chunk's extensions, and all trailers of a body.
    #[schemars(extend("default" = "8KiB"))]
    pub chunk_extra: Option<Size>,
    /// Open client connections, and no more than three quarters of what the process may open. Beyond it those that
    /// wait for their client for the longest time are closed.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 100_000))]
    pub connections: Option<u32>,
    /// Open connections from one address (IPv6: one /64); more are closed at once. 0 is no bound: behind another
    /// proxy all clients have one address.
    #[schemars(range(min = 0, max = 10_000_000), extend("default" = 0))]
    pub connections_per_address: Option<u32>,
    /// Idle connections to services, in all, and no more than clients leave of three quarters of what the process may
    /// open, but an eighth of it in any case. Beyond it those that were idle for the longest time are closed.
    #[schemars(range(min = 0, max = 10_000_000), extend("default" = 100_000))]
    pub idle_connections: Option<u32>,
    /// Requests that a client sent ahead (pipelined), read while another is in flight; the rest waits.
    #[schemars(extend("default" = "64KiB"))]
    pub pipelined: Option<Size>,
    /// Answers that each worker compresses at the same time; further ones go as they are. One costs about 1 MiB.
    #[schemars(range(min = 0, max = 100_000), extend("default" = 256))]
    pub compressors: Option<u32>,
    /// Contents of small files that each worker remembers.
    #[schemars(extend("default" = "16MiB"))]
    pub file_cache: Option<Size>,
    /// Pipes of each worker, through which large bodies go between plain sockets without being copied. Bodies for
    /// which none is left are copied.
    #[schemars(range(min = 0, max = 100_000), extend("default" = 128))]
    pub pipes: Option<u32>,
    /// What a client must send of a request's body, or take of an answer, in each second that it is waited for, on the
    /// average; the route's `idle` timeout is allowed for in advance. `0B` is no bound.
    #[schemars(extend("default" = "500B"))]
    pub min_rate: Option<Size>,
    /// For a request's head to arrive, from its first byte.
    #[schemars(extend("default" = "10s"))]
    pub head_timeout: Option<Duration>,
    /// For a client connection to stay idle between requests.
    #[schemars(extend("default" = "75s"))]
    pub keep_alive: Option<Duration>,
    /// Streams of an HTTP/2 connection at once, as its client is told. The frame layer refuses one that is opened beyond
    /// that (`REFUSED_STREAM`: the client may send it again) and tells nobody, so `haechi_limit_strikes_total` doesn't
    /// count it.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 128))]
    pub http2_streams: Option<u32>,
    /// What may be sent ahead on an HTTP/2 stream: the most that is kept of a body that its receiver doesn't take.
    #[schemars(extend("default" = "256KiB"))]
    pub http2_window: Option<Size>,
    /// The same for all streams of an HTTP/2 connection together. A quarter of it bounds what is kept of all its
    /// answers that the client doesn't take; beyond that each stream's answer is read 4 KiB ahead.
    #[schemars(extend("default" = "1MiB"))]
    pub http2_connection_window: Option<Size>,
    /// HTTP/2 frames that carry nothing (SETTINGS, PING, empty DATA …), in ten seconds and beyond what real work
    /// brings with it. A client that sends more is sent away.
    #[schemars(range(min = 100, max = 10_000_000), extend("default" = 10_000))]
    pub http2_control_frames: Option<u32>,
    /// HTTP/2 streams that a client may reset in ten seconds. One that resets more is sent away.
    #[schemars(range(min = 10, max = 10_000_000), extend("default" = 1_000))]
    pub http2_resets: Option<u32>,
    /// Streams of an HTTP/3 connection at once. QUIC's flow control holds clients to it: they wait for a stream to end,
    /// and whoever doesn't loses the connection. So it never strikes, and `haechi_limit_strikes_total` doesn't have it.
    #[schemars(range(min = 1, max = 100_000), extend("default" = 128))]
    pub http3_streams: Option<u32>,
    /// What may be sent ahead on an HTTP/3 stream: the most that is kept of a body that its receiver doesn't take.
    #[schemars(extend("default" = "256KiB"))]
    pub http3_window: Option<Size>,
    /// The same for all streams of an HTTP/3 connection together, and as much of all its answers that the client has
    /// not acknowledged.
    #[schemars(extend("default" = "1MiB"))]
    pub http3_connection_window: Option<Size>,
    /// HTTP/3 frames and streams that carry nothing, in ten seconds and beyond what real work brings with it. A client
    /// that sends more is sent away.
    #[schemars(range(min = 100, max = 10_000_000), extend("default" = 10_000))]
    pub http3_control_frames: Option<u32>,
    /// Streams of HTTP/3 that a client may reset in ten seconds. One that resets more is sent away.
    #[schemars(range(min = 10, max = 10_000_000), extend("default" = 1_000))]
    pub http3_resets: Option<u32>,
    /// TLS handshakes under way, for each worker. Clients beyond that are turned away.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 10_000))]
    pub handshakes: Option<u32>,
    /// For a TLS handshake to be done; for a header of the PROXY protocol to arrive, or the ClientHello of a connection
    /// that is passed on by its name.
    #[schemars(extend("default" = "10s"))]
    pub handshake_timeout: Option<Duration>,
    /// For a connection that switched protocols (WebSocket) and in which no byte moves. Routes for TCP and TLS have an
    /// `idle` timeout of their own.
    #[schemars(extend("default" = "1h"))]
    pub tunnel_idle: Option<Duration>,
    /// For TCP connections that are open when their listener or route is removed.
    #[schemars(extend("default" = "10m"))]
    pub tunnel_drain: Option<Duration>,
    /// Sessions of UDP, for each worker, and all together no more than half of what the process may open to clients.
    /// Beyond it those that were quiet for the longest time end. `connections-per-address` counts them too.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 10_000))]
    pub udp_sessions: Option<u32>,
}
