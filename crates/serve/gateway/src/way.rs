//! The way of a request. Start reading here.
//!
//! `accept → read head → match → filters → admit → pick → attempt → answer → record`
//!
//! - accept: `worker/accept.rs` hands each connection to [`serve`];
//! - read head, match, filters: [`receive`] and `prepare.rs`, without waiting once the bytes are there;
//! - admit: a connection is admitted when it is accepted, a request by its limits in `prepare.rs`;
//! - pick, attempt: [`forward`], again on another endpoint when `retry.rs` calls that safe and the budget
//!   allows it;
//! - answer: `answer.rs` writes the head, `relay.rs` passes on the rest; failures leave through the one table
//!   in `failure.rs`;
//! - record: `record.rs`, counters and the access log.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use haechi_core::Instant;
use haechi_http::{Body, Version, ends_head};

use crate::added;
use crate::answer::{Answer, Frame};
use crate::attempt::Attempted;
use crate::client::Client;
use crate::exchange::{Exchange, FailedAttempt, Outcome, Then, Timing};
use crate::failure::Failure;
use crate::files;
use crate::h2::{self, Opening};
use crate::own::{Ready, write_answer};
use crate::pace::Pace;
use crate::prepare::{AnsweredHere, Prepared, Reply, Request, RequestFacts, prepare};
use crate::record::record;
use crate::retry::Failed;
use crate::route::{Destination, RunningRoute};
use crate::service::{Picked, Service};
use crate::tunnel;
use crate::upstream::Upstream;
use crate::witness::conclude;
use crate::worker::Worker;

/// A worker's buffer for heads that grew beyond this, for an answer with a large body, is not kept.
const HEAD_KEPT: usize = 64 << 10;

/// When connections give way to others, one that had an answer counts as waited for since this much later: one
/// that never sent a request goes first.
const SERVED: Duration = Duration::from_secs(60);

/// Serves one client connection to its end.
pub(crate) async fn serve(mut client: Client, worker: Rc<Worker>) {
    loop {
        let then = match receive(&mut client, &worker).await {
            // Boxed, as all that an idle connection doesn't need: its room would be part of every connection.
            Received::Forward(request, route) => {
                Box::pin(forward(&mut client, request, &route, &worker)).await
            }
            Received::Answer(asked) if matches!(asked.reply, Reply::File(_)) => {
                Box::pin(files::answer(&mut client, *asked, &worker)).await
            }
            Received::Answer(asked) => answer_here(&mut client, *asked, &worker),
            Received::Refused(failure) => refuse(&mut client, failure, &worker),
            Received::Http2 => {
                let Client { conn, pending, facts, deadline, .. } = client;
                return Box::pin(h2::serve(conn, pending, facts, deadline, worker)).await;
            }
            Received::Closed => return client.close(),
        };
        client.may_open_http2 = false;
        client.served = true;
        let idle = worker.plan.borrow().config.limits.keep_alive;
        let flushed = then == Then::Reset || client.flush(&worker, idle).await;
        match then {
            // What follows the request on a stream is no other one, whatever it looks like.
            Then::Keep if flushed && !client.conn.is_stream() => {}
            Then::Linger if flushed => return Box::pin(client.linger(&worker)).await,
            Then::Reset => return client.reset(),
            _ => return client.close(),
        }
    }
}

/// What came of waiting for a request.
enum Received {
    Forward(Box<Request>, Rc<RunningRoute>),
    Answer(Box<AnsweredHere>),
    Refused(Failure),
    /// The connection opened with HTTP/2's preface.
    Http2,
    /// The client left, or was idle for too long.
    Closed,
}

