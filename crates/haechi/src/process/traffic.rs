//! The last minutes of traffic, one sample a second, for the console.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use haechi_admin::view::Sample;
use haechi_core::WallTime;

/// Samples kept: five minutes.
const KEPT: usize = 300;

/// Totals since the start, as the gateway counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests answered.
    pub requests: u64,
    /// Of these with 5xx.
    pub errors: u64,
    /// Retries.
    pub retries: u64,
    /// Upper bounds of the latency buckets in microseconds with their counts, not cumulative; the last bound
    /// is that of the slowest bucket.
    pub latency: Vec<(u64, u64)>,
}

/// Samples, made from successive totals.
#[derive(Debug, Default)]
pub struct Traffic {
    inner: Mutex<(Totals, VecDeque<Sample>)>,
}

impl Traffic {
    /// Adds what happened since the last call.
    pub fn sample(&self, at: WallTime, now: Totals) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, samples) = &mut *inner;
        let before = |index: usize| last.latency.get(index).map_or(0, |(_, count)| *count);
        let fresh: Vec<(u64, u64)> = now
            .latency
            .iter()
            .enumerate()
            .map(|(index, (bound, count))| (*bound, count.saturating_sub(before(index))))
            .collect();
        let sample = Sample {
            at,
            requests: now.requests.saturating_sub(last.requests),
            errors: now.errors.saturating_sub(last.errors),
            retries: now.retries.saturating_sub(last.retries),
            p50_ms: quantile_ms(&fresh, 0.5).unwrap_or_default(),
            p99_ms: quantile_ms(&fresh, 0.99).unwrap_or_default(),
        };
        if samples.len() == KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
        *last = now;
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> Vec<Sample> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1.iter().copied().collect()
    }
}

/// A quantile out of buckets, in milliseconds, interpolated within its bucket. Nothing without a count.
pub fn quantile_ms(buckets: &[(u64, u64)], share: f64) -> Option<f64> {
    let total: u64 = buckets.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return None;
    }
    let rank = share * total as f64;
    let (mut below, mut lower) = (0.0, 0u64);
    for (bound, count) in buckets {
        let above = below + *count as f64;
        if *count > 0 && above >= rank {
            let into = ((rank - below) / *count as f64).clamp(0.0, 1.0);
            return Some((lower as f64 + into * bound.saturating_sub(lower) as f64) / 1000.0);
        }
        below = above;
        lower = *bound;
    }
    Some(lower as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let buckets = [(1_000, 50), (2_000, 50), (10_000, 0)];
        assert_eq!(quantile_ms(&buckets, 0.5), Some(1.0));
        assert_eq!(quantile_ms(&buckets, 0.75), Some(1.5));
        assert_eq!(quantile_ms(&buckets, 1.0), Some(2.0));
        assert_eq!(quantile_ms(&[(1_000, 0)], 0.5), None);
    }

    #[test]
    fn a_sample_is_what_happened_since_the_last_one() {
        let traffic = Traffic::default();
        let totals = |requests, slow| Totals {
            requests,
            latency: vec![(1_000, requests - slow), (2_000, slow)],
            ..Totals::default()
        };
        traffic.sample(WallTime(1), totals(100, 0));
        traffic.sample(WallTime(2), totals(110, 10));
        let samples = traffic.samples();
        assert_eq!(samples[1].requests, 10);
        assert!((samples[1].p50_ms - 1.5).abs() < 1e-9);
    }
}
