//! What a YAML 1.1 scalar means, as SnakeYAML's `Resolver` and `SafeConstructor` decide it, without timestamps
//! (Spring leaves them text).

use haechi_yaml::{Scalar, Style};

use crate::value::Value;

/// A scalar's meaning.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    Null,
    /// The key `<<`.
    Merge,
    Value(Value),
}

/// SnakeYAML looks for numbers only in scalars up to this length.
const NUMBER_BYTES: usize = 1024;

/// Resolves a scalar by its tag, or else by its style and text. An error says what is wrong with it.
pub(super) fn resolve(scalar: &Scalar, tag: Option<&str>) -> Result<Meaning, String> {
    let text = &*scalar.text;
    let kind = match tag {
        None if scalar.style == Style::Plain => return Ok(implicit(text)),
        None | Some("!") => "str",
        Some(tag) => tag
            .strip_prefix("tag:yaml.org,2002:")
            .ok_or_else(|| format!("no value can be made for the tag {tag}"))?,
    };
    let malformed = || format!("{text:?} is not a {kind}");
    Ok(match kind {
        "str" => Meaning::Value(Value::from(text)),
        "null" => Meaning::Null,
        "merge" => Meaning::Merge,
        "bool" => Meaning::Value(Value::Bool(boolean(&text.to_lowercase()).ok_or_else(malformed)?)),
        "int" => Meaning::Value(integer(text).ok_or_else(malformed)?),
        "float" => {
            let number = float(text).or_else(|| text.replace('_', "").parse().ok());
            Meaning::Value(Value::Float(number.ok_or_else(malformed)?))
        }
        "timestamp" => Meaning::Value(Value::from(text)),
        _ => return Err(format!("no value can be made for the tag !!{kind}")),
    })
}

fn implicit(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "<<" => return Meaning::Merge,
        _ => {}
    }
    let one_case = text == text.to_lowercase() || text == text.to_uppercase() || is_title_case(text);
    if one_case && let Some(value) = boolean(&text.to_lowercase()) {
        return Meaning::Value(Value::Bool(value));
    }
    let starts_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let number = (starts_number && text.len() <= NUMBER_BYTES)
        .then(|| integer(text).or_else(|| float(text).map(Value::Float)))
        .flatten();
    Meaning::Value(number.unwrap_or_else(|| Value::from(text)))
}

fn is_title_case(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(char::is_uppercase) && chars.all(char::is_lowercase)
}

fn boolean(lower: &str) -> Option<bool> {
    match lower {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Integers of YAML 1.1: `0b`, `0x`, octal with a leading 0, base 60 with colons, `_` anywhere inside.
pub(crate) fn integer(text: &str) -> Option<Value> {
    let (negative, body) = signed(text);
    let all = |digits: &str, allowed: fn(char) -> bool| {
        digits.chars().all(|c| allowed(c) || c == '_') && digits.chars().any(allowed)
    };
    let digits = |text: &str| text.replace('_', "");
    if let Some(binary) = body.strip_prefix("0b") {
        return all(binary, |c| matches!(c, '0' | '1')).then(|| number(negative, &digits(binary), 2))?;
    }
    if let Some(hex) = body.strip_prefix("0x") {
        return all(hex, |c| c.is_ascii_hexdigit()).then(|| number(negative, &digits(hex), 16))?;
    }
    if body == "0" {
        return Some(Value::Int(0));
    }
    if let Some(octal) = body.strip_prefix('0') {
        return all(octal, |c| matches!(c, '0'..='7')).then(|| number(negative, &digits(octal), 8))?;
    }
    if !body.starts_with(|c: char| matches!(c, '1'..='9')) {
        return None;
    }
    let mut parts = body.split(':');
    let head = parts.next().filter(|head| all(head, |c| c.is_ascii_digit()))?;
    let mut minutes = parts.peekable();
    if minutes.peek().is_none() {
        return number(negative, &digits(head), 10);
    }
    // SnakeYAML sums these in a Java int, which wraps.
    let mut sum = digits(head).parse::<i64>().ok()? as i32;
    for part in minutes {
        sum = sum.wrapping_mul(60).wrapping_add(sexagesimal(part)?);
    }
    Some(Value::Int(if negative { -i64::from(sum) } else { i64::from(sum) }))
}

/// A digit of base 60: one or two digits below 60.
fn sexagesimal(part: &str) -> Option<i32> {
    let fits = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    fits.then(|| part.parse().ok())?
}

fn number(negative: bool, digits: &str, radix: u32) -> Option<Value> {
    let sign = if negative { "-" } else { "" };
    if let Ok(value) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Value::Int(value));
    }
    Some(Value::BigInt(format!("{sign}{}", decimal(digits, radix)?)))
}

