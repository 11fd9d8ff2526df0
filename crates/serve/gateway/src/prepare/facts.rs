//! What is known of a client's connection, and of a request on its way.

use std::rc::Rc;
use std::time::Duration;

use haechi_core::Instant;
use haechi_http::{RequestHead, Version};
use haechi_net::proxy_protocol::Addresses;
use haechi_tls::Session;

use crate::added::Lines;
use crate::compress::Accepts;
use crate::forward_head::upgrade;
use crate::grpc::{self, Call};
use crate::plan::Plan;
use crate::worker::Buffers;

/// The version of HTTP that a client's connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    Http1,
    Http2,
    Http3,
}

impl HttpVersion {
    /// As logs call it, for a message of this version: within HTTP/1 each has its own.
    pub const fn name(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::Http1, Version::Http10) => "HTTP/1.0",
            (Self::Http1, Version::Http11) => "HTTP/1.1",
            (Self::Http2, _) => "HTTP/2.0",
            (Self::Http3, _) => "HTTP/3.0",
        }
    }

    /// What `Via` says of a message that came this way (RFC 9110 §7.6.3).
    pub const fn via(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"Via: 1.1 haechi\r\n",
            Self::Http2 => b"Via: 2.0 haechi\r\n",
            Self::Http3 => b"Via: 3.0 haechi\r\n",
        }
    }
}

/// What is known of a client's connection, as text that goes into requests.
#[derive(Clone, Debug)]
pub(crate) struct ClientFacts {
    /// The peer's address without the port; `unknown` at a Unix socket.
    pub ip: String,
    /// The port that was connected to; empty at a Unix socket.
    pub port: String,
    /// `http`, or `https` over TLS.
    pub scheme: &'static str,
    /// What it speaks.
    pub protocol: HttpVersion,
    /// What was agreed on over TLS. Shared by the streams of a connection.
    pub tls: Option<Rc<Session>>,
    /// Where the listener redirects to.
    pub redirect_to_https: Option<u16>,
    /// Lines that the listener adds to answers.
    pub added: Lines,
    /// Between whom the connection is, where its socket doesn't say it: it came through a proxy that does, or the
    /// socket carries many requests.
    pub addresses: Option<Box<Addresses>>,
}

/// What the rest of the way needs to know of a request.
#[derive(Debug)]
pub(crate) struct RequestFacts {
    pub version: Version,
    /// Whether the client may use its connection again.
    pub keep_alive: bool,
    pub is_head: bool,
    /// RFC 9110 §9.2.2: sending it twice does no more than once.
    pub idempotent: bool,
    /// Whether the client asked to switch protocols.
    pub upgrade: bool,
    /// Whether it asked by an extended CONNECT: any 2xx would tell it that they are switched (RFC 8441 §4).
    pub connect: bool,
    /// Whether it takes trailers.
    pub takes_trailers: bool,
    /// The call of gRPC that it is.
    pub call: Option<Call>,
    /// The same, when it is gRPC-Web that the service does not speak.
    pub translated: Option<Call>,
    /// The format that it names, as [`Call::format`] has it.
    pub format: Box<[u8]>,
    /// How long its client waits, if it said so.
    pub patience: Option<Duration>,
    /// What the answer may be compressed with, where the route does that.
    pub encodings: Option<Accepts>,
    pub started: Instant,
    /// Method, target and host for the access log; empty when there is none.
    pub line: RequestLine,
}

/// Method, target and host in one buffer.
#[derive(Debug, Default)]
pub(crate) struct RequestLine {
    pub bytes: Vec<u8>,
    pub method: usize,
    pub target: usize,
}

impl RequestFacts {
    pub(super) fn new(head: &RequestHead<'_>, plan: &Plan, buffers: &Buffers, now: Instant) -> Self {
        let call = Call::of(head);
        let line = if plan.config.access_log.is_some() {
            RequestLine::new(head, buffers)
        } else {
            RequestLine::default()
        };
        Self {
            version: head.version,
            keep_alive: head.keep_alive,
            is_head: head.method == "HEAD",
            idempotent: matches!(head.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"),
            upgrade: upgrade(head).is_some(),
            connect: false,
            takes_trailers: head.takes_trailers,
            call: call.map(|(call, _)| call),
            translated: None,
            format: call.map(|(_, rest)| Call::format(rest).into()).unwrap_or_default(),
            patience: call.and_then(|_| grpc::timeout(head)),
            encodings: None,
            started: now,
            line,
        }
    }
}

impl RequestLine {
    fn new(head: &RequestHead<'_>, buffers: &Buffers) -> Self {
        let mut bytes = buffers.take();
        let target = head.target.path_and_query;
        bytes.extend_from_slice(head.method.as_bytes());
        bytes.extend_from_slice(target.as_bytes());
        bytes.extend_from_slice(head.authority.map_or("", |authority| authority.text).as_bytes());
        Self { bytes, method: head.method.len(), target: head.method.len() + target.len() }
    }

    /// Method, target and host. All three are ASCII.
    pub fn parts(&self) -> (&str, &str, &str) {
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        (
            text.get(..self.method).unwrap_or_default(),
            text.get(self.method..self.target).unwrap_or_default(),
            text.get(self.target..).unwrap_or_default(),
        )
    }
}
