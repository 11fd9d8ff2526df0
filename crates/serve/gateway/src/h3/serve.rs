//! A client's HTTP/3 connection: its streams start here, each on the way of a request.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use haechi_http::h3::{self as wire, BadHead, code};
use haechi_http::{BadRequest, h2 as heads};
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use quinn::{Connection, RecvStream, SendStream};
use tokio::task::spawn_local;

use super::control;
use super::frames::Trouble;
use super::inbound::Inbound;
use super::incoming::{Form, Incoming};
use super::session::Session;
use crate::client::Client;
use crate::conn::Conn;
use crate::failure::Failure;
use crate::outbox::Outbox;
use crate::prepare::ClientFacts;
use crate::way;
use crate::worker::{Deadline, Worker};

/// How long a client has to hear that its connection is being closed.
const LEAVE: Duration = Duration::from_secs(1);

/// Serves a connection to its end. `closing` says that its listener is gone.
pub(super) async fn serve(
    connection: Connection,
    facts: ClientFacts,
    deadline: Deadline,
    worker: Rc<Worker>,
    closing: Rc<Cell<bool>>,
) {
    let session = Session::new(connection.clone(), deadline, worker);
    session.rest();
    spawn_local(control::send(session.clone()));
    let facts = Rc::new(facts);
    loop {
        tokio::select! {
            biased;
            opened = connection.accept_bi() => match opened {
                Ok((send, receive)) => start(send, receive, &session, &facts),
                Err(ended) => return session.lost(&ended),
            },
            opened = connection.accept_uni() => match opened {
                Ok(stream) => drop(spawn_local(control::receive(stream, session.clone()))),
                Err(ended) => return session.lost(&ended),
            },
            event = poll_fn(|cx| {
                let leaving = session.worker.draining.get() || closing.get();
                if leaving && session.goaway().is_none() {
                    return Poll::Ready(Event::Leave);
                }
                session.deadline.poll(cx).map(|()| Event::Deadline)
            }) => match event {
                Event::Leave => leave(&session),
                Event::Deadline if session.goaway().is_none() => {
                    if !session.deadline.gave_way() {
                        session.worker.stats.limits.keep_alive.one();
                    }
                    leave(&session);
                }
                Event::Deadline => return session.close(code::NO_ERROR),
            },
        }
    }
}

enum Event {
    /// No more streams are to be served.
    Leave,
    /// The connection's deadline came.
    Deadline,
}

fn leave(session: &Session) {
    if !session.leave() {
        session.deadline.set(session.worker.now() + LEAVE);
    }
}

/// Puts a stream's request on its way.
fn start(mut send: SendStream, mut receive: RecvStream, session: &Rc<Session>, facts: &Rc<ClientFacts>) {
    if !session.opened(u64::from(receive.id())) {
        // It was not looked at, so it may be sent again (RFC 9114 §4.1.1).
        let rejected = super::code(code::REQUEST_REJECTED);
        let _ = (send.reset(rejected), receive.stop(rejected));
        return;
    }
    session.worker.stats.http3.requests.one();
    spawn_local(run(send, receive, session.clone(), facts.clone()));
}

async fn run(send: SendStream, receive: RecvStream, session: Rc<Session>, facts: Rc<ClientFacts>) {
    let taken = send.stopped();
    let whole = Rc::new(Cell::new(false));
    // Boxed, so that what only waits for the client to take the end carries no room for a request.
    Box::pin(request(send, receive, whole.clone(), &session, facts)).await;
    if whole.get() {
        // Until then closing the connection would lose what is on its way.
        let _ = taken.await;
    }
    session.closed();
}

