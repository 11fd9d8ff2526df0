//! From the bytes of a request to what is sent to the service: read, match, filter, write anew.
//!
//! All of it happens without waiting, on bytes that are still where they were read. What comes out owns its
//! bytes, so the connection can then wait without holding a worker's scratch buffer.

mod facts;
mod request;

use std::rc::Rc;

use haechi_content::{AcceptEncoding, file_name};
use haechi_core::Instant;
use haechi_http::{BadRequest, Body, Field, HeadSlots, RequestFraming, RequestHead, Version, is_token};
use haechi_route::config::{Asked, Compress, Files, Redirect, RedirectPath, Scheme};
use haechi_route::{Headers, NormalPath, RequestView, rewrite_path};

use crate::compress::Accepts;
use crate::failure::Failure;
use crate::files::Wanted;
use crate::forward_head::{upgrade, write_head};
use crate::grpc::{Call, FromText};
use crate::own::Ready;
use crate::plan::Plan;
use crate::route::{Destination, RunningRoute};
use crate::worker::Buffers;

#[cfg(test)]
pub(crate) use facts::RequestLine;
pub(crate) use facts::{ClientFacts, HttpVersion, RequestFacts};
pub(crate) use request::Request;

/// How a TLS connection begins: a record of the handshake (RFC 8446 §5.1).
const TLS_RECORD: [u8; 2] = [0x16, 0x03];

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
