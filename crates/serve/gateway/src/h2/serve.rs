//! A client's HTTP/2 connection: its streams start here, each on the way of a request.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::ext::Protocol;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use haechi_http::{BadRequest, h2 as heads};
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use tokio::task::spawn_local;

use super::SEND_BUFFER;
use super::body::{Form, Incoming};
use super::inbound::Inbound;
use super::meter::{Meter, Metered, Offence};
use super::websocket::Handshake;
use crate::client::Client;
use crate::conn::Conn;
use crate::introduce::addresses;
use crate::outbox::Outbox;
use crate::prepare::{ClientFacts, HttpVersion};
use crate::unsent::{Handed, Unsent};
use crate::way;
use crate::worker::{Deadline, Worker};

/// What a client sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client has to take the last frames of a connection that is being closed.
const LEAVE: Duration = Duration::from_secs(1);

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Preface,
    /// Perhaps the preface; the rest is not there.
    Part,
    Other,
}

/// Whether a connection opens with HTTP/2's preface.
pub(crate) fn opening(bytes: &[u8]) -> Opening {
    if bytes.starts_with(PREFACE) {
        Opening::Preface
    } else if PREFACE.starts_with(bytes) {
        Opening::Part
    } else {
        Opening::Other
    }
}

/// What the streams of one connection share.
#[derive(Debug)]
pub(super) struct Session {
    pub meter: Rc<Meter>,
    /// What is held of the streams' answers.
    pub unsent: Rc<Unsent>,
    worker: Rc<Worker>,
    /// Of the connection while it has no stream.
    deadline: Deadline,
    streams: Cell<usize>,
}

impl Session {
    /// A stream began.
    pub fn opened(&self) {
        self.streams.set(self.streams.get() + 1);
        self.deadline.clear();
    }

    /// A stream ended.
    pub fn closed(&self) {
        self.streams.set(self.streams.get() - 1);
        self.rest();
    }

    /// Lets the connection be closed when it stays without a stream.
    fn rest(&self) {
        if self.streams.get() == 0 {
            let (now, idle) = (self.worker.recently(), self.worker.plan.borrow().config.limits.keep_alive);
            self.deadline.set_waiting(now + idle, now);
        }
    }

    /// Gives a buffer back.
    pub fn give_back(&self, buffer: Vec<u8>) {
        self.worker.buffers.give(buffer);
    }
}

/// Serves a connection to its end. `early` was read from it before.
pub(crate) async fn serve(
    conn: Conn,
    early: Vec<u8>,
    facts: Rc<ClientFacts>,
    deadline: Deadline,
    worker: Rc<Worker>,
) {
    let limits = worker.plan.borrow().config.limits.clone();
    let meter = Meter::new(limits.http2_control_frames, limits.http2_resets, PREFACE.len(), worker.now());
    // Streams have no socket that could be asked later.
    let between = addresses(&facts, &conn).map(Box::new);
    let metered = Metered::new(conn, early, meter.clone(), worker.clock());
    let now = worker.now();
    deadline.set_waiting(now + limits.head_timeout, now);
    let (window, stats) = (limits.http2_connection_window, worker.stats.clone());
    let unsent = Rc::new(Unsent::new(window, |limits| &limits.http2_connection_window, stats));
    let session = Rc::new(Session { meter, unsent, worker: worker.clone(), deadline, streams: Cell::new(0) });
    let handshake = Builder::new()
        .initial_window_size(limits.http2_window)
        .initial_connection_window_size(limits.http2_connection_window)
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(limits.http2_streams as usize)
        .enable_connect_protocol()
        .handshake::<_, Handed>(metered);
    let mut handshake = pin!(handshake);
    let opened = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Ready(opened) => Poll::Ready(opened.ok()),
        Poll::Pending => session.deadline.poll(cx).map(|()| {
            if !session.deadline.gave_way() {
                worker.stats.limits.head_timeout.one();
            }
            None
        }),
    });
    let Some(connection) = opened.await else { return };
    session.rest();
    let facts =
        ClientFacts { protocol: HttpVersion::Http2, addresses: between, ..ClientFacts::clone(&facts) };
    let facts = Rc::new(facts);
    let mut serving = Serving { connection, session, facts, accepted: 0, leaving: false, sent_away: false };
    poll_fn(|cx| serving.poll(cx)).await;
}