async fn request(
    mut send: SendStream,
    receive: RecvStream,
    whole: Rc<Cell<bool>>,
    session: &Rc<Session>,
    facts: Rc<ClientFacts>,
) {
    let worker = session.worker.clone();
    let mut body = Incoming::new(receive, session.clone());
    let deadline = worker.deadlines.register();
    let now = worker.now();
    deadline.set_waiting(now + worker.plan.borrow().config.limits.head_timeout, now);
    let mut to_head = false;
    let mut head = worker.buffers.take();
    let read = match read(&mut body, &deadline, session).await {
        Ok((request, has_body)) => {
            to_head = *request.method() == Method::HEAD;
            let written = heads::write_request(&mut head, &request, !has_body, None);
            match announced(&request, &head) {
                Some(length) => body.read_as(Form::Length(length)),
                None => body.read_as(Form::Chunked),
            }
            written.map_err(Failure::from)
        }
        Err(NoRequest::Refused(failure)) => Err(failure),
        Err(NoRequest::Trouble(trouble)) => {
            let error = if let Trouble::Stream(code) = trouble { code } else { code::INTERNAL_ERROR };
            session.broken(trouble);
            // The client may have reset it, or be gone.
            let _ = send.reset(super::code(error));
            return body.stop(error);
        }
    };
    if read.is_err() {
        head.clear();
    }
    let inbound = Inbound::new(head, body, send, to_head, whole, session.clone());
    let conn = Conn::H3In(Box::new(inbound));
    let (pending, outbox) = (Vec::new(), Outbox::default());
    let mut client = Client { conn, pending, outbox, deadline, facts, may_open_http2: false, served: false };
    match read {
        Ok(()) => way::serve(client, worker).await,
        Err(failure) => {
            way::refuse(&mut client, failure, &worker);
            let idle = worker.plan.borrow().config.limits.keep_alive;
            client.flush(&worker, idle).await;
        }
    }
}

/// The length of a body that is not sent in chunks. One that is malformed is refused by who reads the head.
fn announced(request: &Request<()>, head: &[u8]) -> Option<u64> {
    let Some(length) = request.headers().get(CONTENT_LENGTH) else {
        let chunked = head.ends_with(b"Transfer-Encoding: chunked\r\n\r\n");
        return if chunked { None } else { Some(0) };
    };
    Some(length.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or_default())
}

/// Why a stream has no request.
enum NoRequest {
    /// The client should be told.
    Refused(Failure),
    Trouble(Trouble),
}

/// Reads a head, and finds out whether a body follows.
async fn read(
    body: &mut Incoming,
    deadline: &Deadline,
    session: &Session,
) -> Result<(Request<()>, bool), NoRequest> {
    let section = poll_fn(|cx| match body.poll_head(cx) {
        Poll::Ready(Ok(section)) => Poll::Ready(Ok(section)),
        Poll::Ready(Err(Trouble::TooLarge)) => {
            Poll::Ready(Err(NoRequest::Refused(BadRequest::HeadTooLarge.into())))
        }
        Poll::Ready(Err(trouble)) => Poll::Ready(Err(NoRequest::Trouble(trouble))),
        Poll::Pending => deadline.poll(cx).map(|()| Err(late(deadline))),
    })
    .await?;
    let request = wire::read_request(&section, &session.head_limits).map_err(|bad| match bad {
        BadHead::Compression => NoRequest::Trouble(Trouble::Connection(code::QPACK_DECOMPRESSION_FAILED)),
        BadHead::Request(refusal) => NoRequest::Refused(refusal.into()),
    })?;
    // The end of a stream may come in a packet of its own. A request that most likely has no body is kept until that
    // is known, so that it isn't sent on with one.
    let wait = !request.headers().contains_key(CONTENT_LENGTH)
        && matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS);
    let has_body = poll_fn(|cx| match body.poll_begun(cx) {
        Poll::Ready(begun) => Poll::Ready(begun.map_err(NoRequest::Trouble)),
        Poll::Pending if wait => deadline.poll(cx).map(|()| Err(late(deadline))),
        Poll::Pending => Poll::Ready(Ok(true)),
    })
    .await?;
    Ok((request, has_body))
}

fn late(deadline: &Deadline) -> NoRequest {
    if deadline.gave_way() {
        NoRequest::Trouble(Trouble::Stream(code::REQUEST_REJECTED))
    } else {
        NoRequest::Refused(Failure::HeadTimeout)
    }
}