/// Waits for a request's head and makes the request ready.
async fn receive(client: &mut Client, worker: &Worker) -> Received {
    // Requests that were sent ahead (pipelined) are here already.
    let mut early = !client.pending.is_empty();
    let mut begun = early;
    if client.pending.is_empty() {
        worker.buffers.give(std::mem::take(&mut client.pending));
    }
    arm_for_head(client, worker, begun, worker.recently());
    loop {
        let seen = client.pending.len();
        let mut fresh = 0;
        if !std::mem::take(&mut early) {
            fresh = match read_head(client, worker, begun).await {
                Ok(count) => count,
                Err(received) => return received,
            };
        }
        let plan = worker.plan.borrow().clone();
        let now = worker.now();
        let prepared = if seen == 0 {
            let scratch = worker.scratch.borrow();
            let input = scratch.filled(fresh);
            let prepared = prepare(input, &plan, &client.facts, &worker.buffers, now);
            let used = prepared.consumed();
            if used < input.len() {
                client.pending = worker.buffers.take();
                client.pending.extend_from_slice(&input[used..]);
            }
            prepared
        } else {
            client.pending.extend_from_slice(worker.scratch.borrow().filled(fresh));
            let looked_at = if fresh == 0 { 0 } else { seen };
            let full = client.pending.len() >= plan.config.limits.head_bytes;
            if !full && !ends_head(&client.pending, looked_at) {
                continue;
            }
            let prepared = prepare(&client.pending, &plan, &client.facts, &worker.buffers, now);
            client.pending.drain(..prepared.consumed());
            prepared
        };
        match prepared {
            Prepared::Incomplete => {}
            Prepared::Forward { request, route, .. } => return Received::Forward(request, route),
            Prepared::Answer { asked, .. } => return Received::Answer(asked),
            // Only what is no request is looked at again, so HTTP/1 pays nothing for it.
            Prepared::Refused(_)
                if client.may_open_http2 && h2::opening(&client.pending) != Opening::Other =>
            {
                if h2::opening(&client.pending) == Opening::Preface {
                    return Received::Http2;
                }
            }
            Prepared::Refused(failure) => return Received::Refused(failure),
        }
        if !begun {
            // From its first byte on, a head has less time than a client has to begin one.
            begun = true;
            arm_for_head(client, worker, begun, now);
        }
    }
}

fn arm_for_head(client: &Client, worker: &Worker, begun: bool, now: Instant) {
    let limits = &worker.plan.borrow().config.limits;
    let wait = if begun { limits.head_timeout } else { limits.keep_alive };
    let since = if client.served { now + SERVED } else { now };
    client.deadline.set_waiting(now + wait, since);
}

/// Reads bytes of a head. `begun` says that some were there before.
async fn read_head(client: &mut Client, worker: &Worker, begun: bool) -> Result<usize, Received> {
    poll_fn(|cx| {
        if let Poll::Ready(read) = client.poll_read(cx, worker) {
            return Poll::Ready(match read {
                Ok(0) | Err(_) => Err(Received::Closed),
                Ok(count) => Ok(count),
            });
        }
        let closing = worker.closing_idle.get() && !begun;
        if !closing && client.deadline.poll(cx).is_pending() {
            return Poll::Pending;
        }
        // More may be there that the runtime has not heard of yet: closing now would lose a request.
        if !begun && client.conn.has_unread() {
            arm_for_head(client, worker, begun, worker.now());
            return client.deadline.poll(cx).map(|()| Err(Received::Closed));
        }
        if closing || client.deadline.gave_way() {
            return Poll::Ready(Err(Received::Closed));
        }
        if begun {
            return Poll::Ready(Err(Received::Refused(Failure::HeadTimeout)));
        }
        worker.stats.limits.keep_alive.one();
        Poll::Ready(Err(Received::Closed))
    })
    .await
}

/// Sends a request to an endpoint, to another one if that is safe, and the answer to the client.
async fn forward(
    client: &mut Client,
    mut request: Box<Request>,
    route: &RunningRoute,
    worker: &Worker,
) -> Then {
    let Destination::Service(service) = &route.destination else { return Then::Close };
    let timing = Timing::new(request.facts.started);
    let mut exchange =
        Exchange { worker, client, request: &mut request, route, timing, pace: Pace::default() };
    let mut won = exchange.attempts(service).await;
    // Passed on from where it lies: moved out of there first, it would be in memory twice.
    let relayed = match &mut won {
        Ok(Won::Answer(_, upstream, answer)) => exchange.relay(upstream, answer).await,
        Ok(Won::Switched(..)) | Err(_) => Ok(()),
    };
    let outcome = match won {
        Ok(Won::Answer(picked, upstream, answer)) => exchange.finish(relayed, picked, upstream, &answer),
        Ok(Won::Switched(_picked, upstream, first)) => {
            // Boxed, as all that is rare: its room would be part of every request.
            Box::pin(tunnel::switched(exchange.client, upstream, &first, worker)).await
        }
        Err(failure) => exchange.fail(failure),
    };
    let timing = exchange.timing;
    record(worker, client, Some(route), &request.facts, &outcome, &timing);
    worker.buffers.give(std::mem::take(&mut request.image));
    worker.buffers.give(std::mem::take(&mut request.facts.line.bytes));
    outcome.then
}