struct Serving {
    connection: Connection<Metered, Handed>,
    session: Rc<Session>,
    facts: Rc<ClientFacts>,
    /// Streams that were accepted.
    accepted: u64,
    /// Whether the client was told to open no more streams.
    leaving: bool,
    /// Whether it was told why it is not served.
    sent_away: bool,
}

impl Serving {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let worker = self.session.worker.clone();
        loop {
            if worker.draining.get() && !self.leaving {
                self.leave();
            }
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.start(request, respond);
                    self.accepted += 1;
                    // The frame layer reads all there is before it hands out a stream, and each stream needs a HEADERS
                    // frame: when as many came, no other waits, and asking for one costs a whole turn.
                    if self.session.meter.heads() != self.accepted {
                        continue;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    if error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
                        self.count(self.session.meter.offence());
                    }
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if self.session.meter.offence().is_some_and(|offence| self.send_away(offence)) {
                continue;
            }
            if self.session.deadline.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.leaving {
                return Poll::Ready(());
            }
            if !self.session.deadline.gave_way() {
                worker.stats.limits.keep_alive.one();
            }
            self.leave();
        }
    }

    /// Lets the streams that began end, and no other begin (RFC 9113 §6.8).
    fn leave(&mut self) {
        self.leaving = true;
        self.connection.graceful_shutdown();
        if self.session.streams.get() == 0 {
            self.session.deadline.set(self.session.worker.now() + LEAVE);
        }
    }

    /// Tells a client to go. False when it was told before.
    fn send_away(&mut self, offence: Offence) -> bool {
        if self.sent_away {
            return false;
        }
        (self.sent_away, self.leaving) = (true, true);
        self.count(Some(offence));
        self.connection.abrupt_shutdown(offence.reason());
        self.session.deadline.set(self.session.worker.now() + LEAVE);
        true
    }

    /// Counts the limit that a client was sent away for; without a stock that ran out it was the frame layer's.
    fn count(&self, offence: Option<Offence>) {
        let limits = &self.session.worker.stats.limits;
        match offence {
            Some(Offence::Control) => limits.http2_control_frames.one(),
            Some(Offence::Resets) => limits.http2_resets.one(),
            Some(Offence::Push) => {}
            None => limits.http2_frames.one(),
        }
    }

    /// Puts a stream's request on its way.
    fn start(&self, request: Request<RecvStream>, respond: SendResponse<Handed>) {
        let worker = self.session.worker.clone();
        let protocol = request.extensions().get::<Protocol>();
        let handshake = protocol.as_ref().map(|_| Handshake::new(&mut worker.rng.borrow_mut()));
        let switch = match (protocol, &handshake) {
            (Some(protocol), Some(handshake)) if protocol.as_str() == "websocket" => {
                Some(heads::Switch { protocol: protocol.as_str(), key: &handshake.key })
            }
            _ => None,
        };
        let ended = request.body().is_end_stream();
        let mut head = worker.buffers.take();
        let written = heads::write_request(&mut head, &request, ended, switch);
        let sized = switch.is_some() || request.headers().contains_key(CONTENT_LENGTH);
        let to_head = *request.method() == Method::HEAD;
        let form = if sized { Form::Plain } else { Form::Chunked };
        let body = Incoming::new(request.into_body(), form, ended);
        if written.is_err() {
            head.clear();
        }
        let inbound = Inbound::new(head, body, respond, to_head, handshake, self.session.clone());
        let client = Client {
            conn: Conn::H2In(Box::new(inbound)),
            pending: Vec::new(),
            outbox: Outbox::default(),
            deadline: worker.deadlines.register(),
            facts: self.facts.clone(),
            may_open_http2: false,
            served: false,
        };
        // Boxed: a task's room is copied several times as it starts and ends, and this one is large.
        match written {
            Ok(()) => drop(spawn_local(Box::pin(way::serve(client, worker)))),
            Err(refusal) => drop(spawn_local(Box::pin(refuse(client, refusal, worker)))),
        }
    }
}

async fn refuse(mut client: Client, refusal: BadRequest, worker: Rc<Worker>) {
    way::refuse(&mut client, refusal.into(), &worker);
    let idle = worker.plan.borrow().config.limits.keep_alive;
    client.flush(&worker, idle).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preface_is_known_by_its_first_bytes() {
        assert_eq!(opening(b"PRI"), Opening::Part);
        assert_eq!(opening(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"), Opening::Preface);
        assert_eq!(opening(b"PRI / HTTP/2.0\r\n\r\n"), Opening::Other);
        assert_eq!(opening(b"GET / HTTP/1.1\r\n\r\n"), Opening::Other);
    }
}
