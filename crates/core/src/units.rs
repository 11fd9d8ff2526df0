//! Durations and sizes as people write them: always with a unit.

use std::time::Duration;

/// Why a quantity could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// There is a number and nothing else.
    #[error("{0:?} has no unit; write {1}")]
    NoUnit(String, &'static str),
    /// The unit is not one of those that exist.
    #[error("{0:?} has an unknown unit; write {1}")]
    UnknownUnit(String, &'static str),
    /// There is no number in front.
    #[error("{0:?} does not start with a number; write {1}")]
    NoNumber(String, &'static str),
    /// It does not fit in 64 bits.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

const DURATION_FORMS: &str = "for example 250ms, 5s, 2m or 1h";
const SIZE_FORMS: &str = "for example 512B, 16KiB, 8MiB or 1GiB";

/// Reads a duration: a whole or decimal number and one of `us ms s m h d`, for example `1.5s`.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let nanos = quantity(text, DURATION_FORMS, |unit| {
        Some(match unit {
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        })
    })?;
    Ok(Duration::from_nanos(nanos))
}

/// Reads a size in bytes: a whole or decimal number and one of `B KB KiB MB MiB GB GiB`.
pub fn size(text: &str) -> Result<u64, UnitError> {
    quantity(text, SIZE_FORMS, |unit| {
        Some(match unit {
            "B" => 1,
            "KB" => 1_000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" => 1 << 30,
            _ => return None,
        })
    })
}

/// Writes a duration in the largest unit that keeps it whole, so that [`duration`] reads it back.
pub fn show_duration(d: Duration) -> String {
    let nanos = d.as_nanos();
    for (unit, factor) in [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ] {
        if nanos != 0 && nanos.is_multiple_of(factor) {
            return format!("{}{unit}", nanos / factor);
        }
    }
    if nanos == 0 { "0s".to_owned() } else { format!("{}us", nanos / 1_000) }
}

fn quantity(text: &str, forms: &'static str, factor: impl Fn(&str) -> Option<u64>) -> Result<u64, UnitError> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    if number.is_empty()
        || number.starts_with('.')
        || number.ends_with('.')
        || number.matches('.').count() > 1
    {
        return Err(UnitError::NoNumber(text.to_owned(), forms));
    }
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Err(UnitError::NoUnit(text.to_owned(), forms));
    }
    let factor = factor(unit).ok_or_else(|| UnitError::UnknownUnit(text.to_owned(), forms))?;
    let too_large = || UnitError::TooLarge(text.to_owned());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    // In integers, so that 0.1s is exactly 100 ms; digits past the 18th can't matter for any unit.
    let digits = &fraction[..fraction.len().min(18)];
    let numerator: u128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| too_large())? };
    let part = numerator * u128::from(factor) / 10u128.pow(digits.len() as u32);
    let part = u64::try_from(part).map_err(|_| too_large())?;
    whole.checked_mul(factor).and_then(|n| n.checked_add(part)).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("5 s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        assert!(matches!(duration("5"), Err(UnitError::NoUnit(..))));
        assert!(matches!(duration("5x"), Err(UnitError::UnknownUnit(..))));
        for bad in ["", "s", ".5s", "5.s", "1.2.3s", "-1s"] {
            assert!(matches!(duration(bad), Err(UnitError::NoNumber(..))), "{bad}");
        }
        assert!(matches!(duration("99999999999999999999d"), Err(UnitError::TooLarge(_))));
        assert!(matches!(duration("999999999d"), Err(UnitError::TooLarge(_))));
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(size("16KiB"), Ok(16_384));
        assert_eq!(size("1.5MiB"), Ok(1_572_864));
        assert_eq!(size("10MB"), Ok(10_000_000));
        assert!(matches!(size("10"), Err(UnitError::NoUnit(..))));
        assert!(matches!(size("10mb"), Err(UnitError::UnknownUnit(..))));
    }

    #[test]
    fn what_is_shown_can_be_read_back() {
        for text in ["0s", "250ms", "5s", "90s", "2m", "1h", "3d", "7us"] {
            let d = duration(text).unwrap();
            assert_eq!(duration(&show_duration(d)), Ok(d), "{text}");
        }
    }
}
