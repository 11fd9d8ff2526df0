//! A connection to an endpoint during one attempt: the request on its way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::client::{Client, poll_read_for};
use crate::conn::Conn;
use crate::endpoint::Life;
use crate::failure::Failure;
use crate::outbox::Outbox;
use crate::prepare::Request;
use crate::splice::Splice;
use crate::worker::Worker;

/// Bytes of a request that are kept until its answer begins, so that it can be sent again: a form or a document
/// that comes behind its head. What is larger streams, and is sent once.
const REPLAY_BYTES: usize = 16 << 10;

/// A connection that carries one request.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub conn: Conn,
    pub life: Life,
    /// Bytes of the image that the kernel took.
    sent: usize,
    outbox: Outbox,
    /// Whether writing failed. The answer may be there all the same.
    broken: bool,
    /// Whether body bytes came during this attempt.
    fed: bool,
    /// Whether body bytes went out that are not in the image, so that the request can't be sent again.
    streamed: bool,
    /// Where the body goes when it is not copied.
    splice: Option<Splice>,
    /// How far the body was when [`moved`](Self::moved) was last asked.
    seen: (u64, usize),
}

impl Upstream {
    pub fn new(conn: Conn, life: Life) -> Self {
        Self {
            conn,
            life,
            sent: 0,
            outbox: Outbox::default(),
            broken: false,
            fed: false,
            streamed: false,
            splice: None,
            seen: (0, 0),
        }
    }

    /// Whether the kernel took any byte of the request, so that the service may have seen it.
    pub const fn touched(&self) -> bool {
        self.sent > 0
    }

    /// Whether the image still holds the whole of what was sent.
    pub const fn can_replay(&self) -> bool {
        !self.streamed
    }

    /// Whether the request was there whole when the attempt began.
    pub const fn was_whole(&self) -> bool {
        !self.fed
    }

    /// Whether any of a body that came during this attempt was read from the client or was taken by the service since this was last
    /// asked. A deadline that moved without it would never strike: it wakes the task that asks.
    pub fn moved(&mut self, request: &Request) -> bool {
        let unsent = request.image.len() - self.sent + self.outbox.left() + self.in_pipe();
        let now = (request.body_bytes, unsent);
        self.fed && std::mem::replace(&mut self.seen, now) != now
    }

    /// Whether the service took everything that the client sent, and more is to come.
    pub fn waits_for_client(&self, request: &Request) -> bool {
        !self.broken && !request.body_done && self.has_sent_all(request)
    }

    fn has_sent_all(&self, request: &Request) -> bool {
        self.sent == request.image.len() && self.outbox.is_empty() && self.in_pipe() == 0
    }

    fn in_pipe(&self) -> usize {
        self.splice.as_ref().map_or(0, Splice::held)
    }

    /// Whether the whole request went out, so that the connection can carry another.
    pub fn is_clean(&self, request: &Request) -> bool {
        !self.broken && request.body_done && self.has_sent_all(request)
    }

    /// Moves the request on, its body from the client too. Ready once all is sent, or nothing more can be.
    #[inline]
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        request: &mut Request,
        worker: &Worker,
    ) -> Poll<Result<(), Failure>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        loop {
            while self.sent < request.image.len() {
                match ready!(Pin::new(&mut self.conn).poll_write(cx, &request.image[self.sent..])) {
                    Ok(count) => self.sent += count,
                    Err(_) => return self.give_up(),
                }
            }
            if ready!(self.outbox.poll_flush(&mut self.conn, cx, &worker.buffers)).is_err() {
                return self.give_up();
            }
            if let Some(splice) = &mut self.splice
                && ready!(splice.poll_drain(&self.conn, cx)).is_err()
            {
                return self.give_up();
            }
            if request.body_done {
                if let Some(splice) = self.splice.take() {
                    worker.pipes.give(splice);
                }
                return Poll::Ready(Ok(()));
            }
            if self.splice.is_none() && self.streamed && client.pending.is_empty() {
                let left = request.body.left().filter(|_| !request.chunked);
                self.splice = worker.splice(&client.conn, &self.conn, left);
            }
            if let Some(splice) = &mut self.splice {
                let left = request.body.left().unwrap_or_default();
                match ready!(splice.poll_fill(&client.conn, left, cx)) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Failure::ClientGone)),
                    Ok(count) => {
                        worker.stats.spliced_bytes.add(count as u64);
                        request.pass(count as u64);
                    }
                }
                continue;
            }
            match ready!(client.poll_read(cx, worker)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Failure::ClientGone)),
                Ok(count) => {
                    if self.forward(count, client, request, worker)?.is_err() {
                        return self.give_up();
                    }
                }
            }
        }
    }

    /// Takes what was just read from the client: into the image while there is room, else to the service.
    fn forward(
        &mut self,
        count: usize,
        client: &mut Client,
        request: &mut Request,
        worker: &Worker,
    ) -> Result<io::Result<()>, Failure> {
        let scratch = worker.scratch.borrow();
        let input = scratch.filled(count);
        let limit = worker.plan.borrow().config.limits.body_bytes;
        self.fed = true;
        self.streamed |= request.image.len() + count > REPLAY_BYTES;
        if !self.streamed {
            let taken = request.take_body(input, limit)?;
            client.pending.extend_from_slice(&input[taken..]);
            return Ok(Ok(()));
        }
        let mut out = worker.buffers.take();
        let taken = request.read_body(input, limit, &mut out)?;
        // What follows the body is the next request.
        client.pending.extend_from_slice(&input[taken..]);
        let sent = self.outbox.send(&mut self.conn, &out, &worker.buffers);
        worker.buffers.give(out);
        Ok(sent)
    }

    fn give_up(&mut self) -> Poll<Result<(), Failure>> {
        self.broken = true;
        Poll::Ready(Ok(()))
    }

    /// Reads from the service into the worker's scratch buffer, as much as `client` should be read ahead of.
    #[inline]
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        client: &Client,
        worker: &Worker,
    ) -> Poll<io::Result<usize>> {
        poll_read_for(&client.conn, &mut self.conn, cx, worker)
    }
}
