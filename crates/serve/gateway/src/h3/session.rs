//! What the streams of one connection share.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use haechi_core::Instant;
use haechi_http::HeadLimits;
use haechi_http::h3::code;
use quinn::{Connection, ConnectionError};
use tokio::sync::Notify;

use super::frames::Trouble;
use crate::stock::Stock;
use crate::unsent::Unsent;
use crate::worker::{Deadline, Worker};

/// A client's connection.
#[derive(Debug)]
pub(super) struct Session {
    pub connection: Connection,
    pub worker: Rc<Worker>,
    /// Of the connection while it has no stream.
    pub deadline: Deadline,
    /// Bounds on heads and trailers.
    pub head_limits: HeadLimits,
    /// What is held of the streams' answers, besides what QUIC has.
    pub unsent: Rc<Unsent>,
    /// Streams that are not done yet.
    streams: Cell<usize>,
    /// The stream after the last one that came.
    next: Cell<u64>,
    /// From this stream on none is served.
    goaway: Cell<Option<u64>>,
    /// Told when `goaway` is set.
    pub leaving: Notify,
    /// Whether the client opened its control stream.
    pub controlled: Cell<bool>,
    control: Stock,
    resets: Stock,
    refilled: Cell<Instant>,
}

impl Session {
    pub fn new(connection: Connection, deadline: Deadline, worker: Rc<Worker>) -> Rc<Self> {
        let refilled = Cell::new(worker.now());
        let plan = worker.plan.borrow().clone();
        let limits = &plan.config.limits;
        let (window, stats) = (limits.http3_connection_window, worker.stats.clone());
        let unsent = Rc::new(Unsent::new(window, |limits| &limits.http3_connection_window, stats));
        Rc::new(Self {
            connection,
            worker,
            deadline,
            head_limits: plan.head_limits,
            unsent,
            streams: Cell::new(0),
            next: Cell::new(0),
            goaway: Cell::new(None),
            leaving: Notify::new(),
            controlled: Cell::new(false),
            control: Stock::new(limits.http3_control_frames),
            resets: Stock::new(limits.http3_resets),
            refilled,
        })
    }

    /// A stream began. False when it came too late to be served.
    pub fn opened(&self, id: u64) -> bool {
        if self.goaway.get().is_some_and(|goaway| id >= goaway) {
            return false;
        }
        self.next.set(self.next.get().max(id + 4));
        self.streams.set(self.streams.get() + 1);
        self.deadline.clear();
        true
    }

    /// A stream ended, and its client has all of it.
    pub fn closed(&self) {
        self.streams.set(self.streams.get() - 1);
        self.rest();
    }

    /// Lets the connection be closed when it stays without a stream.
    pub fn rest(&self) {
        if self.streams.get() > 0 {
            return;
        }
        let (now, idle) = (self.worker.now(), self.worker.plan.borrow().config.limits.keep_alive);
        if self.goaway.get().is_some() {
            self.deadline.set(now);
        } else {
            self.deadline.set_waiting(now + idle, now);
        }
    }

    /// The first stream that is not served, once the client was told.
    pub fn goaway(&self) -> Option<u64> {
        self.goaway.get()
    }

    /// Lets the streams that began end, and no other begin (RFC 9114 §5.2). False when there are none.
    pub fn leave(&self) -> bool {
        self.goaway.set(Some(self.next.get()));
        self.leaving.notify_one();
        self.streams.get() > 0
    }

    /// Closes the connection.
    pub fn close(&self, code: u32) {
        self.connection.close(super::code(code), b"");
    }

    /// The connection ended without a word from here.
    pub fn lost(&self, why: &ConnectionError) {
        if *why == ConnectionError::TimedOut {
            self.worker.stats.http3.silent.one();
        }
    }

    /// Bytes of a body were passed on.
    pub fn worked(&self, bytes: usize) {
        self.control.worked(bytes);
    }

    /// A frame or a stream came that carries nothing. The client is sent away when it sends too many.
    pub fn nothing(&self) -> Result<(), Trouble> {
        self.refill();
        if self.control.take() {
            return Ok(());
        }
        if self.connection.close_reason().is_none() {
            self.worker.stats.limits.http3_control_frames.one();
        }
        Err(Trouble::Connection(code::EXCESSIVE_LOAD))
    }

    /// The client reset a stream.
    pub fn was_reset(&self) {
        self.refill();
        if !self.resets.take() && self.connection.close_reason().is_none() {
            self.worker.stats.limits.http3_resets.one();
            self.close(code::EXCESSIVE_LOAD);
        }
    }

    fn refill(&self) {
        let now = self.worker.now();
        let seconds = now.since(self.refilled.replace(now)).as_secs_f64();
        self.control.refill(seconds);
        self.resets.refill(seconds);
    }

    /// What trouble with a stream is to its reader. An error of the connection closes it.
    pub fn broken(&self, trouble: Trouble) -> io::Error {
        match trouble {
            Trouble::Reset => {
                self.was_reset();
                io::ErrorKind::ConnectionReset.into()
            }
            Trouble::Lost => io::ErrorKind::ConnectionReset.into(),
            Trouble::Stream(_) | Trouble::TooLarge => io::ErrorKind::InvalidData.into(),
            Trouble::Connection(code) => {
                self.close(code);
                io::ErrorKind::ConnectionAborted.into()
            }
        }
    }
}
