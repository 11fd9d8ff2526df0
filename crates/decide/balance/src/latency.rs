//! A moving average that jumps up to a peak at once and comes down slowly, so that one slow answer is
//! enough to be careful and one fast answer is not enough to forget it (peak EWMA, as in Finagle).

use std::time::Duration;

use haechi_core::Instant;

/// Time in which a past latency loses 63 % of its weight. Finagle's and linkerd's default: long enough to
/// bridge the gaps of a quiet service, short enough to try a slow endpoint again within a minute.
const DECAY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeakEwma {
    nanos: f64,
    at: Instant,
}

impl PeakEwma {
    pub(crate) fn starting_at(latency: Duration, now: Instant) -> Self {
        Self { nanos: latency.as_nanos() as f64, at: now }
    }

    pub(crate) fn observe(&mut self, latency: Duration, now: Instant) {
        let (seen, kept) = (latency.as_nanos() as f64, self.nanos);
        let keep = self.share_kept(now);
        self.nanos = if seen > kept * keep { seen } else { kept * keep + seen * (1.0 - keep) };
        self.at = self.at.max(now);
    }

    /// Nanoseconds, come down for the time in which nothing was observed: an endpoint that was slow once is
    /// tried again in the end.
    pub(crate) fn nanos(&self, now: Instant) -> f64 {
        self.nanos * self.share_kept(now)
    }

    pub(crate) fn latency(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.nanos(now) as u64)
    }

    fn share_kept(&self, now: Instant) -> f64 {
        (-now.since(self.at).as_secs_f64() / DECAY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn it_jumps_up_and_comes_down_slowly() {
        let mut ewma = PeakEwma::default();
        ewma.observe(Duration::from_millis(10), at(0));
        assert_eq!(ewma.latency(at(0)), Duration::from_millis(10));
        ewma.observe(Duration::from_millis(500), at(1));
        assert_eq!(ewma.latency(at(1)), Duration::from_millis(500));
        ewma.observe(Duration::from_millis(10), at(2));
        let after = ewma.latency(at(2));
        assert!(after > Duration::from_millis(400), "{after:?}");
        assert!(ewma.latency(at(62)) < Duration::from_millis(2));
    }

    #[test]
    fn a_reading_from_the_past_changes_no_time() {
        let mut ewma = PeakEwma::starting_at(Duration::from_millis(10), at(5));
        ewma.observe(Duration::from_millis(20), at(3));
        assert_eq!(ewma.latency(at(5)), Duration::from_millis(20));
    }
}
