//! A connection to one of a service's endpoints, for a client of layer 4.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::conn::Conn;
use crate::exchange::{FailedAttempt, Timing};
use crate::failure::Failure;
use crate::service::Picked;
use crate::witness::conclude;
use crate::worker::{Deadline, Worker};

use super::RunningLayer4;

/// Connects to an endpoint, or to another one: no byte was sent, so that is always safe. It stays within the
/// service's retry budget all the same.
pub(super) async fn connect<'r>(
    route: &'r RunningLayer4,
    header: Option<&[u8]>,
    deadline: &Deadline,
    worker: &Worker,
    timing: &mut Timing,
) -> Result<(Picked<'r>, Conn), Failure> {
    let service = &*route.service;
    if service.is_full() {
        return Err(Failure::Full);
    }
    loop {
        timing.attempted = worker.now();
        let picked = service.pick(timing.attempted, &mut worker.rng.borrow_mut(), &timing.tried, true);
        let first = timing.attempts == 0;
        let Some(mut picked) = picked else {
            if first {
                service.stats.no_endpoint.one();
            }
            return Err(last(timing).unwrap_or(Failure::NoEndpoint));
        };
        if !first && !service.take_retry(timing.attempted) {
            return Err(last(timing).unwrap_or(Failure::NoEndpoint));
        }
        timing.attempts += 1;
        service.stats.attempts.one();
        service.stats.connects.one();
        timing.tried.push(picked.key);
        timing.endpoint = Some(picked.endpoint.clone());
        deadline.set(timing.attempted + route.config.connect_timeout);
        let dialed = {
            let mut dialing = pin!(picked.endpoint.dial(header, worker));
            poll_fn(|cx| match dialing.as_mut().poll(cx) {
                Poll::Pending => deadline.poll(cx).map(|()| Err(Failure::ConnectTimeout)),
                dialed @ Poll::Ready(_) => dialed,
            })
            .await
        };
        let failure = match dialed.and_then(|stream| stream.into_conn().map_err(|_| Failure::Unreachable)) {
            Ok(conn) => {
                timing.connected = worker.now();
                picked.connected(timing.connected);
                return Ok((picked, conn));
            }
            Err(failure) => failure,
        };
        let (endpoint, at) = (picked.endpoint.clone(), timing.attempted);
        timing.failed.push(FailedAttempt { endpoint, at, failure });
        conclude(worker, service, picked, failure);
        if timing.attempts >= route.config.attempts {
            return Err(failure);
        }
    }
}

/// What the last attempt failed for.
fn last(timing: &Timing) -> Option<Failure> {
    timing.failed.last().map(|failed| failed.failure)
}
