//! One request and what happens to it: the values that the steps of the way share.

use std::rc::Rc;
use std::time::Duration;

use haechi_balance::EndpointKey;
use haechi_core::Instant;
use smallvec::SmallVec;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::pace::Pace;
use crate::prepare::Request;
use crate::route::RunningRoute;
use crate::worker::Worker;

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub worker: &'a Worker,
    pub client: &'a mut Client,
    pub request: &'a mut Request,
    pub route: &'a RunningRoute,
    pub timing: Timing,
    /// Of the client, with the body that is under way.
    pub pace: Pace,
}

/// When things happened.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    /// The request's head was there.
    pub started: Instant,
    /// The attempt that counts was begun.
    pub attempted: Instant,
    /// It had a connection.
    pub connected: Instant,
    /// The request was sent.
    pub sent: Instant,
    /// The first byte of the answer came.
    pub first_byte: Instant,
    /// Attempts made.
    pub attempts: u8,
    /// Of these, met a connection that the service had closed while it was idle: at most one.
    pub stale: u8,
    /// Endpoints tried.
    pub tried: SmallVec<[EndpointKey; 2]>,
    /// The endpoint tried last.
    pub endpoint: Option<Rc<Endpoint>>,
    /// Attempts that led to no answer.
    pub failed: SmallVec<[FailedAttempt; 1]>,
}

/// An attempt that led to no answer, for the access log.
#[derive(Clone, Debug)]
pub(crate) struct FailedAttempt {
    pub endpoint: Rc<Endpoint>,
    /// It was begun.
    pub at: Instant,
    pub failure: Failure,
}

impl Timing {
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            attempted: started,
            connected: started,
            sent: started,
            first_byte: started,
            attempts: 0,
            stale: 0,
            tried: SmallVec::new(),
            endpoint: None,
            failed: SmallVec::new(),
        }
    }
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The status that the client got, or would have got.
    pub status: u16,
    pub failure: Option<Failure>,
    /// Bytes of the answer's body.
    pub body_bytes: u64,
    pub then: Then,
}

/// What happens to the client's connection afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It takes the next request.
    Keep,
    /// It is closed.
    Close,
    /// It is closed once the client had time to read the answer: bytes of a request may still arrive.
    Linger,
    /// It is reset: the answer is not whole, and nothing else would show it.
    Reset,
}

impl Exchange<'_> {
    /// Sets the deadline of the next wait, within the bound for the whole request.
    #[inline]
    pub fn arm(&self, now: Instant, wait: Duration) {
        self.client.deadline.set((now + wait).min(self.whole()));
    }

    /// Nothing but the client is waited for, and `moved` bytes of the body have moved. It has until the end of its
    /// patience to move more.
    pub fn wait_for_client(&mut self, moved: u64) {
        let (now, rate) = (self.worker.now(), self.min_rate());
        if let Some(wait) = self.pace.wait(now, moved, rate, self.route.timeouts.idle) {
            self.arm(now, wait);
        }
    }

    /// The client is not waited for any more, now that `moved` bytes of the body have moved.
    #[inline]
    pub fn client_moved(&mut self, moved: u64) {
        if self.pace.is_waiting() {
            let now = self.worker.now();
            self.pace.moved(now, moved, self.min_rate());
            self.arm(now, self.route.timeouts.idle);
        }
    }

    fn min_rate(&self) -> u64 {
        self.worker.plan.borrow().config.limits.min_rate
    }

    /// Which bound struck: this wait's, or the whole request's.
    pub fn struck(&self, waiting_for: Failure) -> Failure {
        if self.worker.now() >= self.whole() { Failure::RequestTimeout } else { waiting_for }
    }

    /// When the whole request must be over.
    fn whole(&self) -> Instant {
        let bound = self.route.timeouts.request;
        let bound = if bound.is_zero() { Duration::MAX } else { bound };
        let bound = self.request.facts.patience.map_or(bound, |patience| patience.min(bound));
        if bound == Duration::MAX { Instant::from_nanos(u64::MAX) } else { self.timing.started + bound }
    }
}
