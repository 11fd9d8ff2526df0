//! From the bytes of a request to what is sent to the service: read, match, filter, write anew.
//!
//! All of it happens without waiting, on bytes that are still where they were read. What comes out owns its
//! bytes, so the connection can then wait without holding a worker's scratch buffer.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use haechi_content::{AcceptEncoding, file_name};
use haechi_core::Instant;
use haechi_http::{
    BadRequest, Body, Field, HeadSlots, RequestFraming, RequestHead, Version, is_token, write_chunk,
    write_last_chunk,
};
use haechi_net::proxy_protocol::Addresses;
use haechi_route::config::{Asked, Compress, Files, Redirect, RedirectPath, Scheme};
use haechi_route::{Headers, NormalPath, RequestView, rewrite_path};
use haechi_tls::Session;

use crate::added::Lines;
use crate::compress::Accepts;
use crate::failure::Failure;
use crate::files::Wanted;
use crate::forward_head::{upgrade, write_head};
use crate::grpc::{self, Call, FromText};
use crate::own::Ready;
use crate::plan::Plan;
use crate::route::{Destination, RunningRoute};
use crate::worker::Buffers;

/// How a TLS connection begins: a record of the handshake (RFC 8446 §5.1).
const TLS_RECORD: [u8; 2] = [0x16, 0x03];

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

