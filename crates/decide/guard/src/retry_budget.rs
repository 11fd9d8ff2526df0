//! A token bucket fed by successes, so that retries can't multiply an overload.
//!
//! When a service fails wholly, there are no successes and retries shrink to the floor; while it works, up to
//! `percent` of its successes may be retried. The same idea is in Finagle's and linkerd's retry budgets.
//!
//! What can be saved up follows the traffic: the successes of the last [`WINDOW`] (up to two, see there) pay for
//! it. When an instance freezes, every request that it holds comes back within one timeout; a fixed reserve would
//! be too small for a busy service and far too large for a quiet one.

use std::time::Duration;

use haechi_core::Instant;
use haechi_route::config;

/// One token in the bucket's unit. A unit of 10⁻⁹ token makes both deposits exact in integers: one nanosecond
/// of `floor_per_second` = 1, and 1 % of a token is 10⁷ units.
const TOKEN: u64 = 1_000_000_000;

/// Tokens earned in the current window and the one before it can be saved up: those of 10 to 20 seconds.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Tokens for the retries of one service on one worker.
///
/// It starts with `burst` tokens. Up to a moment `t` after that with `n` successes it has granted at most
/// `burst + floor_per_second·t + n·percent/100` retries, and it never holds more than `burst`, or than what the
/// last two windows' successes earned, if that is more.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    config: config::RetryBudget,
    units: u64,
    filled: Instant,
    /// When the current window began.
    window: Instant,
    /// Units earned by successes in the current window.
    earning: u64,
    /// Units earned in the window before it.
    earned: u64,
    granted: u64,
    denied: u64,
}

impl RetryBudget {
    /// A full bucket at `now`.
    pub fn new(config: config::RetryBudget, now: Instant) -> Self {
        let units = u64::from(config.burst) * TOKEN;
        Self { config, units, filled: now, window: now, earning: 0, earned: 0, granted: 0, denied: 0 }
    }

    /// Takes a new configuration. Tokens stay, cut at the new `burst`; raising `burst` gives none.
    pub fn configure(&mut self, config: config::RetryBudget, now: Instant) {
        self.refill(now);
        self.config = config;
        self.units = self.units.min(self.capacity());
    }

    /// Counts a request that was answered at its first attempt or a later one.
    pub fn succeeded(&mut self, now: Instant) {
        self.roll(now);
        let deposit = u64::from(self.config.percent) * (TOKEN / 100);
        self.earning = self.earning.saturating_add(deposit);
        self.units = self.units.saturating_add(deposit).min(self.capacity());
    }

    /// Takes the token for one retry. `false`: there is none, the request must not be sent again.
    #[must_use]
    pub fn try_take(&mut self, now: Instant) -> bool {
        self.refill(now);
        if self.units < TOKEN {
            self.denied += 1;
            return false;
        }
        self.units -= TOKEN;
        self.granted += 1;
        true
    }

    /// Whole tokens left at `now`.
    pub fn available(&self, now: Instant) -> u64 {
        self.units_at(now) / TOKEN
    }

    /// Retries granted since the start.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Retries denied since the start.
    pub fn denied(&self) -> u64 {
        self.denied
    }

    /// Most units held.
    fn capacity(&self) -> u64 {
        (u64::from(self.config.burst) * TOKEN).max(self.earned.saturating_add(self.earning))
    }

    /// Begins a new window when the current one is over. A capacity that shrinks takes tokens with it.
    fn roll(&mut self, now: Instant) {
        let past = now.since(self.window);
        if past < WINDOW {
            return;
        }
        self.earned = if past < WINDOW * 2 { self.earning } else { 0 };
        self.earning = 0;
        self.window = now;
        self.units = self.units.min(self.capacity());
    }

    fn units_at(&self, now: Instant) -> u64 {
        let came = now.since(self.filled).as_nanos() * u128::from(self.config.floor_per_second);
        let sum = u128::from(self.units).saturating_add(came).min(u128::from(self.capacity()));
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    fn refill(&mut self, now: Instant) {
        self.roll(now);
        self.units = self.units_at(now);
        // A reading from before the last one must not pay the same time twice.
        self.filled = self.filled.max(now);
    }
}
