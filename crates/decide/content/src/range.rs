//! Byte ranges (RFC 9110 §14).

use std::ops::Range;

use smallvec::SmallVec;

/// Ranges in one request that are looked at. Clients ask for one, sometimes for a few; many small ones are how
/// servers were made to work hard for little (RFC 9110 §17.15).
pub const MAX_RANGES: usize = 16;

/// What a `Range` selects of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The field is absent, or not to be heeded: everything.
    Whole,
    /// More than [`MAX_RANGES`], or more bytes than there are: everything, and the limit struck.
    TooMany,
    /// None of them is there: 416.
    Unsatisfiable,
    /// These, in the order asked for; at least one, none empty.
    Some(SmallVec<[Range<u64>; 1]>),
}

impl Ranges {
    /// Reads the value of `Range` for a representation of `length` bytes. A malformed one is ignored, as RFC 9110
    /// §14.2 allows.
    pub fn parse(value: &[u8], length: u64) -> Self {
        let Some(set) = value.iter().position(|byte| *byte == b'=').map(|at| value.split_at(at)) else {
            return Self::Whole;
        };
        if !set.0.eq_ignore_ascii_case(b"bytes") {
            return Self::Whole;
        }
        let mut ranges = SmallVec::new();
        let mut count = 0;
        for spec in set.1[1..].split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if spec.is_empty() {
                continue;
            }
            count += 1;
            if count > MAX_RANGES {
                return Self::TooMany;
            }
            match one(spec, length) {
                Ok(range) if range.is_empty() => {}
                Ok(range) => ranges.push(range),
                Err(Malformed) => return Self::Whole,
            }
        }
        if count == 0 {
            return Self::Whole;
        }
        if ranges.is_empty() {
            return Self::Unsatisfiable;
        }
        let sum =
            ranges.iter().map(|range: &Range<u64>| range.end - range.start).fold(0, u64::saturating_add);
        if sum > length { Self::TooMany } else { Self::Some(ranges) }
    }
}

struct Malformed;

/// One range of the set, cut to what is there; empty if nothing of it is.
fn one(spec: &[u8], length: u64) -> Result<Range<u64>, Malformed> {
    let dash = spec.iter().position(|byte| *byte == b'-').ok_or(Malformed)?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        return Ok(length.saturating_sub(number(last)?)..length);
    }
    let first = number(first)?;
    let end = if last.is_empty() {
        length
    } else {
        let last = number(last)?;
        if last < first {
            return Err(Malformed);
        }
        last.saturating_add(1).min(length)
    };
    Ok(first.min(end)..end)
}

/// Digits alone. A number beyond 64 bits is beyond any file too.
fn number(digits: &[u8]) -> Result<u64, Malformed> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Ok(digits.iter().fold(0, add))
}
