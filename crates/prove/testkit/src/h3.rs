//! HTTP/3 on the wire, said byte by byte: frames, field sections without compression, and the statuses of answers.

/// Type of a frame (RFC 9114 §7.2).
const HEADERS: u64 = 1;

/// `:status` in the static table (RFC 9204 appendix A): first index of a row, and what it stands for.
const STATUSES: [(u8, &[u16]); 2] =
    [(24, &[103, 200, 304, 404, 503]), (63, &[100, 204, 206, 302, 400, 403, 421, 425, 500])];

/// A number of variable length (RFC 9000 §16).
pub fn number(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let (length, mark) = match value {
        0..0x40 => (1, 0),
        0x40..0x4000 => (2, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (8, 0xc0),
    };
    let mut out = bytes[8 - length..].to_vec();
    out[0] |= mark;
    out
}

/// The number at the front, and what is behind it.
fn take_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    let value = number.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((value & (u64::MAX >> (66 - 8 * length)), rest))
}

/// A frame.
pub fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [&number(kind), &number(payload.len() as u64), payload].concat()
}

/// A field section of literals.
pub fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![0, 0];
    for (name, value) in fields {
        for (mark, most, text) in [(0x20, 7, name), (0, 127, value)] {
            if text.len() < most {
                out.push(mark | text.len() as u8);
            } else {
                let mut rest = text.len() - most;
                out.push(mark | most as u8);
                while rest > 127 {
                    out.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                out.push(rest as u8);
            }
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// The statuses on a stream, those of interim answers too. Each is at the front of its section, an index of the static
/// table or digits without compression. A frame that is not whole ends it.
pub fn statuses(mut stream: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    while let Some((kind, rest)) = take_number(stream)
        && let Some((length, rest)) = take_number(rest)
        && let Some((payload, rest)) = rest.split_at_checked(length as usize)
    {
        if kind == HEADERS {
            found.extend(status(payload));
        }
        stream = rest;
    }
    found
}

/// Behind the two bytes of a prefix.
fn status(section: &[u8]) -> Option<u16> {
    let known = |index: u8| {
        STATUSES.iter().find_map(|(first, row)| row.get(usize::from(index.checked_sub(*first)?)).copied())
    };
    match *section.get(2..)? {
        [0xff, more, ..] => known(63_u8.checked_add(more)?),
        [first @ 0xc0..=0xfe, ..] => known(first & 0x3f),
        // A literal whose name is an index, of one byte or of two (§4.5.4).
        [0x5f | 0x7f, _, 3, a, b, c, ..] | [_, 3, a, b, c, ..] => {
            std::str::from_utf8(&[a, b, c]).ok()?.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for value in [0, 63, 64, 16_383, 16_384, 0x3fff_ffff, 0x4000_0000, (1 << 62) - 1] {
            assert_eq!(take_number(&number(value)), Some((value, &[][..])));
        }
        assert_eq!(take_number(&[0x40]), None);
    }

    #[test]
    fn statuses_are_found_behind_other_frames() {
        let of = |fields: &[u8]| frame(HEADERS, &[&[0, 0], fields].concat());
        let stream = [
            frame(0x21, b"x"),
            of(&[0xc0 + 24]),
            of(&[0xff, 8]),
            frame(0, b"body"),
            of(&[0x5f, 9, 3, b'4', b'1', b'4']),
        ];
        assert_eq!(statuses(&stream.concat()), [103, 500, 414]);
        assert_eq!(statuses(&of(&[0xc0 + 25])[..3]), [0; 0]);
    }
}
