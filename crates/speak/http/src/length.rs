//! Content-Length: one plain decimal number.

/// The longest body: many services count in 64 bits with a sign, and would take a larger length for a negative one.
const MOST: u64 = i64::MAX as u64;

/// Reads a Content-Length (RFC 9110 §8.6: `1*DIGIT`). Signs, lists, spaces, leading zeros and anything above
/// [`MOST`] are refused: parsers disagree on each of them.
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || (value.len() > 1 && value.first() == Some(&b'0')) {
        return None;
    }
    let length = value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    });
    length.filter(|length| *length <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_number_is_a_length() {
        assert_eq!(content_length(b"0"), Some(0));
        assert_eq!(content_length(b"9223372036854775807"), Some(MOST));
        for bad in [
            "",
            "+1",
            "-1",
            "1, 1",
            "1 ",
            "0x10",
            "1e3",
            "007",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "36893488147419103234",
        ] {
            assert_eq!(content_length(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
