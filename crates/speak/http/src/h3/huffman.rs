//! The Huffman code of strings in field sections (RFC 7541 §5.2, which QPACK shares).

use super::table::CODE_BITS;

/// The longest code of a byte.
const LONGEST: usize = 30;

/// A canonical code: codes of one length are consecutive numbers, in the order of their bytes.
struct Code {
    /// For each length, the first code, and where its byte stands in `bytes`.
    first: [(u32, usize); LONGEST + 2],
    /// Bytes by length, then by value.
    bytes: [u8; 256],
}

const CODE: Code = code();

const fn code() -> Code {
    let mut code = Code { first: [(0, 0); LONGEST + 2], bytes: [0; 256] };
    let (mut next, mut at, mut bits) = (0, 0, 1);
    while bits <= LONGEST {
        code.first[bits] = (next, at);
        let mut byte = 0;
        while byte < 256 {
            if CODE_BITS[byte] as usize == bits {
                code.bytes[at] = byte as u8;
                at += 1;
                next += 1;
            }
            byte += 1;
        }
        next <<= 1;
        bits += 1;
    }
    code.first[LONGEST + 1] = (next, at);
    code
}

/// Reads a string and adds it to `out`. False when it is malformed, or longer than `most` bytes.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>, most: usize) -> bool {
    let start = out.len();
    let (mut code, mut bits) = (0_u32, 0_usize);
    for byte in input {
        for shift in (0..8).rev() {
            code = code << 1 | u32::from(byte >> shift & 1);
            bits += 1;
            if bits > LONGEST {
                return false;
            }
            let (first, at) = CODE.first[bits];
            let count = CODE.first[bits + 1].1 - at;
            // Codes of this length come before all longer ones.
            if let Some(index) = code.checked_sub(first).map(|index| index as usize).filter(|i| *i < count) {
                if out.len() - start == most {
                    return false;
                }
                out.push(CODE.bytes[at + index]);
                (code, bits) = (0, 0);
            }
        }
    }
    // What is left is padding: fewer than eight bits, all of them set.
    bits < 8 && code == (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_the_rfc() {
        let mut out = Vec::new();
        assert!(decode(b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", &mut out, 100));
        assert_eq!(out, b"www.example.com");
        out.clear();
        assert!(decode(b"\xa8\xeb\x10\x64\x9c\xbf", &mut out, 8));
        assert_eq!(out, b"no-cache");
    }

    /// As another implementation has the code.
    fn encode(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        httlib_huffman::encode(text, &mut out).unwrap();
        out
    }

    #[test]
    fn every_byte_is_read_as_another_implementation_writes_it() {
        for byte in 0..=255 {
            let text = [byte, b'a', byte];
            let mut out = Vec::new();
            assert!(decode(&encode(&text), &mut out, 3), "{byte}");
            assert_eq!(out, text);
        }
        let all: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        assert!(decode(&encode(&all), &mut out, 256));
        assert_eq!(out, all);
    }

    #[test]
    fn what_is_malformed_or_too_long_is_refused() {
        let mut out = Vec::new();
        assert!(!decode(b"\xa8\xeb\x10\x64\x9c\xbf", &mut out, 7));
        for bad in [&b"\xff"[..], b"\xff\xff\xff\xff", b"\x00", b"\x1f\xff"] {
            assert!(!decode(bad, &mut Vec::new(), 100), "{bad:?}");
        }
    }
}
