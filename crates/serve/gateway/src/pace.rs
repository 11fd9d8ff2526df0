//! Patience with a slow client.
//!
//! A client that sends a body or takes an answer byte by byte holds a connection, a request in flight and memory.
//! Each wait for it uses up patience, each byte that moves earns some back: at least `limits.min_rate` bytes a
//! second on the average, with some waiting allowed for in advance.

use std::time::Duration;

use haechi_core::Instant;

/// What is known of how fast a client moves one body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Waited so far without having been earned back.
    used: Duration,
    /// Waiting since, and how much had moved then.
    waiting: Option<(Instant, u64)>,
}

impl Pace {
    /// The client is waited for, and `moved` bytes have moved in all. Returns for how long it may take until more
    /// do, out of `patience`; nothing when none moved since this was last asked.
    pub fn wait(&mut self, now: Instant, moved: u64, rate: u64, patience: Duration) -> Option<Duration> {
        if self.waiting.is_some_and(|(_, before)| before == moved) {
            return None;
        }
        self.moved(now, moved, rate);
        self.waiting = Some((now, moved));
        Some(if rate == 0 { patience } else { patience.saturating_sub(self.used) })
    }

    /// The client is not waited for any more: `moved` bytes have moved.
    pub fn moved(&mut self, now: Instant, moved: u64, rate: u64) {
        if let Some((since, before)) = self.waiting.take() {
            let bytes = moved.saturating_sub(before);
            let earned =
                Duration::from_micros(bytes.saturating_mul(1_000_000).checked_div(rate).unwrap_or(0));
            self.used = (self.used + now.since(since)).saturating_sub(earned);
        }
    }

    /// Whether the client is waited for.
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_steady_client_is_never_out_of_patience() {
        let mut pace = Pace::default();
        for second in 0..1000 {
            assert_eq!(pace.wait(at(second), second * 500, 500, PATIENCE), Some(PATIENCE));
            assert_eq!(pace.wait(at(second), second * 500, 500, PATIENCE), None, "nothing moved");
        }
    }

    #[test]
    fn a_client_that_trickles_runs_out_of_it() {
        let mut pace = Pace::default();
        let mut now = at(0);
        let mut moved = 0;
        let mut left = pace.wait(now, moved, 500, PATIENCE).unwrap();
        // A byte every ten seconds.
        while left > Duration::from_secs(10) {
            now = now + Duration::from_secs(10);
            moved += 1;
            left = pace.wait(now, moved, 500, PATIENCE).unwrap();
        }
        assert!(now <= at(60));
    }

    #[test]
    fn time_that_others_take_is_not_the_clients() {
        let mut pace = Pace::default();
        pace.wait(at(0), 0, 500, PATIENCE);
        pace.moved(at(1), 500, 500);
        assert!(!pace.is_waiting());
        assert_eq!(pace.wait(at(100), 500, 500, PATIENCE), Some(PATIENCE));
    }

    #[test]
    fn without_a_rate_any_byte_will_do() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait(at(0), 0, 0, PATIENCE), Some(PATIENCE));
        assert_eq!(pace.wait(at(59), 1, 0, PATIENCE), Some(PATIENCE));
    }
}
