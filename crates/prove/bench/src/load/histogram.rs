//! A histogram of durations with a bounded relative error, in the manner of HdrHistogram: powers of two, each
//! divided into [`STEPS`] equal buckets.

use std::time::Duration;

/// Buckets per power of two; the relative error of a quantile is at most 1 / `STEPS`.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Enough powers of two for 2^44 ns, almost five hours; longer durations count as that.
const MAX_NANOS: u64 = (1 << 44) - 1;

/// Durations counted in buckets of nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; bucket(MAX_NANOS) + 1], total: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(MAX_NANOS).min(MAX_NANOS);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// The duration that the share `quantile` (0 to 1) of all recorded ones doesn't exceed; zero when empty.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = ((quantile * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(highest_of(index).min(self.max));
            }
        }
        Duration::ZERO
    }

    /// The longest duration recorded.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }
}

/// The bucket of a value: values below [`STEPS`] have one each, larger ones share by their leading bits.
fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - STEP_BITS;
    (u64::from(shift) * STEPS + (nanos >> shift)) as usize
}

/// The largest value that falls into the bucket `index`.
fn highest_of(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    ((index % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_at_most_one_step_below_its_buckets_highest() {
        for nanos in (0..40).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + (1 << bit) / 3]) {
            let highest = highest_of(bucket(nanos));
            assert!(highest >= nanos, "{nanos} -> {highest}");
            assert!(highest - nanos <= nanos / STEPS, "{nanos} -> {highest}");
            assert!(bucket(highest + 1) == bucket(nanos) + 1, "{nanos}");
        }
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        let near = |quantile, micros: f64| {
            let got = histogram.quantile(quantile).as_secs_f64() * 1e6;
            assert!((got / micros - 1.0).abs() < 0.01, "{quantile}: {got}");
        };
        near(0.5, 500.0);
        near(0.99, 990.0);
        assert_eq!(histogram.quantile(1.0), Duration::from_millis(1));
        assert_eq!(histogram.max(), Duration::from_millis(1));
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
    }
}