/// The attempt that counts.
enum Won<'s> {
    /// An answer whose head was sent to the client.
    Answer(Picked<'s>, Upstream, Answer),
    /// The service switched protocols; these bytes came behind its head.
    Switched(Picked<'s>, Upstream, Vec<u8>),
}

impl Exchange<'_> {
    /// Attempts until one leads to an answer or no other may be made.
    async fn attempts<'s>(&mut self, service: &'s Service) -> Result<Won<'s>, Failure> {
        self.timing.attempted = self.timing.started;
        if service.is_full() {
            return Err(Failure::Full);
        }
        let Some(mut picked) = self.pick(service) else {
            service.stats.no_endpoint.one();
            return Err(Failure::NoEndpoint);
        };
        loop {
            self.timing.attempts += 1;
            service.stats.attempts.one();
            self.timing.tried.push(picked.key);
            self.timing.endpoint = Some(picked.endpoint.clone());
            self.request.address_to(&picked.endpoint.authority);
            let mut upstream = self.connect(service, &picked).await;
            let attempted = match &mut upstream {
                Ok(upstream) => self.attempt(service, &mut picked, upstream).await,
                Err(failed) => Err(*failed),
            };
            let failed = match (attempted, upstream) {
                (Ok(Attempted::Answer(answer)), Ok(upstream)) => {
                    return Ok(Won::Answer(picked, upstream, answer));
                }
                (Ok(Attempted::Switched(first)), Ok(upstream)) => {
                    return Ok(Won::Switched(picked, upstream, first));
                }
                (Ok(Attempted::Unwanted(next)), _) => {
                    picked.finished(None, self.timing.first_byte);
                    picked = next;
                    continue;
                }
                (Err(failed), Ok(upstream)) if failed.is_stale_connection() => {
                    self.timing.stale += 1;
                    picked.endpoint.was_closed(upstream.life, self.timing.attempted, &service.stats);
                    failed
                }
                (_, Err(failed)) | (Err(failed), _) => failed,
            };
            let (endpoint, at) = (picked.endpoint.clone(), self.timing.attempted);
            self.timing.failed.push(FailedAttempt { endpoint, at, failure: failed.failure });
            // An idle connection that was closed says nothing of the endpoint.
            if !failed.is_stale_connection() {
                conclude(self.worker, service, picked, failed.failure);
            }
            picked = self.another(service, failed).ok_or(failed.failure)?;
        }
    }

    fn pick<'s>(&self, service: &'s Service) -> Option<Picked<'s>> {
        let rng = &mut self.worker.rng.borrow_mut();
        service.pick(self.timing.attempted, rng, &self.timing.tried, self.request.facts.idempotent)
    }

    /// Whether the route allows one more attempt. One that met a closed idle connection reached nobody, and
    /// doesn't count.
    const fn may_try_again(&self) -> bool {
        self.timing.attempts < self.route.retry.attempts.saturating_add(self.timing.stale)
    }

    /// The endpoint of the next attempt, if there may be one.
    fn another<'s>(&mut self, service: &'s Service, failed: Failed) -> Option<Picked<'s>> {
        let retry = &self.route.retry;
        if !self.may_try_again() || !failed.is_safe(&self.request.facts, retry) {
            return None;
        }
        self.timing.attempted = self.worker.now();
        let mut next = self.pick(service);
        if next.is_none() && failed.is_stale_connection() {
            // There is no other endpoint. Only the idle connection of this one was closed.
            self.timing.tried.clear();
            next = self.pick(service);
        }
        next.filter(|_| service.take_retry(self.timing.attempted))
    }

    /// The endpoint to try instead of passing on an answer with this status, where the route wants that.
    pub fn instead_of<'s>(
        &mut self,
        service: &'s Service,
        status: u16,
        replayable: bool,
    ) -> Option<Picked<'s>> {
        let retry = &self.route.retry;
        let wanted = retry.statuses.contains(&status) && self.request.facts.idempotent && replayable;
        if !wanted || !self.may_try_again() {
            return None;
        }
        self.timing.attempted = self.worker.now();
        self.pick(service).filter(|_| service.take_retry(self.timing.attempted))
    }

    /// What becomes of both connections once an answer was passed on, or broke off.
    fn finish(
        &self,
        relayed: Result<(), Failure>,
        picked: Picked<'_>,
        upstream: Upstream,
        answer: &Answer,
    ) -> Outcome {
        let (status, body_bytes) = (answer.status, answer.body_bytes);
        if let Err(failure) = relayed {
            let plain_end = answer.frame == Frame::UntilClose;
            let then = if plain_end { Then::Reset } else { Then::Close };
            return Outcome { status, failure: Some(failure), body_bytes, then };
        }
        let keep = answer.keep_service && upstream.is_clean(self.request);
        if let Some(timeout) = answer.idle_timeout {
            picked.endpoint.announced(timeout);
        }
        picked.finished(keep.then_some((upstream.conn, upstream.life)), self.timing.first_byte);
        let then = if answer.keep_client {
            Then::Keep
        } else if self.request.body_done {
            Then::Close
        } else {
            Then::Linger
        };
        Outcome { status, failure: None, body_bytes, then }
    }

    /// Answers with a failure. Nothing was sent to the client before but interim answers.
    fn fail(&mut self, failure: Failure) -> Outcome {
        let facts = &self.request.facts;
        let keep = may_keep(facts, self.worker) && self.request.body_done && !failure.poisons_connection();
        let then = if failure == Failure::ClientGone {
            Then::Close
        } else {
            respond(self.client, failure, keep, facts, self.worker)
        };
        Outcome { status: failure.status(), failure: Some(failure), body_bytes: 0, then }
    }
}

