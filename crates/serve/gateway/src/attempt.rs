//! One try to get an answer from one endpoint: connect or reuse, send, wait for the head.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use haechi_route::config::Protocol;

use crate::added;
use crate::answer::{self, Answer, Begun, Context, Frame};
use crate::compress::Compressing;
use crate::conn::Conn;
use crate::endpoint::Life;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::introduce;
use crate::retry::{Failed, Reached};
use crate::service::{Picked, Service};
use crate::upstream::Upstream;

/// Interim answers before the final one, at most. A service needs one or two.
const MAX_INTERIM: u8 = 16;

/// What an attempt led to.
#[derive(Debug)]
pub(crate) enum Attempted<'s> {
    /// The final answer's head was sent to the client, with what was there of its body.
    Answer(Answer),
    /// The service switched protocols. These bytes came after its head.
    Switched(Vec<u8>),
    /// An answer that the route does not want to pass on; nothing of it was sent. The endpoint to try instead.
    Unwanted(Picked<'s>),
}

impl Exchange<'_> {
    /// A connection to the endpoint: the one used last, or a new one.
    pub async fn connect(&mut self, service: &Service, picked: &Picked<'_>) -> Result<Upstream, Failed> {
        if service.config.protocol == Protocol::Http2 {
            return Box::pin(self.connect_h2(service, picked)).await;
        }
        let repeatable = self.request.facts.idempotent && self.route.retry.idempotent;
        // After one closed connection the next is a new one: the others may be closed as well.
        if self.timing.stale == 0
            && let Some((conn, life)) =
                picked.endpoint.check_out(self.timing.attempted, repeatable, &service.stats)
        {
            service.stats.reused.one();
            self.timing.connected = self.timing.attempted;
            return Ok(Upstream::new(conn, life));
        }
        service.stats.connects.one();
        self.arm(self.timing.attempted, self.route.timeouts.connect);
        // Boxed, so that a connection which stays idle doesn't carry the room for it.
        let conn = Box::pin(self.open(service, picked)).await.map_err(Failed::to_connect)?;
        self.timing.connected = self.worker.now();
        Ok(Upstream::new(conn, Life::new(self.timing.connected)))
    }

    /// A stream on a connection that other requests use too, or on a new one.
    async fn connect_h2(&mut self, service: &Service, picked: &Picked<'_>) -> Result<Upstream, Failed> {
        let pool = &picked.endpoint.h2;
        let most = service.config.connections.idle_per_endpoint as usize;
        self.arm(self.timing.attempted, self.route.timeouts.connect);
        let _turn = loop {
            if self.timing.stale == 0
                && let Some(stream) = pool.check_out(most)
            {
                service.stats.reused.one();
                self.timing.connected = self.worker.now();
                let life = Life::shared(self.timing.connected);
                return Ok(Upstream::new(Conn::H2Out(Box::new(stream)), life));
            }
            if let Some(turn) = pool.turn() {
                break turn;
            }
            self.in_time(pool.wait()).await.map_err(Failed::to_connect)?;
        };
        service.stats.connects.one();
        let conn = self.open(service, picked).await.map_err(Failed::to_connect)?;
        let limits = self.worker.plan.borrow().config.limits.clone();
        let opened = pool.open(conn, service.tls.is_some(), &limits, self.worker.clock());
        let opened = self.in_time(opened).await.map_err(Failed::to_connect)?;
        let stream = opened.map_err(|_| Failed::to_connect(Failure::Unreachable))?;
        self.timing.connected = self.worker.now();
        Ok(Upstream::new(Conn::H2Out(Box::new(stream)), Life::new(self.timing.connected)))
    }

    /// Waits for something within the deadline for the connection.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            self.client.deadline.poll(cx).map(|()| Err(self.struck(Failure::ConnectTimeout)))
        })
        .await
    }

    async fn open(&mut self, service: &Service, picked: &Picked<'_>) -> Result<Conn, Failure> {
        let header = introduce::header(service, &self.client.facts, &self.client.conn);
        let mut connecting = pin!(service.dial(&picked.endpoint, header.as_deref(), self.worker));
        poll_fn(|cx| {
            if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if self.request.body_done && self.client.poll_gone(cx, self.worker).is_ready() {
                return Poll::Ready(Err(Failure::ClientGone));
            }
            self.client.deadline.poll(cx).map(|()| Err(self.struck(Failure::ConnectTimeout)))
        })
        .await
    }

    /// Sends the request and waits for the head of the final answer, which goes to the client.
    pub async fn attempt<'s>(
        &mut self,
        service: &'s Service,
        picked: &mut Picked<'s>,
        upstream: &mut Upstream,
    ) -> Result<Attempted<'s>, Failed> {
        let mut arrival = Arrival::default();
        loop {
            let read = self.wait(upstream).await;
            let digested = read.and_then(|count| self.digest(service, picked, upstream, &mut arrival, count));
            match digested {
                Ok(None) => {}
                Ok(Some(attempted)) => return Ok(attempted),
                Err(failure) => {
                    let unsaid = failure == Failure::Closed && upstream.conn.is_unsaid();
                    let failure = if unsaid { Failure::Unsaid } else { failure };
                    if failure == Failure::FirstByteTimeout {
                        upstream.conn.retire();
                    }
                    let reached = match (arrival.began, upstream.touched()) {
                        (true, _) => Reached::Answered,
                        (false, _) if upstream.conn.is_unprocessed() => Reached::Nothing,
                        (false, true) => Reached::Sent,
                        (false, false) => Reached::Nothing,
                    };
                    let (reused, replayable) = (upstream.life.was_idle(), upstream.can_replay());
                    return Err(Failed { failure, reached, reused, replayable });
                }
            }
        }
    }

    /// Sends what is left of the request and waits for bytes of the answer.
    async fn wait(&mut self, upstream: &mut Upstream) -> Result<usize, Failure> {
        let mut sending = true;
        // While the request's body is on its way, each step must come within the idle bound.
        self.arm(self.timing.connected, self.route.timeouts.idle);
        poll_fn(|cx| {
            if let Poll::Ready(sent) = upstream.poll_send(cx, self.client, self.request, self.worker) {
                sent?;
                if sending {
                    sending = false;
                    self.note_sent(upstream);
                    self.arm(self.timing.sent, self.route.timeouts.first_byte);
                }
            } else if upstream.waits_for_client(self.request) {
                self.wait_for_client(self.request.body_bytes);
            } else {
                self.client_moved(self.request.body_bytes);
                if upstream.moved(self.request) {
                    self.arm(self.worker.now(), self.route.timeouts.idle);
                }
            }
            if let Poll::Ready(read) = upstream.poll_read(cx, self.client, self.worker) {
                return Poll::Ready(match read {
                    Ok(0) | Err(_) => Err(Failure::Closed),
                    Ok(count) => Ok(count),
                });
            }
            if !sending && self.request.body_done && self.client.poll_gone(cx, self.worker).is_ready() {
                return Poll::Ready(Err(Failure::ClientGone));
            }
            self.client.deadline.poll(cx).map(|()| {
                Err(self.struck(if upstream.waits_for_client(self.request) {
                    Failure::BodyTimeout
                } else {
                    Failure::FirstByteTimeout
                }))
            })
        })
        .await
    }

    /// Notes when the request was sent, once. One that was there whole left with the connection.
    fn note_sent(&mut self, upstream: &Upstream) {
        if upstream.was_whole() {
            self.timing.sent = self.timing.connected;
        } else if self.timing.sent <= self.timing.connected {
            self.timing.sent = self.worker.now();
        }
    }

    /// Looks at `count` bytes that were just read. Nothing when more are needed.
    fn digest<'s>(
        &mut self,
        service: &'s Service,
        picked: &mut Picked<'s>,
        upstream: &Upstream,
        arrival: &mut Arrival,
        count: usize,
    ) -> Result<Option<Attempted<'s>>, Failure> {
        let worker = self.worker;
        let mut scratch = worker.scratch.borrow_mut();
        let mut out = worker.head.borrow_mut();
        out.clear();
        if !arrival.began {
            arrival.began = true;
            self.timing.first_byte = worker.now();
        }
        let stashed = !arrival.partial.is_empty();
        if stashed {
            arrival.partial.extend_from_slice(scratch.filled(count));
        }
        let may_keep = self.request.body_done && !worker.draining.get();
        let plan = worker.plan.borrow();
        let compressing = self.route.compress.as_ref().map(|rules| Compressing {
            rules,
            accepts: self.request.facts.encodings.as_ref(),
            at_work: &worker.compressors,
            most: plan.config.limits.compressors,
            struck: &worker.stats.limits.compressors,
        });
        let facts = &self.request.facts;
        let context = Context { facts, edits: &self.route.response, may_keep, compressing };
        let mut from = 0;
        loop {
            let input = if stashed { &arrival.partial[from..] } else { &scratch.filled(count)[from..] };
            let head_at = out.len();
            let begun =
                if input.is_empty() { Begun::Incomplete } else { answer::begin(input, context, &mut out)? };
            match begun {
                Begun::Incomplete => {
                    let rest = input.to_vec();
                    arrival.partial = rest;
                    return self.send(&out).map(|()| None);
                }
                Begun::Interim(used) => {
                    from += used;
                    arrival.interims += 1;
                    if arrival.interims > MAX_INTERIM {
                        worker.stats.limits.interim_answers.one();
                        return Err(Failure::TooManyInterim);
                    }
                }
                Begun::Switched(used) => {
                    // What is left of the request would go into the tunnel, and be lost or taken for the client's.
                    if !upstream.is_clean(self.request) {
                        return Err(Failure::EarlySwitch);
                    }
                    let rest = input[used..].to_vec();
                    return self.send(&out).map(|()| Some(Attempted::Switched(rest)));
                }
                Begun::Final(mut answer, used) => {
                    let replayable = arrival.interims == 0 && upstream.can_replay();
                    // Some services say 408 to a connection that they think forgotten. One that crosses the
                    // request on its way is a close, and no answer (RFC 9110 §15.5.9).
                    let stale = answer.status == 408 && upstream.life.was_idle() && !answer.keep_service;
                    if stale && replayable && self.request.facts.idempotent {
                        arrival.began = false;
                        return Err(Failure::Closed);
                    }
                    picked.answered(self.timing.first_byte, answer.status);
                    if let Some(next) = self.instead_of(service, answer.status, replayable) {
                        return Ok(Some(Attempted::Unwanted(next)));
                    }
                    if !self.client.facts.added.is_empty() {
                        added::add_all(&mut out, head_at, &self.client.facts.added);
                    }
                    let body = &input[used..];
                    let (taken, there) = match answer.frame {
                        Frame::Plain => (answer.read_plain(body), body.len()),
                        _ => (answer.read_framed(body, &self.route.response, &mut out)?, body.len()),
                    };
                    // What follows the answer was asked for by nobody. Such a connection is not used again.
                    answer.keep_service &= taken == there;
                    let start = from + used;
                    let whole = if stashed { None } else { scratch.prepend(&out, start, start + taken) };
                    match whole {
                        Some(whole) if answer.frame == Frame::Plain => self.send(whole)?,
                        _ => {
                            if answer.frame == Frame::Plain {
                                let body = if stashed { &arrival.partial } else { scratch.filled(count) };
                                out.extend_from_slice(&body[start..start + taken]);
                            }
                            self.send(&out)?;
                        }
                    }
                    return Ok(Some(Attempted::Answer(answer)));
                }
            }
        }
    }

    fn send(&mut self, data: &[u8]) -> Result<(), Failure> {
        if data.is_empty() {
            return Ok(());
        }
        self.client.send(data, self.worker).map_err(|_| Failure::ClientGone)
    }
}

/// What came of an answer before its final head.
#[derive(Debug, Default)]
struct Arrival {
    /// Whether any byte came.
    began: bool,
    /// A head that is not all there.
    partial: Vec<u8>,
    interims: u8,
}
