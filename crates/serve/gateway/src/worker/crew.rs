//! The workers together: a connection goes to one that has fewer.
//!
//! The kernel spreads connections over the workers' sockets by their addresses, evenly only when there are many. A few
//! that live long, such as those of a load balancer in front, can all meet the same worker while the others rest; so
//! can all, when a socket of a process before this one is the only one.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Worker;
use super::accept::{Accepting, welcome};
use super::queue::Peer;
use crate::board::Board;
use crate::plan::Applied;
use crate::stream::{Parked, Stream};

/// So many connections more than another's a worker keeps in any case. Handing one over costs about what accepting it
/// did, and short ones are gone before it pays.
const SLACK: u64 = 2;

/// The same as a share of the other's connections: one in so many.
const SHARE: u64 = 8;

/// All workers of a gateway.
#[derive(Debug)]
pub(crate) struct Crew(Vec<Seat>);

#[derive(Debug)]
struct Seat {
    board: Arc<Board>,
    /// Connections that were handed over and are not counted on the board yet.
    coming: AtomicUsize,
    /// Whether the worker drains, so that nothing must come to it.
    closed: AtomicBool,
    post: UnboundedSender<Posted>,
}

/// A connection for another worker. Nothing when one was announced and did not come.
pub(crate) type Posted = Option<HandedOver>;

/// A connection that another worker accepted.
#[derive(Debug)]
pub(crate) struct HandedOver {
    pub stream: Parked,
    pub peer: Peer,
    /// The listener, and what knows it: the other worker may run something newer or older.
    pub listener: String,
    pub applied: Arc<Applied>,
    /// The port that was connected to.
    pub port: Option<u16>,
}

impl Crew {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Of the workers with these counters. With what each gets from others.
    pub fn new(boards: &[Arc<Board>]) -> (Arc<Self>, Vec<UnboundedReceiver<Posted>>) {
        let seat = |board: &Arc<Board>| {
            // As many wait in it as one worker had more than another, which is bounded by `limits.connections`.
            let (post, posted) = unbounded_channel();
            let (coming, closed) = (AtomicUsize::new(0), AtomicBool::new(false));
            (Seat { board: board.clone(), coming, closed, post }, posted)
        };
        let (seats, posted) = boards.iter().map(seat).unzip();
        (Arc::new(Self(seats)), posted)
    }

    /// The worker that should have the next connection instead of the one at `index`, if any.
    fn lighter_than(&self, index: usize) -> Option<&Seat> {
        let own = self.0.get(index)?.connections();
        let others =
            self.0.iter().enumerate().filter(|(other, seat)| *other != index && !seat.closed.load(SeqCst));
        let (least, seat) =
            others.map(|(_, seat)| (seat.connections(), seat)).min_by_key(|(count, _)| *count)?;
        (own > least + SLACK + least / SHARE).then_some(seat)
    }

    /// Lets nothing more come to a worker.
    pub fn close(&self, index: usize) {
        if let Some(seat) = self.0.get(index) {
            seat.closed.store(true, SeqCst);
        }
    }

    /// Connections on their way to a worker.
    pub fn coming(&self, index: usize) -> usize {
        self.0.get(index).map_or(0, |seat| seat.coming.load(SeqCst))
    }

    /// A worker took one of those.
    fn arrived(&self, index: usize) {
        if let Some(seat) = self.0.get(index) {
            seat.coming.fetch_sub(1, SeqCst);
        }
    }
}

impl Seat {
    fn connections(&self) -> u64 {
        self.board.worker.connections.get() + self.coming.load(SeqCst) as u64
    }

    /// Announces a connection and sends it. One that is announced keeps the worker from ending its drain, so either
    /// it sees the announcement or this sees that it drains.
    fn send(&self, handed: HandedOver) -> Result<(), HandedOver> {
        self.coming.fetch_add(1, SeqCst);
        let refused = if self.closed.load(SeqCst) {
            Some(handed)
        } else {
            self.post.send(Some(handed)).err().and_then(|unsent| unsent.0)
        };
        let Some(handed) = refused else { return Ok(()) };
        self.coming.fetch_sub(1, SeqCst);
        // It may have seen the announcement and wait for it. One that is gone waits for nothing.
        let _ = self.post.send(None);
        Err(handed)
    }
}

/// Hands a connection that was just accepted to another worker if that has fewer. Gives it back if not.
pub(super) fn hand_over(
    stream: Stream,
    peer: Peer,
    own: &Accepting,
    port: Option<u16>,
    worker: &Worker,
) -> Option<Stream> {
    let Some(seat) = worker.crew.lighter_than(worker.index) else { return Some(stream) };
    // What the runtime can't let go of is of no use to either worker.
    let stream = stream.park().ok()?;
    let (listener, applied) = own.known(worker);
    match seat.send(HandedOver { stream, peer, listener, applied, port }) {
        Ok(()) => {
            worker.stats.handed_over.one();
            None
        }
        Err(back) => back.stream.unpark().ok(),
    }
}

/// Serves what other workers hand over.
pub(super) async fn receive(mut posted: UnboundedReceiver<Posted>, worker: Rc<Worker>) {
    while let Some(post) = posted.recv().await {
        if let Some(HandedOver { stream, peer, listener, applied, port }) = post {
            match stream.unpark() {
                Ok(stream) => {
                    let own = Accepting::elsewhere(listener, applied);
                    welcome(stream, peer, port, &own, &worker).await;
                }
                Err(error) => tracing::warn!(%error, listener, "can't watch a connection"),
            }
            worker.crew.arrived(worker.index);
        }
        worker.emptied.notify_one();
    }
}
