//! What a load generator counted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connection::{Answer, Failure};
use super::histogram::Histogram;

/// Kinds of failures kept apart; a flood of different ones is counted under the last.
const MAX_KINDS: usize = 16;

/// Answers, failures and latencies.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Right answers.
    pub answered: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Everything else.
    pub failed: u64,
    /// Failures by what they were.
    pub kinds: BTreeMap<String, u64>,
    /// Time to the whole answer, of right answers.
    pub latency: Histogram,
}

impl Tally {
    /// Counts one exchange.
    pub fn record(&mut self, outcome: &Result<Answer, Failure>, took: Duration) {
        match outcome {
            Ok(answer) => {
                self.answered += 1;
                self.bytes += answer.body_len;
                self.latency.record(took);
            }
            Err(failure) => {
                self.failed += 1;
                let kind = failure.to_string();
                let full = self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind);
                *self.kinds.entry(if full { "others".to_owned() } else { kind }).or_default() += 1;
            }
        }
    }

    /// Failures in words, empty when there were none.
    pub fn failures(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        kinds.join(", ")
    }
}
