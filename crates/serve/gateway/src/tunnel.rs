//! Bytes both ways, unread: after a service agreed to switch protocols, and for all that layer 4 passes on.
//!
//! Each side is read only once the other took what came before, so neither makes the gateway hold more than one read.
//! An end is passed on as an end (half-close), a cut as a cut. What flows in bulk between plain sockets goes through a
//! pipe, which is kept only while bytes are on their way: quiet tunnels own none.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use haechi_core::Instant;
use tokio::io::AsyncWrite;

use crate::client::{Client, poll_read_for};
use crate::conn::Conn;
use crate::exchange::{Outcome, Then};
use crate::outbox::Outbox;
use crate::splice::{SPLICE_FROM, Splice};
use crate::stats::Counter;
use crate::upstream::Upstream;
use crate::worker::{Deadline, Worker};

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides said that nothing more comes, and got all of it.
    Whole,
    /// The service had said that nothing more comes, and then took no more. The client has all that it sent.
    ServiceLeft,
    /// The client was cut off.
    ClientCut,
    /// The service was cut off.
    ServiceCut,
    /// No byte moved for as long as may be.
    Idle,
    /// Its listener or route is gone, and its time was up.
    Drained,
}

/// Bounds in time, and who counts.
pub(crate) struct Watch<'a> {
    /// Without a byte moving.
    pub idle: Duration,
    /// It ends then, whatever moves.
    pub until: &'a dyn Fn() -> Instant,
    /// Bytes to the service and to the client, as they move.
    pub bytes: Option<(&'a Counter, &'a Counter)>,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// What the receiver doesn't take yet.
    pub outbox: Outbox,
    splice: Option<Splice>,
    /// Whether the last read was a large one, so that a pipe pays for the next.
    bulk: bool,
    /// The sender said that nothing more comes.
    ended: bool,
    /// The receiver was told so.
    done: bool,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Whose connection failed.
enum Cut {
    Sender,
    Receiver,
}

/// Two connections that are one.
pub(crate) struct Tunnel<'a> {
    pub client: &'a mut Conn,
    pub service: &'a mut Conn,
    pub up: Way,
    pub down: Way,
    pub deadline: &'a Deadline,
    pub watch: Watch<'a>,
    pub worker: &'a Worker,
}

impl Tunnel<'_> {
    /// Passes bytes on until it ends. The connections stay open, for the caller to close them as is due.
    pub async fn run(&mut self) -> End {
        let mut moved = (self.worker.now(), 0, 0);
        let mut armed = None;
        let end = poll_fn(|cx| self.poll(cx, &mut moved, &mut armed)).await;
        for splice in [self.up.splice.take(), self.down.splice.take()].into_iter().flatten() {
            self.worker.pipes.give(splice);
        }
        end
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        moved: &mut (Instant, u64, usize),
        armed: &mut Option<Instant>,
    ) -> Poll<End> {
        let before = (self.up.bytes, self.down.bytes);
        let up = self.up.poll(self.client, self.service, cx, self.worker);
        let down = self.down.poll(self.service, self.client, cx, self.worker);
        if let Some((to_service, to_client)) = self.watch.bytes {
            to_service.add(self.up.bytes - before.0);
            to_client.add(self.down.bytes - before.1);
        }
        match (up, down) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Whole),
            (Poll::Ready(Err(Cut::Sender)), _) | (_, Poll::Ready(Err(Cut::Receiver))) => {
                return Poll::Ready(End::ClientCut);
            }
            (Poll::Ready(Err(Cut::Receiver)), Poll::Ready(Ok(()))) => return Poll::Ready(End::ServiceLeft),
            (Poll::Ready(Err(Cut::Receiver)), _) | (_, Poll::Ready(Err(Cut::Sender))) => {
                return Poll::Ready(End::ServiceCut);
            }
            _ => {}
        }
        // What a slow receiver takes is movement too.
        let (read, held) = (self.up.bytes + self.down.bytes, self.up.held() + self.down.held());
        if (moved.1, moved.2) != (read, held) {
            *moved = (self.worker.now(), read, held);
        }
        let until = (self.watch.until)();
        let strikes = (moved.0 + self.watch.idle).min(until);
        if *armed != Some(strikes) {
            *armed = Some(strikes);
            self.deadline.set(strikes);
        }
        ready!(self.deadline.poll(cx));
        if strikes == until {
            self.worker.stats.limits.tunnel_drain.one();
            return Poll::Ready(End::Drained);
        }
        self.worker.stats.limits.tunnel_idle.one();
        Poll::Ready(End::Idle)
    }
}