/// The decimal digits of a number of any length.
fn decimal(digits: &str, radix: u32) -> Option<String> {
    // Little-endian limbs of nine decimal digits.
    const LIMB: u64 = 1_000_000_000;
    let mut limbs: Vec<u64> = vec![0];
    for c in digits.chars() {
        let mut carry = u64::from(c.to_digit(radix)?);
        for limb in &mut limbs {
            let value = *limb * u64::from(radix) + carry;
            *limb = value % LIMB;
            carry = value / LIMB;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut limbs = limbs.iter().rev();
    let head = limbs.next().map(u64::to_string)?;
    Some(limbs.fold(head, |text, limb| format!("{text}{limb:09}")))
}

/// Floats of YAML 1.1: a point or an exponent is needed; `.inf`, `.nan`, and base 60 with a fraction.
pub(crate) fn float(text: &str) -> Option<f64> {
    let (negative, body) = signed(text);
    let sign = if negative { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return (body.len() == text.len()).then_some(f64::NAN),
        _ => {}
    }
    if body.contains(':') {
        let mut parts = body.split(':');
        let head = parts.next().filter(|head| digits_and_underscores(head))?;
        let mut sum: f64 = head.replace('_', "").parse().ok()?;
        let rest: Vec<&str> = parts.collect();
        let (last, middle) = rest.split_last()?;
        for part in middle {
            sum = sum * 60.0 + f64::from(sexagesimal(part)?);
        }
        let (whole, fraction) = last.split_once('.')?;
        let fraction_ok = fraction.chars().all(|c| c.is_ascii_digit() || c == '_');
        sexagesimal(whole).filter(|_| fraction_ok)?;
        return Some(sign * (sum * 60.0 + last.replace('_', "").parse::<f64>().ok()?));
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let (_, digits) = signed(exponent);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    let fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && tail(fraction) && fraction != "_",
        Some((whole, fraction)) => digits_and_underscores(whole) && tail(fraction),
        None => exponent.is_some() && digits_and_underscores(mantissa),
    };
    fits.then(|| body.replace('_', "").parse::<f64>().ok().map(|value| sign * value))?
}

fn tail(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

fn digits_and_underscores(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && tail(text)
}

/// Whether a plain scalar of this text is read back as the same text by any YAML 1.1 reader, timestamps included
/// (which Spring's reader leaves text, but its writer knows).
pub(crate) fn is_plain_text(text: &str) -> bool {
    matches!(implicit(text), Meaning::Value(Value::Text(_))) && !is_timestamp(text)
}

/// `2001-12-14`, or that with a time behind it.
fn is_timestamp(text: &str) -> bool {
    const LIMIT: usize = 50;
    let digits = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let date = |date: &str, least: usize| {
        let parts: Vec<&str> = date.split('-').collect();
        matches!(*parts, [y, m, d] if digits(y, 4, 4) && digits(m, least, 2) && digits(d, least, 2))
    };
    if text.len() > LIMIT {
        return false;
    }
    if date(text, 2) {
        return true;
    }
    let Some((day, rest)) = text.split_once(['T', 't', ' ', '\t']) else { return false };
    let time = rest.trim_start_matches([' ', '\t']);
    if time.len() < rest.len() && text[day.len()..].starts_with(['T', 't']) {
        return false;
    }
    let end = time.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(time.len());
    let (time, zone) = time.split_at(end);
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let parts: Vec<&str> = whole.split(':').collect();
    let time_fits = matches!(*parts, [h, m, s] if digits(h, 1, 2) && digits(m, 2, 2) && digits(s, 2, 2));
    let zone = zone.trim_start_matches([' ', '\t']);
    let zone_fits = match zone.strip_prefix(['+', '-']) {
        Some(offset) => {
            let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
            digits(hours, 1, 2) && digits(minutes, 2, 2)
        }
        None => zone.is_empty() || zone == "Z",
    };
    date(day, 1) && time_fits && digits(fraction, 0, LIMIT) && zone_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Meaning {
        resolve(&Scalar { text: text.into(), style: Style::Plain }, None).unwrap()
    }

    #[test]
    fn words_are_booleans_and_nulls_in_three_cases_only() {
        for text in ["yes", "Yes", "YES", "on", "On", "true", "TRUE"] {
            assert_eq!(plain(text), Meaning::Value(Value::Bool(true)), "{text}");
        }
        for text in ["no", "Off", "FALSE"] {
            assert_eq!(plain(text), Meaning::Value(Value::Bool(false)), "{text}");
        }
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(plain(text), Meaning::Null, "{text}");
        }
        for text in ["yEs", "y", "n", "tRUE", "nULL", "2001-12-14", "2001-12-14t21:59:43.10-05:00", "="] {
            assert_eq!(plain(text), Meaning::Value(Value::from(text)), "{text}");
        }
    }

    #[test]
    fn integers_come_in_five_bases() {
        let cases: &[(&str, i64)] = &[
            ("0", 0),
            ("-0", 0),
            ("+12", 12),
            ("1_000", 1000),
            ("010", 8),
            ("-010", -8),
            ("00", 0),
            ("0b101", 5),
            ("0x_ff", 255),
            ("190:20:30", 685_230),
            ("12:30", 750),
            ("-1:30", -90),
            ("9223372036854775807", i64::MAX),
        ];
        for (text, value) in cases {
            assert_eq!(plain(text), Meaning::Value(Value::Int(*value)), "{text}");
        }
        for text in ["08", "0o10", "12:60", "0b", "0x", "+", "-", "1:234", "0:30", "_1", "12:3_0"] {
            assert_eq!(plain(text), Meaning::Value(Value::from(text)), "{text}");
        }
    }

    #[test]
    fn integers_beyond_64_bits_keep_every_digit() {
        let big = |text: &str| Meaning::Value(Value::BigInt(text.to_owned()));
        assert_eq!(plain("9223372036854775808"), big("9223372036854775808"));
        assert_eq!(plain("-0x10000000000000000"), big("-18446744073709551616"));
        assert_eq!(plain("1_000000000_000000000_000000001"), big("1000000000000000000000000001"));
    }

    #[test]
    fn floats_need_a_point_or_an_exponent() {
        let cases: &[(&str, f64)] = &[
            ("1.", 1.0),
            (".5", 0.5),
            ("-1.5e3", -1500.0),
            ("1e3", 1000.0),
            ("6.8523015e+5", 685_230.15),
            ("190:20:30.15", 685_230.15),
            ("-.inf", f64::NEG_INFINITY),
            ("1_0.5_0", 10.5),
        ];
        for (text, value) in cases {
            assert_eq!(plain(text), Meaning::Value(Value::Float(*value)), "{text}");
        }
        for text in [".", "1.e", "e3", "1.2.3", "+.nan", "1e", "._", "1.5.", ".e3", "127.0.0.1"] {
            assert_eq!(plain(text), Meaning::Value(Value::from(text)), "{text}");
        }
    }

    #[test]
    fn timestamps_are_known_though_they_stay_text() {
        for text in
            ["2001-12-14", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5", "2001-1-4T1:59:43Z"]
        {
            assert!(!is_plain_text(text), "{text}");
        }
        for text in ["2001-1-4", "2001-12-14T", "2001-12-14T 1:59:43", "2001-12-14 1:59", "text"] {
            assert!(is_plain_text(text), "{text}");
        }
    }

    #[test]
    fn quotes_and_tags_decide_before_the_text() {
        let quoted = Scalar { text: "12".into(), style: Style::DoubleQuoted };
        assert_eq!(resolve(&quoted, None).unwrap(), Meaning::Value(Value::from("12")));
        assert_eq!(resolve(&quoted, Some("tag:yaml.org,2002:int")).unwrap(), Meaning::Value(Value::Int(12)));
        assert_eq!(resolve(&quoted, Some("!")).unwrap(), Meaning::Value(Value::from("12")));
        assert!(resolve(&quoted, Some("!java.lang.Runtime")).is_err());
        assert!(resolve(&quoted, Some("tag:yaml.org,2002:bool")).is_err());
    }
}
