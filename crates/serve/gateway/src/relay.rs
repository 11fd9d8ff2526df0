//! The rest of an answer on its way to the client, while the rest of the request may still go out.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use crate::answer::{Answer, Frame};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::pace::Pace;
use crate::splice::Splice;
use crate::upstream::Upstream;

impl Exchange<'_> {
    /// Passes the answer on to its end. The head has been sent, so a failure can only cut it visibly.
    pub async fn relay(&mut self, upstream: &mut Upstream, answer: &mut Answer) -> Result<(), Failure> {
        if answer.done && self.client.is_flushed() {
            return Ok(());
        }
        self.arm(self.timing.first_byte, self.route.timeouts.idle);
        self.pace = Pace::default();
        let left = answer.body.left().filter(|_| answer.frame == Frame::Plain);
        let mut splice = self.worker.splice(&upstream.conn, &self.client.conn, left);
        let relayed = poll_fn(|cx| self.poll_relay(cx, upstream, answer, &mut splice)).await;
        if let Some(splice) = splice {
            self.worker.pipes.give(splice);
        }
        relayed
    }

    fn poll_relay(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        answer: &mut Answer,
        splice: &mut Option<Splice>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            let sent = upstream.poll_send(cx, self.client, self.request, self.worker);
            if let Poll::Ready(Err(failure)) = sent {
                return Poll::Ready(Err(failure));
            }
            // A client that sends on and takes nothing is a slow client all the same.
            if upstream.moved(self.request) && !self.pace.is_waiting() {
                self.arm(self.worker.now(), self.route.timeouts.idle);
            }
            let flushed = self.poll_flush(cx, splice);
            let kept = self.client.outbox.left() + splice.as_ref().map_or(0, Splice::held);
            let taken = answer.body_bytes.saturating_sub(kept as u64);
            match flushed {
                Poll::Ready(Ok(())) if answer.done => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => self.client_moved(taken),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::ClientGone)),
                // Nothing is read from the service while the client takes nothing.
                Poll::Pending => {
                    self.wait_for_client(taken);
                    return self.poll_idle(cx);
                }
            }
            if self.request.body_done && self.client.poll_gone(cx, self.worker).is_ready() {
                return Poll::Ready(Err(Failure::ClientGone));
            }
            let read = match splice {
                Some(splice) => splice.poll_fill(&upstream.conn, answer.body.left().unwrap_or_default(), cx),
                None => upstream.poll_read(cx, self.client, self.worker),
            };
            match read {
                Poll::Ready(Ok(count)) if count > 0 && splice.is_some() => {
                    self.worker.stats.spliced_bytes.add(count as u64);
                    answer.pass(count as u64);
                }
                Poll::Ready(Ok(count)) if count > 0 => self.pass(count, answer)?,
                Poll::Ready(end) => self.end(answer, end.is_ok())?,
                Poll::Pending => return self.poll_idle(cx),
            }
            self.arm(self.worker.now(), self.route.timeouts.idle);
        }
    }

    /// Ready once the client took everything that the service sent.
    fn poll_flush(&mut self, cx: &mut Context<'_>, splice: &mut Option<Splice>) -> Poll<io::Result<()>> {
        ready!(self.client.poll_flush(cx, self.worker))?;
        match splice {
            Some(splice) => splice.poll_drain(&self.client.conn, cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        ready!(self.client.deadline.poll(cx));
        let late = if self.pace.is_waiting() { Failure::SlowClient } else { Failure::Truncated };
        Poll::Ready(Err(self.struck(late)))
    }

    /// Sends on `count` bytes that were just read.
    fn pass(&mut self, count: usize, answer: &mut Answer) -> Result<(), Failure> {
        let scratch = self.worker.scratch.borrow();
        let input = scratch.filled(count);
        let taken = if answer.frame == Frame::Plain {
            let taken = answer.read_plain(input);
            self.client.send(&input[..taken], self.worker).map_err(|_| Failure::ClientGone)?;
            taken
        } else {
            let mut out = self.worker.head.borrow_mut();
            out.clear();
            let taken = answer.read_framed(input, &self.route.response, &mut out)?;
            self.client.send(&out, self.worker).map_err(|_| Failure::ClientGone)?;
            taken
        };
        answer.keep_service &= taken == count;
        Ok(())
    }

    /// The service closed its connection.
    fn end(&mut self, answer: &mut Answer, cleanly: bool) -> Result<(), Failure> {
        let mut out = Vec::new();
        if !cleanly || !answer.end_of_connection(&mut out) {
            return Err(Failure::Truncated);
        }
        self.client.send(&out, self.worker).map_err(|_| Failure::ClientGone)
    }
}
