//! Evidence on its way to the registry that is followed: batched, bounded, and dropped when it is old.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use haechi_core::{Clock, Evidence};
use haechi_stream::wire::{EVIDENCE_BATCH, EVIDENCE_PATH, Seen};
use haechi_web::client::{Client, Url};

/// Observations that wait, at most; the oldest go first.
const WAITING: usize = 1_024;
/// An older one tells nothing: the instance renewed since, or its lease is about to run out.
const OLD: Duration = Duration::from_secs(10);
/// After a registry did not take any.
const AGAIN: Duration = Duration::from_millis(200);

type Sending = Pin<Box<dyn Future<Output = Result<(), Vec<Evidence>>> + Send>>;

/// What waits to be told.
pub(super) struct Outbox {
    client: Client,
    waiting: VecDeque<Evidence>,
    to: Option<Url>,
    sending: Option<Sending>,
    dropped: u64,
}

impl Outbox {
    pub fn new(client: Client) -> Self {
        Self { client, waiting: VecDeque::new(), to: None, sending: None, dropped: 0 }
    }

    /// Where evidence goes from now on. Nothing holds it back.
    pub fn to(&mut self, url: Option<Url>) {
        self.to = url;
    }

    pub fn push(&mut self, seen: Evidence) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(seen);
    }

    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends a batch; returns when it was taken or not. Waits while there is nothing to do. May be left and
    /// called again at any time.
    pub async fn work(&mut self, clock: &dyn Clock) {
        if self.sending.is_none() {
            let now = clock.now();
            while self.waiting.front().is_some_and(|seen| now.since(seen.at) > OLD) {
                self.waiting.pop_front();
                self.dropped += 1;
            }
            let (Some(url), false) = (&self.to, self.waiting.is_empty()) else {
                return std::future::pending().await;
            };
            let Ok(url) = url.join(EVIDENCE_PATH) else { return std::future::pending().await };
            let batch: Vec<Evidence> = self.waiting.drain(..self.waiting.len().min(EVIDENCE_BATCH)).collect();
            let seen: Vec<Seen> = batch.iter().map(|seen| Seen::of(seen, now)).collect();
            self.sending = Some(Box::pin(send(self.client.clone(), url, seen, batch)));
        }
        let Some(sending) = self.sending.as_mut() else { return };
        let outcome = sending.await;
        self.sending = None;
        if let Err(batch) = outcome {
            for seen in batch.into_iter().rev() {
                self.waiting.push_front(seen);
            }
            self.waiting.truncate(WAITING);
        }
    }
}

async fn send(client: Client, url: Url, seen: Vec<Seen>, batch: Vec<Evidence>) -> Result<(), Vec<Evidence>> {
    // Names and numbers can always be written.
    let body = serde_json::to_vec(&seen).unwrap_or_default();
    let request = client.post(url).header("content-type", "application/json").body(body);
    match request.send().await {
        // What it refuses, it refuses again.
        Ok(answer) if !answer.status().is_server_error() => Ok(()),
        _ => {
            tokio::time::sleep(AGAIN).await;
            Err(batch)
        }
    }
}
