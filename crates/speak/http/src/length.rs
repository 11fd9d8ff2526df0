//! Content-Length: one plain decimal number.

/// Reads a Content-Length (RFC 9110 §8.6: `1*DIGIT`). Signs, lists, spaces, leading zeros and anything that
/// overflows 64 bits are refused: parsers disagree on each of them.
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || (value.len() > 1 && value.first() == Some(&b'0')) {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::content_length;

    #[test]
    fn only_a_plain_number_is_a_length() {
        assert_eq!(content_length(b"0"), Some(0));
        assert_eq!(content_length(b"18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "+1",
            "-1",
            "1, 1",
            "1 ",
            "0x10",
            "1e3",
            "007",
            "18446744073709551616",
            "36893488147419103234",
        ] {
            assert_eq!(content_length(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
