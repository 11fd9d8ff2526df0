//! A client's connection, as one worker holds it.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::conn::Conn;
use crate::outbox::Outbox;
use crate::prepare::ClientFacts;
use crate::worker::{Deadline, Worker};

/// Bytes read and thrown away after an early answer, so that a reset does not overtake it.
const LINGER_BYTES: usize = 1 << 20;

/// How long that is done.
const LINGER: Duration = Duration::from_secs(1);

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub conn: Conn,
    /// Read, and not yet part of a request. Owns no memory between requests.
    pub pending: Vec<u8>,
    /// Bytes of an answer that the client doesn't take yet.
    pub outbox: Outbox,
    pub deadline: Deadline,
    pub facts: Rc<ClientFacts>,
    /// Whether the connection may still turn out to speak HTTP/2: nothing came yet, and the listener allows it.
    pub may_open_http2: bool,
    /// Whether a request of it was answered.
    pub served: bool,
}

impl Client {
    /// Reads into the worker's scratch buffer.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<io::Result<usize>> {
        poll_read(&mut self.conn, cx, worker)
    }

    /// Sends what can be sent now.
    pub fn send(&mut self, data: &[u8], worker: &Worker) -> io::Result<()> {
        self.outbox.send(&mut self.conn, data, &worker.buffers)
    }

    /// The same for bytes in a buffer of their own, which is empty afterwards.
    pub fn send_all(&mut self, data: &mut Vec<u8>, worker: &Worker) -> io::Result<()> {
        self.outbox.send_all(&mut self.conn, data, &worker.buffers)
    }

    /// Whether the client took everything.
    pub fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && !self.conn.holds_output()
    }

    /// Ready once the client took everything.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<io::Result<()>> {
        self.outbox.poll_flush(&mut self.conn, cx, &worker.buffers)
    }

    /// Ready once the client left. What it sends meanwhile is kept for the next request. Half-closed counts as
    /// gone, as it does for nginx and Envoy: nothing tells it from a client that left.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<()> {
        let most = worker.plan.borrow().config.limits.pipelined_bytes;
        while self.pending.len() < most {
            match ready!(self.poll_read(cx, worker)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(count) => self.pending.extend_from_slice(worker.scratch.borrow().filled(count)),
            }
            if self.pending.len() >= most {
                worker.stats.limits.pipelined_bytes.one();
            }
        }
        Poll::Pending
    }

    /// Waits until the client took everything; false when it left or took too long.
    pub async fn flush(&mut self, worker: &Worker, within: Duration) -> bool {
        if self.is_flushed() {
            return true;
        }
        self.deadline.set(worker.now() + within);
        poll_fn(|cx| {
            if let Poll::Ready(result) = self.poll_flush(cx, worker) {
                return Poll::Ready(result.is_ok());
            }
            self.deadline.poll(cx).map(|()| false)
        })
        .await
    }

    /// Closes a connection on which bytes of a request may still arrive. Closing at once would reset it, and
    /// the reset could destroy the answer before the client reads it (RFC 9112 §9.6).
    pub async fn linger(mut self, worker: &Worker) {
        linger(&mut self.conn, &self.deadline, worker).await;
    }

    /// Ends the connection in peace. Over TLS the client is told, so that it can tell this end from a cut.
    pub fn close(mut self) {
        if self.is_flushed() {
            self.conn.say_goodbye();
        }
    }

    /// Ends the connection so that an answer without a length can't be taken for whole.
    pub fn reset(self) {
        self.conn.reset();
    }
}

/// Tells the peer that nothing more comes, and reads on for a while, so that no reset overtakes what it got last.
pub(crate) async fn linger(conn: &mut Conn, deadline: &Deadline, worker: &Worker) {
    if conn.shutdown().await.is_err() {
        return;
    }
    deadline.set(worker.now() + LINGER);
    let mut left = LINGER_BYTES;
    poll_fn(|cx| {
        while let Poll::Ready(read) = poll_read(conn, cx, worker) {
            match read {
                Ok(count) if count > 0 && count <= left => left -= count,
                _ => return Poll::Ready(()),
            }
        }
        deadline.poll(cx)
    })
    .await;
}

/// Reads from a connection into the worker's scratch buffer. The caller uses the bytes before it waits again.
#[inline]
pub(crate) fn poll_read(conn: &mut Conn, cx: &mut Context<'_>, worker: &Worker) -> Poll<io::Result<usize>> {
    let mut scratch = worker.scratch.borrow_mut();
    conn.poll_fill(cx, scratch.area())
}

/// The same for what goes to `receiver`: as much as it should be read ahead of.
#[inline]
pub(crate) fn poll_read_for(
    receiver: &Conn,
    conn: &mut Conn,
    cx: &mut Context<'_>,
    worker: &Worker,
) -> Poll<io::Result<usize>> {
    let mut scratch = worker.scratch.borrow_mut();
    let area = scratch.area();
    let most = receiver.appetite().min(area.len());
    conn.poll_fill(cx, &mut area[..most])
}
