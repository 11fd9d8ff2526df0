//! The clock seam. Decisions take an [`Instant`] (monotonic) or a [`WallTime`] (for timestamps that leave
//! the process); only [`SystemClock`] reads the machine's clocks.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A point on the monotonic clock: nanoseconds since the clock's own start.
///
/// Leases, TTLs, budgets and deadlines use this and never [`WallTime`], so a jump of the machine's date
/// changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The clock's start.
    pub const ZERO: Self = Self(0);

    /// The point `nanos` nanoseconds after the clock's start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    /// Saturates: a deadline too far away is one that never comes.
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since the Unix epoch, for timestamps that people and other programs read.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub u64);

impl fmt::Display for WallTime {
    /// RFC 3339 in UTC with milliseconds, for example `2026-11-21T21:38:13.042Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0 / 1000, self.0 % 1000);
        let (days, rest) = (secs / 86_400, secs % 86_400);
        let (year, month, day) = civil_from_days(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            rest / 3600,
            rest / 60 % 60,
            rest % 60
        )
    }
}

impl WallTime {
    /// Reads what [`Display`](fmt::Display) writes, to the byte; nothing else.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second, millis) =
            (number(11..13)?, number(14..16)?, number(17..19)?, number(20..23)?);
        // The inverse of `civil_from_days`: years begin in March, so that a leap day ends one.
        let (march_year, march_month) =
            if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
        let day_of_era = march_year % 400 * 365 + march_year % 400 / 4 - march_year % 400 / 100
            + (153 * march_month + 2) / 5
            + day.checked_sub(1)?;
        let days = (march_year / 400 * 146_097 + day_of_era).checked_sub(719_468)?;
        let time = Self((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis);
        (time.to_string() == text).then_some(time)
    }
}

/// Proleptic Gregorian date of a day counted from 1970-01-01 (the era method: 400-year cycles from March).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Where time comes from. Parts hold an `Arc<dyn Clock>`; pure code takes its readings as arguments.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic time now.
    fn now(&self) -> Instant;
    /// The date now.
    fn wall(&self) -> WallTime;
}

/// The machine's clocks. The monotonic start is the moment of construction, or that of the clock it goes on from.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: std::time::Instant,
    before: Instant,
}

impl SystemClock {
    /// A clock that starts now. A process makes one and shares it: instants of two clocks don't compare.
    pub fn start() -> Arc<dyn Clock> {
        Self::going_on_from(Instant::ZERO)
    }

    /// A clock that goes on from what another process's clock says now, so that an instant of that process lies as
    /// far in the past here as there.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn going_on_from(before: Instant) -> Arc<dyn Clock> {
        Arc::new(Self { start: std::time::Instant::now(), before })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        self.before + self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn wall(&self) -> WallTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that moves only when told, for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    nanos: AtomicU64,
    epoch_ms: u64,
}

impl ManualClock {
    /// A clock at [`Instant::ZERO`] whose date is `epoch_ms` milliseconds after the Unix epoch.
    pub fn at(epoch_ms: u64) -> Arc<Self> {
        Arc::new(Self { nanos: AtomicU64::new(0), epoch_ms })
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        self.nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant(self.nanos.load(Ordering::SeqCst))
    }

    fn wall(&self) -> WallTime {
        WallTime(self.epoch_ms + self.nanos.load(Ordering::SeqCst) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_rfc_3339() {
        assert_eq!(WallTime(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(WallTime(951_782_400_123).to_string(), "2000-02-29T00:00:00.123Z");
        assert_eq!(WallTime(1_795_297_093_042).to_string(), "2026-11-21T21:38:13.042Z");
    }

    #[test]
    fn a_date_that_was_written_can_be_read() {
        for time in
            [0, 951_782_400_123, 1_709_164_800_000, 1_795_297_093_042, 4_102_444_799_999].map(WallTime)
        {
            assert_eq!(WallTime::from_rfc3339(&time.to_string()), Some(time));
        }
        for bad in [
            "",
            "2026-11-21",
            "2026-02-30T00:00:00.000Z",
            "2026-11-21T21:38:13.042+00:00",
            "x026-11-21T21:38:13.042Z",
        ] {
            assert_eq!(WallTime::from_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn instants_saturate_at_both_ends() {
        let far = Instant::ZERO + Duration::MAX;
        assert_eq!(far + Duration::from_secs(1), far);
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(Instant::ZERO.since(far), Duration::ZERO);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(1000);
        assert_eq!(clock.now(), Instant::ZERO);
        clock.advance(Duration::from_millis(250));
        assert_eq!(clock.now().since(Instant::ZERO), Duration::from_millis(250));
        assert_eq!(clock.wall(), WallTime(1250));
    }
}
