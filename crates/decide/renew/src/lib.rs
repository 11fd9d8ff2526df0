//! When a certificate is renewed, and how soon after a failure it is tried again.
//!
//! Dates are seconds since 1970: certificates are about dates, and so is what CAs say of them.

use std::time::Duration;

use haechi_core::rng::Rng;

/// What a certificate says of its validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Its beginning.
    pub not_before: u64,
    /// Its end.
    pub not_after: u64,
}

/// When the CA wants a certificate to be renewed (RFC 9773 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub start: u64,
    /// Its end.
    pub end: u64,
}

/// Where an attempt to get a certificate failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The CA was not reached. Trying again costs it nothing.
    Unreachable,
    /// The CA refused. Large ones count refusals: five for a name in an hour are too many.
    Refused,
}

/// Which part of a lifetime the dates of renewal are spread over, so that certificates made together are not renewed
/// together.
const SPREAD: u64 = 30;

/// Which part of a lifetime is left for trying again, whatever the CA's window says.
const LEFT: u64 = 10;

/// When a certificate is to be renewed: where the CA says so, at a moment of its window drawn at random; else when two
/// thirds of its lifetime are over, or up to a thirtieth of it earlier.
pub fn due(lifetime: Lifetime, window: Option<Window>, rng: &mut Rng) -> u64 {
    let Lifetime { not_before, not_after } = lifetime;
    let length = not_after.saturating_sub(not_before);
    let last = not_after - length / LEFT;
    match window {
        Some(Window { start, end }) if start < end && start < last => rng.u64(start..end.min(last)),
        _ => (not_before + length / 3 * 2).saturating_sub(rng.u64(0..=length / SPREAD)),
    }
}

/// For how long nothing is tried after so many failures in a row. `asked` is what the CA asked for (Retry-After).
pub fn pause(fault: Fault, failures: u32, asked: Option<Duration>, rng: &mut Rng) -> Duration {
    let (first, most) = match fault {
        Fault::Unreachable => (UNREACHABLE, HOUR),
        // 0, 5, 15, 35 and 75 minutes: four in the first hour.
        Fault::Refused => (REFUSED, 6 * HOUR),
    };
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(most);
    let least = doubled.max(asked.unwrap_or_default().min(LONGEST));
    // Only ever longer: what a CA asked for is kept.
    least + least.mul_f64(rng.f64() / 4.0)
}

const HOUR: Duration = Duration::from_secs(3600);

/// The first pause when the CA was not reached.
const UNREACHABLE: Duration = Duration::from_secs(30);

/// The first pause when it refused.
const REFUSED: Duration = Duration::from_secs(300);

/// What a CA may ask for, at most: its longest limits are by the week.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests {
    use haechi_core::rng::seeded;

    use super::*;

    const DAY: u64 = 86_400;
    const LIFETIME: Lifetime = Lifetime { not_before: 1000 * DAY, not_after: 1090 * DAY };

    #[test]
    fn it_is_renewed_when_two_thirds_are_over_and_not_all_at_once() {
        let mut rng = seeded(1);
        let dates: Vec<u64> = (0..1000).map(|_| due(LIFETIME, None, &mut rng)).collect();
        assert!(dates.iter().all(|date| (1057 * DAY..=1060 * DAY).contains(date)));
        assert!(dates.iter().any(|date| *date < 1058 * DAY) && dates.iter().any(|date| *date > 1059 * DAY));
    }

    #[test]
    fn the_cas_window_counts_unless_it_leaves_no_time() {
        let mut rng = seeded(2);
        let mut at = |start, end| due(LIFETIME, Some(Window { start, end }), &mut rng);
        for _ in 0..1000 {
            // It was revoked: at once.
            assert!((5..6).contains(&at(5, 6)));
            assert!((1070 * DAY..1072 * DAY).contains(&at(1070 * DAY, 1072 * DAY)));
            assert!((1070 * DAY..1081 * DAY).contains(&at(1070 * DAY, 1090 * DAY)));
            for (start, end) in [(1085 * DAY, 1090 * DAY), (7, 7), (8, 7)] {
                assert!((1057 * DAY..=1060 * DAY).contains(&at(start, end)));
            }
        }
    }

    #[test]
    fn any_lifetime_has_a_date() {
        let mut rng = seeded(3);
        for (not_before, not_after) in [(0, 0), (5, 1), (0, 1), (u64::MAX - 1, u64::MAX)] {
            for window in [None, Some(Window { start: 0, end: u64::MAX })] {
                due(Lifetime { not_before, not_after }, window, &mut rng);
            }
        }
    }

    #[test]
    fn no_name_is_refused_five_times_in_an_hour() {
        for seed in 0..100 {
            let mut rng = seeded(seed);
            let (mut at, mut in_first_hour) = (Duration::ZERO, 1);
            for failures in 1..10 {
                at += pause(Fault::Refused, failures, None, &mut rng);
                in_first_hour += u32::from(at < HOUR);
            }
            assert!(in_first_hour < 5, "seed {seed}");
        }
    }

    #[test]
    fn a_pause_grows_to_its_bound_and_keeps_what_was_asked_for() {
        let mut rng = seeded(4);
        let mut of = |fault, failures, asked: u64| {
            pause(fault, failures, Some(Duration::from_secs(asked)), &mut rng).as_secs()
        };
        assert!((30..=38).contains(&of(Fault::Unreachable, 1, 0)));
        assert!((60..=75).contains(&of(Fault::Unreachable, 2, 0)));
        assert!((3600..=4500).contains(&of(Fault::Unreachable, u32::MAX, 0)));
        assert!((6 * 3600..=27_000).contains(&of(Fault::Refused, u32::MAX, 0)));
        assert!((9000..=11_250).contains(&of(Fault::Refused, 1, 9000)));
        assert!(of(Fault::Refused, 1, u64::MAX) <= 7 * 86_400 * 5 / 4);
    }
}