impl Way {
    /// Bytes that were read and that the receiver has not taken.
    fn held(&self) -> usize {
        self.outbox.left() + self.splice.as_ref().map_or(0, Splice::held)
    }

    /// Moves on what there is. Ready once the sender has ended and the receiver was told.
    fn poll(
        &mut self,
        from: &mut Conn,
        to: &mut Conn,
        cx: &mut Context<'_>,
        worker: &Worker,
    ) -> Poll<Result<(), Cut>> {
        while !self.done {
            ready!(self.outbox.poll_flush(to, cx, &worker.buffers)).map_err(|_| Cut::Receiver)?;
            if let Some(splice) = &mut self.splice {
                ready!(splice.poll_drain(to, cx)).map_err(|_| Cut::Receiver)?;
            }
            if self.ended {
                // A receiver that is gone already needs no telling.
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.done = true;
                break;
            }
            if !self.bulk {
                self.give_pipe(worker);
            } else if self.splice.is_none() {
                self.splice = worker.splice(from, to, Some(u64::MAX));
            }
            let read = match &mut self.splice {
                Some(splice) => splice.poll_fill(from, u64::MAX, cx),
                None => poll_read_for(to, from, cx, worker),
            };
            let count = match read {
                Poll::Pending => {
                    self.give_pipe(worker);
                    return Poll::Pending;
                }
                Poll::Ready(read) => read.map_err(|_| Cut::Sender)?,
            };
            self.ended = count == 0;
            self.bytes += count as u64;
            self.bulk = count as u64 >= SPLICE_FROM;
            if self.splice.is_some() {
                worker.stats.spliced_bytes.add(count as u64);
            } else {
                let scratch = worker.scratch.borrow();
                self.outbox.send(to, scratch.filled(count), &worker.buffers).map_err(|_| Cut::Receiver)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gives the empty pipe back.
    fn give_pipe(&mut self, worker: &Worker) {
        if let Some(splice) = self.splice.take() {
            worker.pipes.give(splice);
        }
    }
}

/// Passes bytes both ways after a service switched protocols. `first` came from the service behind its head.
pub(crate) async fn switched(
    client: &mut Client,
    mut upstream: Upstream,
    first: &[u8],
    worker: &Worker,
) -> Outcome {
    let (mut up, mut down) = (Way::default(), Way::default());
    up.outbox.keep(&std::mem::take(&mut client.pending), &worker.buffers);
    // The head may still be on its way.
    down.outbox = std::mem::take(&mut client.outbox);
    down.outbox.keep(first, &worker.buffers);
    let idle = worker.plan.borrow().config.limits.tunnel_idle;
    let watch = Watch { idle, until: &|| Instant::from_nanos(u64::MAX), bytes: None };
    let mut tunnel = Tunnel {
        client: &mut client.conn,
        service: &mut upstream.conn,
        up,
        down,
        deadline: &client.deadline,
        watch,
        worker,
    };
    let end = tunnel.run().await;
    let body_bytes = tunnel.down.bytes + first.len() as u64;
    if end != End::Whole {
        upstream.conn.reset();
    }
    let then = match end {
        End::Whole | End::Idle | End::Drained => Then::Close,
        End::ServiceLeft => Then::Linger,
        End::ClientCut | End::ServiceCut => Then::Reset,
    };
    Outcome { status: 101, failure: None, body_bytes, then }
}
