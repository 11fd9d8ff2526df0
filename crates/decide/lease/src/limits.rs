//! What bounds the state, and the rules' numbers.

use std::time::Duration;

/// Bounds on what outsiders can make the registry hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Registered instances; one more is refused.
    pub instances: usize,
    /// Changes kept for deltas. When older ones fall out early, clients see by the hash code that they need
    /// a full fetch.
    pub recent_changes: usize,
    /// Instances removed on evidence that are remembered, to notice when one turns out to be alive.
    pub tombstones: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { instances: 200_000, recent_changes: 100_000, tombstones: 4_096 }
    }
}

/// The registry's rules in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether mass silence stops evictions.
    pub self_preservation: bool,
    /// Silence of up to this share of all instances (and always of one) is taken for death. 15 % is
    /// Eureka's `renewalPercentThreshold` seen from the other side.
    pub tolerated_silence_percent: usize,
    /// Evictions of this past count as silence, so that a fault can't empty the registry bit by bit.
    pub silence_window: Duration,
    /// A lease that self-preservation has held for this long is evicted after all, provided that most
    /// instances are heard.
    pub hold_at_most: Duration,
    /// How often [`crate::Registry::tick`] is called. A gap of more than [`Policy::DEAF_TICKS`] of these
    /// means that the process itself stood still, and doesn't count against any lease.
    pub tick: Duration,
    /// Changes of this past are in a delta (`retentionTimeInMSInDeltaQueue`).
    pub delta_retention: Duration,
    /// For how long evidence against an instance is only counted, once it has proved such evidence wrong.
    pub trust: Duration,
}

impl Policy {
    /// Ticks that may be missed before the process counts as having stood still.
    pub const DEAF_TICKS: u32 = 5;
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            self_preservation: true,
            tolerated_silence_percent: 15,
            silence_window: Duration::from_secs(60),
            hold_at_most: Duration::from_secs(15 * 60),
            tick: Duration::from_secs(1),
            delta_retention: Duration::from_secs(180),
            trust: Duration::from_secs(10 * 60),
        }
    }
}