/// A request as it goes to the service.
#[derive(Debug)]
pub(crate) struct Request {
    /// Head and the part of the body that is kept until the answer begins.
    pub image: Vec<u8>,
    /// Where Host's value stands in the image, when it is the endpoint's.
    pub host: Option<Range<usize>>,
    /// What is left of the body to be read.
    pub body: Body,
    /// Whether the body was read to its end.
    pub body_done: bool,
    /// Whether the body is sent in chunks.
    pub chunked: bool,
    /// Bytes of the body so far.
    pub body_bytes: u64,
    /// Whose filters say which trailers are passed on. Nothing when the service takes none.
    trailers: Option<Rc<RunningRoute>>,
    /// A body of gRPC-Web in its text form.
    text: Option<FromText>,
    pub facts: RequestFacts,
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

/// What became of the bytes that were read.
pub(crate) enum Prepared {
    /// The head is not all there.
    Incomplete,
    /// A request to be forwarded.
    Forward { request: Box<Request>, route: Rc<RunningRoute>, consumed: usize },
    /// An answer of the gateway's own.
    Answer { asked: Box<AnsweredHere>, consumed: usize },
    /// Bytes that are no request: nothing more is read from this client.
    Refused(Failure),
}

impl Prepared {
    /// Bytes of the input that were used.
    pub const fn consumed(&self) -> usize {
        match self {
            Self::Forward { consumed, .. } | Self::Answer { consumed, .. } => *consumed,
            Self::Incomplete | Self::Refused(_) => 0,
        }
    }
}

/// A request that no service gets.
#[derive(Debug)]
pub(crate) struct AnsweredHere {
    pub facts: RequestFacts,
    pub reply: Reply,
    pub route: Option<Rc<RunningRoute>>,
    /// What is left of the request's body.
    pub body: Body,
}

/// An answer of the gateway's own.
#[derive(Debug)]
pub(crate) enum Reply {
    Failure(Failure),
    /// The one that the route holds.
    Route,
    /// This one.
    Answer(Box<Ready>),
    /// A file of the route's folder.
    File(Box<Wanted>),
    /// To `OPTIONS *`, which asks about the gateway itself (RFC 9110 §9.3.7).
    Options,
}

struct Fields<'a>(&'a [Field<'a>]);

impl Headers for Fields<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}

/// Reads a request from the front of `input` and makes it ready.
pub(crate) fn prepare(
    input: &[u8],
    plan: &Plan,
    client: &ClientFacts,
    buffers: &Buffers,
    now: Instant,
) -> Prepared {
    let mut slots = HeadSlots::new();
    let head = match RequestHead::parse(input, &mut slots, &plan.head_limits) {
        Ok(Some(head)) => head,
        Ok(None) => return Prepared::Incomplete,
        Err(_) if client.tls.is_none() && input.starts_with(&TLS_RECORD) => {
            return Prepared::Refused(Failure::TlsToPlainHttp);
        }
        Err(refusal) => return Prepared::Refused(refusal.into()),
    };
    let mut facts = RequestFacts::new(&head, plan, buffers, now);
    facts.connect = facts.upgrade && client.protocol == HttpVersion::Http2;
    let mut body = Body::of_request(head.framing, plan.config.limits.chunk_extra_bytes);
    let limit = plan.config.limits.body_bytes;
    if limit > 0 && matches!(head.framing, RequestFraming::Length(length) if length > limit) {
        return own(facts, Reply::Failure(Failure::BodyTooLarge), None, body, head.len);
    }
    if let (Some(session), Some(authority)) = (&client.tls, head.authority)
        && !session.may_serve(authority.host)
    {
        return own(facts, Reply::Failure(Failure::Misdirected), None, body, head.len);
    }
    if head.target.path_and_query == "*" {
        return own(facts, Reply::Options, None, body, head.len);
    }
    let path = match NormalPath::new(head.target.path().as_bytes()) {
        Ok(path) => path,
        Err(refusal) => return own(facts, Reply::Failure(refusal.into()), None, body, head.len),
    };
    if let Some(reply) = before_routes(&head, plan, client) {
        return own(facts, reply, None, body, head.len);
    }
    let view = RequestView {
        method: head.method,
        host: head.authority.map_or("", |authority| authority.text),
        path: &path,
        query: head.target.query().unwrap_or_default(),
        headers: &Fields(head.fields()),
    };
    let Some(route) = plan.find(&view) else {
        return own(facts, Reply::Failure(Failure::NoRoute), None, body, head.len);
    };
    let reply = match &route.destination {
        Destination::Service(_) => None,
        Destination::Files(_) if facts.connect => Some(Reply::Failure(Failure::NotSwitched)),
        Destination::Respond(ready) if facts.connect && matches!(ready.status, 200..=299) => {
            Some(Reply::Failure(Failure::NotSwitched))
        }
        Destination::Respond(_) => Some(Reply::Route),
        Destination::Redirect(to) => {
            Some(redirect(to, &head, &rewrite_path(&route.path_filters, &path), client))
        }
        Destination::Files(files) => Some(file(files, &head, &path, route)),
    };
    if let Some(reply) = reply {
        return own(facts, reply, Some(route.clone()), body, head.len);
    }
    facts.encodings = route.compress.as_ref().and_then(|rules| encodings(rules, &head));
    // A service of HTTP/1 may merge trailers into its fields, past what checked those (RFC 9110 §6.5.1).
    let trailers = route.takes_trailers().then(|| route.clone());
    if trailers.is_some() {
        body.keep_trailers();
    }
    // The switch's tunnel begins where a body would be, and its CONNECT has no method beside it (RFC 8441 §4).
    facts.upgrade &= trailers.is_none() || may_connect(&head);
    // What is no service of gRPC may speak gRPC-Web itself.
    let web = facts.call.filter(|call| call.is_web() && trailers.is_some());
    facts.translated = web;
    facts.takes_trailers |= web.is_some();
    let framing = match web {
        Some(Call::WebText) if head.framing != RequestFraming::None => RequestFraming::Chunked,
        _ => head.framing,
    };
    let mut image = buffers.take();
    let host = write_head(&mut image, &head, &path, route, client, &facts, framing);
    let mut request = Box::new(Request {
        image,
        host,
        body_done: body.is_empty(),
        body,
        chunked: framing == RequestFraming::Chunked,
        body_bytes: 0,
        trailers,
        text: (web == Some(Call::WebText)).then(FromText::default),
        facts,
    });
    let mut consumed = head.len;
    match request.take_body(input.get(head.len..).unwrap_or_default(), limit) {
        Ok(taken) => consumed += taken,
        Err(failure) => {
            buffers.give(std::mem::take(&mut request.image));
            return own(request.facts, Reply::Failure(failure), Some(route.clone()), request.body, consumed);
        }
    }
    Prepared::Forward { request, route: route.clone(), consumed }
}

fn own(
    facts: RequestFacts,
    reply: Reply,
    route: Option<Rc<RunningRoute>>,
    body: Body,
    consumed: usize,
) -> Prepared {
    Prepared::Answer { asked: Box::new(AnsweredHere { facts, reply, route, body }), consumed }
}

/// What is answered before routes are looked at: a CA that asks by http-01 (RFC 8555 §8.3), and everything where the
/// listener redirects.
#[inline]
fn before_routes(head: &RequestHead<'_>, plan: &Plan, client: &ClientFacts) -> Option<Reply> {
    if let Some(answers) = plan.tls.answers()
        && let Some(answer) = answers.of_path(head.target.path())
    {
        let fields = b"Content-Type: application/octet-stream\r\n".to_vec();
        let body = answer.as_bytes().to_vec();
        return Some(Reply::Answer(Box::new(Ready { status: 200, fields, body })));
    }
    let port = Some(client.redirect_to_https?);
    let path = RedirectPath::Keep;
    let to = Redirect { status: 308, scheme: Some(Scheme::Https), host: None, port, path };
    Some(redirect(&to, head, head.target.path(), client))
}

/// Whether a switch of protocols can be told to a service of HTTP/2. Any other is not asked for, as is always allowed
/// (RFC 9110 §7.8).
fn may_connect(head: &RequestHead<'_>) -> bool {
    head.method == "GET" && head.framing == RequestFraming::None && upgrade(head).is_some_and(is_token)
}

/// An answer that sends the client elsewhere.
fn redirect(to: &Redirect, head: &RequestHead<'_>, path: &str, client: &ClientFacts) -> Reply {
    let asked = Asked {
        scheme: if client.scheme == Scheme::Https.as_str() { Scheme::Https } else { Scheme::Http },
        host: head.authority.map(|authority| (authority.host, authority.port)),
        path,
        query: head.target.query(),
    };
    match to.location(&asked) {
        Some(location) => {
            let fields = [b"Location: ", location.as_bytes(), b"\r\n"].concat();
            Reply::Answer(Box::new(Ready { status: to.status, fields, body: Vec::new() }))
        }
        None => Reply::Failure(BadRequest::HostCount.into()),
    }
}

/// What the answer to a request may be compressed with. HTTP/1.0 has no chunks to put it into.
fn encodings(rules: &Compress, head: &RequestHead<'_>) -> Option<Accepts> {
    let mut accepts: Option<Vec<u8>> = None;
    let mut copies = Vec::new();
    for field in head.fields() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if !rules.secrets && (is("cookie") || is("authorization")) {
            return None;
        }
        let list = if is("accept-encoding") {
            accepts.get_or_insert_default()
        } else if is("if-none-match") {
            &mut copies
        } else {
            continue;
        };
        list.extend_from_slice(field.value);
        list.push(b',');
    }
    (head.version == Version::Http11)
        .then(|| Accepts { encodings: AcceptEncoding::parse(accepts.as_deref()), copies })
}

