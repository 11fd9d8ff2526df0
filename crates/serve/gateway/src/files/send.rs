//! An answer on its way to the client, as fast as the client takes it.

use super::answer::{Answer, Piece};
use crate::added;
use crate::client::Client;
use crate::exchange::{Outcome, Then};
use crate::failure::Failure;
use crate::own::{OwnHead, write_head};
use crate::prepare::RequestFacts;
use crate::route::RunningRoute;
use crate::worker::Worker;

/// Bytes read from a file at once. With a head in front it fits into one buffer.
const CHUNK: usize = 56 << 10;

/// Sends an answer. An error is one that nothing was sent for.
pub(super) async fn send(
    client: &mut Client,
    answer: &Answer,
    route: &RunningRoute,
    facts: &RequestFacts,
    keep: bool,
    worker: &Worker,
) -> Result<Outcome, Failure> {
    let mut out = worker.buffers.take();
    let head = OwnHead { status: answer.status, fields: &answer.fields, length: answer.length };
    write_head(&mut out, head, Some(&route.response), keep, facts.version);
    if !client.facts.added.is_empty() {
        added::add_all(&mut out, 0, &client.facts.added);
    }
    let mut sending = Sending { client, worker, route, facts, out, head: true, bytes: 0 };
    let ended = if facts.is_head { sending.flush().await } else { sending.body(answer).await };
    let (failure, bytes, nothing_sent) = (ended.err(), sending.bytes, sending.head);
    worker.buffers.give(std::mem::take(&mut sending.out));
    match failure {
        Some(failure) if nothing_sent => Err(failure),
        // The length was announced, so closing shows that this is not all of it.
        Some(_) => Ok(Outcome { status: answer.status, failure, body_bytes: bytes, then: Then::Close }),
        None => {
            let then = if keep { Then::Keep } else { Then::Linger };
            Ok(Outcome { status: answer.status, failure: None, body_bytes: bytes, then })
        }
    }
}

struct Sending<'a> {
    client: &'a mut Client,
    worker: &'a Worker,
    route: &'a RunningRoute,
    facts: &'a RequestFacts,
    /// Not sent yet.
    out: Vec<u8>,
    /// Whether the head is among it.
    head: bool,
    /// Bytes of the body.
    bytes: u64,
}

impl Sending<'_> {
    async fn body(&mut self, answer: &Answer) -> Result<(), Failure> {
        for piece in &answer.pieces {
            match piece {
                Piece::Text(text) => {
                    self.out.extend_from_slice(text);
                    self.bytes += text.len() as u64;
                }
                Piece::Bytes(range) => {
                    let mut at = range.start;
                    while at < range.end {
                        let chunk = self.client.conn.appetite().min(CHUNK);
                        if self.out.len() >= chunk {
                            self.flush().await?;
                        }
                        let most = usize::try_from(range.end - at).unwrap_or(chunk).min(chunk);
                        // Before it is read: that may take a while, in which others do the same.
                        self.client.conn.keep(self.out.len() + most);
                        let source = answer.source.as_ref().ok_or(Failure::FileUnreadable)?;
                        let count = source.read(at, most, &mut self.out).await?;
                        if count == 0 {
                            // The file shrank. What is missing must be missed.
                            return Err(Failure::FileShrank);
                        }
                        at += count as u64;
                        self.bytes += count as u64;
                    }
                }
            }
        }
        self.flush().await
    }

    /// Sends what there is and waits until the client took it, within the idle bound and the request's.
    async fn flush(&mut self) -> Result<(), Failure> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.head = false;
        let (idle, whole) = (self.route.timeouts.idle, self.route.timeouts.request);
        let within = if whole.is_zero() {
            idle
        } else {
            idle.min(whole.saturating_sub(self.worker.now().since(self.facts.started)))
        };
        let sent = self.client.send_all(&mut self.out, self.worker);
        if sent.is_ok() && self.client.flush(self.worker, within).await {
            if self.out.capacity() == 0 {
                self.out = self.worker.buffers.take();
            }
            return Ok(());
        }
        Err(Failure::ClientGone)
    }
}
