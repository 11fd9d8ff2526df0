//! Counting per minute.

use std::time::Duration;

use haechi_core::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts events and tells how many came in the last completed minute (Eureka's `MeasuredRate`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerMinute {
    started: Instant,
    current: u64,
    last: u64,
}

impl PerMinute {
    pub fn count(&mut self, now: Instant) {
        self.roll(now);
        self.current += 1;
    }

    pub fn last_minute(mut self, now: Instant) -> u64 {
        self.roll(now);
        self.last
    }

    fn roll(&mut self, now: Instant) {
        let passed = now.since(self.started);
        if passed < MINUTE {
            return;
        }
        self.last = if passed < MINUTE * 2 { self.current } else { 0 };
        self.current = 0;
        let minutes = passed.as_nanos() / MINUTE.as_nanos();
        self.started = self.started + MINUTE.saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_completed_minute_counts() {
        let at = |secs| Instant::ZERO + Duration::from_secs(secs);
        let mut rate = PerMinute::default();
        rate.count(at(1));
        rate.count(at(59));
        assert_eq!(rate.last_minute(at(59)), 0);
        assert_eq!(rate.last_minute(at(60)), 2);
        rate.count(at(61));
        assert_eq!(rate.last_minute(at(119)), 2);
        assert_eq!(rate.last_minute(at(120)), 1);
        assert_eq!(rate.last_minute(at(300)), 0);
    }
}