/// What a request wants of a folder. Only GET and HEAD get a file.
fn file(files: &Files, head: &RequestHead<'_>, path: &NormalPath<'_>, route: &RunningRoute) -> Reply {
    if head.method != "GET" && head.method != "HEAD" {
        let status = if head.method == "OPTIONS" { 204 } else { 405 };
        let fields = b"Allow: GET, HEAD, OPTIONS\r\n".to_vec();
        return Reply::Answer(Box::new(Ready { status, fields, body: Vec::new() }));
    }
    let Ok((name, is_folder)) = file_name(&rewrite_path(&route.path_filters, path), files.hidden) else {
        return Reply::Failure(Failure::NoFile);
    };
    let query = head.target.query().map_or_else(String::new, |query| format!("?{query}"));
    Reply::File(Box::new(Wanted {
        name,
        is_folder,
        is_get: head.method == "GET",
        asked: haechi_content::Asked::of(head.fields().iter().map(|field| (field.name, field.value))),
        with_slash: format!("{}/{query}", path.for_matching()),
    }))
}

impl RequestFacts {
    fn new(head: &RequestHead<'_>, plan: &Plan, buffers: &Buffers, now: Instant) -> Self {
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

impl Request {
    /// Takes what belongs to the body from `input` into the image. Returns how many bytes that was.
    pub fn take_body(&mut self, input: &[u8], limit: u64) -> Result<usize, Failure> {
        let mut image = std::mem::take(&mut self.image);
        let taken = self.read_body(input, limit, &mut image);
        self.image = image;
        taken
    }

    /// Reads the body on from `input` and writes it, framed for the service, to `out`. Returns how many bytes
    /// of the input belonged to it.
    pub fn read_body(&mut self, input: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<usize, Failure> {
        let mut taken = 0;
        while !self.body_done && taken < input.len() {
            let piece = self.body.read(&input[taken..])?;
            taken += piece.consumed;
            self.body_done = piece.done;
            self.body_bytes += piece.data.len() as u64;
            if limit > 0 && self.body_bytes > limit {
                return Err(Failure::BodyTooLarge);
            }
            if let Some(text) = &mut self.text {
                write_chunk(out, &text.read(piece.data)?);
                if piece.done {
                    text.end()?;
                }
            } else if self.chunked {
                write_chunk(out, piece.data);
            } else {
                out.extend_from_slice(piece.data);
            }
        }
        if taken > 0 && self.body_done && self.chunked {
            let trailers =
                self.trailers.as_ref().map(|route| route.request.kept_trailers(self.body.trailers()));
            write_last_chunk(out, &trailers.unwrap_or_default());
        }
        Ok(taken)
    }

    /// Takes account of bytes of the body that went to the service without being read here.
    pub fn pass(&mut self, bytes: u64) {
        self.body_done = self.body.pass(bytes);
        self.body_bytes += bytes;
    }

    /// Puts the endpoint's authority into Host, where no filter chose another.
    pub fn address_to(&mut self, authority: &str) {
        let Some(host) = &mut self.host else { return };
        let image = &mut self.image;
        if image.get(host.clone()) == Some(authority.as_bytes()) {
            return;
        }
        // `Vec::splice` does the same in three times the instructions.
        let (before, end) = (image.len(), host.start + authority.len());
        if end > host.end {
            image.resize(before + (end - host.end), 0);
        }
        image.copy_within(host.end..before, end);
        image.truncate(before - host.len() + authority.len());
        image[host.start..end].copy_from_slice(authority.as_bytes());
        host.end = end;
    }
}
