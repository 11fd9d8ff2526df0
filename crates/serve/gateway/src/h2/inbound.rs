//! A client's stream, as a connection that carries one request and its answer.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use h2::Reason;
use h2::server::SendResponse;
use haechi_http::{
    Body, HeadLimits, HeadSlots, MAX_WRITTEN_FIELDS, ResponseFraming, ResponseHead, h2 as heads,
};

use super::body::{Incoming, Out, Outgoing};
use super::broken;
use super::serve::Session;
use super::websocket::Handshake;
use crate::unsent::{Handed, Kept};

/// Bounds on an answer's head, which the gateway wrote itself: a service's and what filters add.
const ANSWER_LIMITS: HeadLimits =
    HeadLimits { head_bytes: 256 << 10, fields: MAX_WRITTEN_FIELDS, target_bytes: 0 };

/// A client's stream.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// The request's head as HTTP/1.1, and how much of it was read.
    head: Vec<u8>,
    head_at: usize,
    body: Incoming,
    answer: Answering,
    to_head: bool,
    /// Of a WebSocket that was asked for with an extended CONNECT.
    handshake: Option<Handshake>,
    /// Bytes that its sender holds, because they were not taken.
    pub kept: Kept,
    session: Rc<Session>,
}

/// How far the answer is.
#[derive(Debug)]
enum Answering {
    Head(SendResponse<Handed>),
    Body(Outgoing),
    Tunnel(Out),
    /// All of it was handed to the frame layer.
    Ended,
}

impl Inbound {
    pub(super) fn new(
        head: Vec<u8>,
        body: Incoming,
        respond: SendResponse<Handed>,
        to_head: bool,
        handshake: Option<Handshake>,
        session: Rc<Session>,
    ) -> Self {
        session.opened();
        let kept = Kept::new(session.unsent.clone());
        Self { head, head_at: 0, body, answer: Answering::Head(respond), to_head, handshake, kept, session }
    }

    /// Reads the request as HTTP/1.1. At its end it waits for the answer's: then comes the end of the connection,
    /// or an error if the client reset the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<io::Result<usize>> {
        let rest = &self.head[self.head_at..];
        let head = rest.len().min(area.len());
        area[..head].copy_from_slice(&rest[..head]);
        self.head_at += head;
        if self.head_at == self.head.len() && head > 0 {
            self.session.give_back(std::mem::take(&mut self.head));
            self.head_at = 0;
        }
        match self.body.poll_fill(cx, &mut area[head..]) {
            Poll::Ready(Ok(body)) if head + body > 0 => Poll::Ready(Ok(head + body)),
            Poll::Ready(Ok(_)) => self.poll_end(cx),
            _ if head > 0 => Poll::Ready(Ok(head)),
            other => other,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let reset = match &mut self.answer {
            Answering::Head(respond) => respond.poll_reset(cx),
            Answering::Body(body) => body.out.poll_reset(cx),
            Answering::Tunnel(_) | Answering::Ended => return Poll::Ready(Ok(0)),
        };
        reset.map(|_| Err(io::ErrorKind::ConnectionReset.into()))
    }

    /// Sends what the client takes of an answer in HTTP/1.1's form. Its heads come whole.
    pub fn poll_send(&mut self, cx: Option<&mut Context<'_>>, data: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.send_some(cx, data);
        let used = if let Poll::Ready(Ok(used)) = sent { used } else { 0 };
        self.kept.set(data.len() - used);
        sent
    }

    fn send_some(&mut self, mut cx: Option<&mut Context<'_>>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut used = 0;
        while used < data.len() {
            let rest = &data[used..];
            let sent = match &mut self.answer {
                Answering::Head(_) => Poll::Ready(self.send_head(rest)),
                Answering::Body(body) => {
                    let sent = body.write(cx.as_deref_mut(), rest);
                    if body.ended {
                        self.answer = Answering::Ended;
                    }
                    sent
                }
                Answering::Tunnel(out) => out.write_raw(cx.as_deref_mut(), rest),
                Answering::Ended => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
            match sent {
                Poll::Ready(count) => used += count?,
                Poll::Pending if used > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        self.session.meter.worked(used);
        Poll::Ready(Ok(used))
    }

    /// Sends one head, interim or final. Returns its length.
    fn send_head(&mut self, data: &[u8]) -> io::Result<usize> {
        let Answering::Head(respond) = &mut self.answer else { return Ok(0) };
        let mut slots = HeadSlots::new();
        let head = ResponseHead::parse(data, &mut slots, &ANSWER_LIMITS, self.to_head)
            .map_err(io::Error::other)?
            .ok_or(io::ErrorKind::InvalidData)?;
        let response = heads::response(&head).map_err(io::Error::other)?;
        if head.is_interim() {
            // The client may have left, which the next step tells.
            let _ = respond.send_informational(response);
            return Ok(head.len);
        }
        if head.status == 101 {
            let accepted = self.handshake.as_ref().is_some_and(|handshake| handshake.is_accepted(&head));
            if !accepted {
                return Err(io::Error::other("the service did not accept the WebSocket's key"));
            }
            let stream = respond.send_response(response, false).map_err(broken)?;
            self.answer = Answering::Tunnel(Out::to_client(stream, &self.session.unsent));
            return Ok(head.len);
        }
        let body = match head.framing {
            ResponseFraming::None | ResponseFraming::Length(0) => None,
            framing => Some(Body::of_response(framing, ANSWER_LIMITS.head_bytes)),
        };
        let stream = respond.send_response(response, body.is_none()).map_err(broken)?;
        self.answer = match body {
            Some(body) => Answering::Body(Outgoing::new(Out::to_client(stream, &self.session.unsent), body)),
            None => Answering::Ended,
        };
        Ok(head.len)
    }

    /// Says that nothing more is sent. What is not whole by then is reset when this is dropped.
    pub fn shutdown(&mut self) {
        if let Answering::Tunnel(out) = &mut self.answer {
            out.end();
            self.answer = Answering::Ended;
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        match &mut self.answer {
            Answering::Head(respond) => respond.send_reset(Reason::INTERNAL_ERROR),
            Answering::Body(body) => body.out.reset(Reason::INTERNAL_ERROR),
            Answering::Tunnel(out) => out.reset(Reason::CANCEL),
            // What is left of the request is told to stop by the frame layer (RFC 9113 §8.1).
            Answering::Ended => {}
        }
        self.session.closed();
    }
}