/// Whether the client's connection may carry another request after an answer of the gateway's own.
fn may_keep(facts: &RequestFacts, worker: &Worker) -> bool {
    facts.keep_alive && facts.version == Version::Http11 && !worker.draining.get()
}

/// Answers a request with a failure.
pub(crate) fn respond(
    client: &mut Client,
    failure: Failure,
    keep: bool,
    facts: &RequestFacts,
    worker: &Worker,
) -> Then {
    let mut out = worker.head.borrow_mut();
    out.clear();
    match facts.call {
        Some(call) => call.write_failure(&facts.format, failure, &mut out, keep),
        None => failure.write(&mut out, keep, facts.is_head),
    }
    end(client, &mut out, keep, worker)
}

fn end(client: &mut Client, out: &mut Vec<u8>, keep: bool, worker: &Worker) -> Then {
    if !client.facts.added.is_empty() {
        added::add_all(out, 0, &client.facts.added);
    }
    let then = if keep { Then::Keep } else { Then::Linger };
    client.send(out, worker).map_or(Then::Close, |()| then)
}

/// Tells a client why it is not served at all, and closes.
pub(crate) async fn tell(mut client: Client, failure: Failure, worker: &Worker) {
    if refuse(&mut client, failure, worker) == Then::Linger {
        client.linger(worker).await;
    }
}

/// Answers bytes that are no request. Nothing that follows them can be trusted.
pub(crate) fn refuse(client: &mut Client, failure: Failure, worker: &Worker) -> Then {
    worker.stats.refused(failure);
    worker.stats.limits.struck(failure);
    if failure == Failure::TlsToPlainHttp {
        worker.stats.tls.failed("tls_on_plain_port");
        tracing::info!(client = client.facts.ip, port = client.facts.port, "{failure}");
    }
    let mut out = worker.head.borrow_mut();
    out.clear();
    failure.write(&mut out, false, false);
    end(client, &mut out, false, worker)
}

/// Answers a request without a service.
fn answer_here(client: &mut Client, asked: AnsweredHere, worker: &Worker) -> Then {
    let AnsweredHere { mut facts, reply, route, mut body } = asked;
    let route = route.as_deref();
    // A small body that is there already is passed over, so that the connection can be kept.
    let passed = skip_body(&mut body, &mut client.pending);
    let keep = passed && may_keep(&facts, worker);
    let failure = match &reply {
        Reply::Failure(failure) => Some(*failure),
        Reply::Route | Reply::Answer(_) | Reply::File(_) | Reply::Options => None,
    };
    let mut body_bytes = 0;
    let (status, then) = if let Some(failure) = failure {
        if route.is_none() {
            worker.stats.refused(failure);
        }
        let keep = keep && !failure.poisons_connection();
        (failure.status(), respond(client, failure, keep, &facts, worker))
    } else {
        let mut out = worker.head.borrow_mut();
        out.clear();
        let nothing = Ready::EMPTY;
        let answer = match (&reply, route.map(|route| &route.destination)) {
            (Reply::Answer(answer), _) => answer,
            (_, Some(Destination::Respond(answer))) => answer,
            _ => &nothing,
        };
        body_bytes = write_answer(&mut out, answer, route.map(|route| &route.response), keep, &facts);
        if !client.facts.added.is_empty() {
            added::add_all(&mut out, 0, &client.facts.added);
        }
        let then = if keep { Then::Keep } else { Then::Linger };
        let sent = client.send(&out, worker);
        if out.capacity() > HEAD_KEPT {
            *out = Vec::new();
        }
        (answer.status, sent.map_or(Then::Close, |()| then))
    };
    let timing = Timing::new(facts.started);
    record(worker, client, route, &facts, &Outcome { status, failure, body_bytes, then }, &timing);
    worker.buffers.give(std::mem::take(&mut facts.line.bytes));
    then
}

/// Takes a body off the bytes that were read. False when it is not all there, or malformed.
pub(crate) fn skip_body(body: &mut Body, pending: &mut Vec<u8>) -> bool {
    let mut at = 0;
    let mut done = body.is_empty();
    while !done && at < pending.len() {
        match body.read(&pending[at..]) {
            Ok(piece) => {
                at += piece.consumed;
                done = piece.done;
            }
            Err(_) => return false,
        }
    }
    pending.drain(..at);
    done
}
