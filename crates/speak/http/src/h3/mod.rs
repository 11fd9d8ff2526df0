//! HTTP/3's wire forms (RFC 9114): frames, settings, and heads between field sections and HTTP/1's form.
//!
//! Heads are judged as those of HTTP/2 are: what is forbidden in HTTP/3 alone is refused here, the rest by
//! [`h2::write_request`](crate::h2::write_request) and the strict parser behind it.

mod heads;
mod huffman;
mod qpack;
mod table;

pub use heads::{BadHead, read_request, read_trailers, write_response, write_trailers};

/// Types of frames (RFC 9114 §7.2).
pub mod frame {
    /// A piece of a body.
    pub const DATA: u64 = 0x0;
    /// A head, or trailers.
    pub const HEADERS: u64 = 0x1;
    /// The first frame of a control stream.
    pub const SETTINGS: u64 = 0x4;
    /// No stream from this one on is served.
    pub const GOAWAY: u64 = 0x7;

    /// What a frame of a type that is not in its place, or of none that is known, means.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Place {
        /// It is DATA or HEADERS.
        Request,
        /// It belongs on a control stream.
        Control,
        /// Nobody may send it: HTTP/2's, or a server's to a client.
        Nowhere,
        /// It is to be ignored (§9).
        Unknown,
    }

    /// Where a frame of this type belongs.
    pub const fn place(kind: u64) -> Place {
        match kind {
            DATA | HEADERS => Place::Request,
            // CANCEL_PUSH, SETTINGS, GOAWAY, MAX_PUSH_ID.
            0x3 | SETTINGS | GOAWAY | 0xd => Place::Control,
            0x2 | 0x5 | 0x6 | 0x8 | 0x9 => Place::Nowhere,
            _ => Place::Unknown,
        }
    }
}

/// Types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2).
pub mod stream {
    /// Settings and what concerns the connection.
    pub const CONTROL: u64 = 0x0;
    /// A server's alone.
    pub const PUSH: u64 = 0x1;
    /// Inserts into a dynamic table.
    pub const QPACK_ENCODER: u64 = 0x2;
    /// What became of them.
    pub const QPACK_DECODER: u64 = 0x3;
}

/// Error codes (RFC 9114 §8.1, RFC 9204 §6).
pub mod code {
    /// All is well.
    pub const NO_ERROR: u32 = 0x100;
    /// Something went wrong here.
    pub const INTERNAL_ERROR: u32 = 0x102;
    /// A stream that may not be opened.
    pub const STREAM_CREATION_ERROR: u32 = 0x103;
    /// A control stream ended.
    pub const CLOSED_CRITICAL_STREAM: u32 = 0x104;
    /// A frame where it may not be.
    pub const FRAME_UNEXPECTED: u32 = 0x105;
    /// A frame that is malformed.
    pub const FRAME_ERROR: u32 = 0x106;
    /// The peer makes too much work.
    pub const EXCESSIVE_LOAD: u32 = 0x107;
    /// Settings that may not be sent.
    pub const SETTINGS_ERROR: u32 = 0x109;
    /// A control stream that does not begin with SETTINGS.
    pub const MISSING_SETTINGS: u32 = 0x10a;
    /// A request that was not looked at.
    pub const REQUEST_REJECTED: u32 = 0x10b;
    /// A stream that ended before its request was whole.
    pub const REQUEST_INCOMPLETE: u32 = 0x10d;
    /// A message that is malformed.
    pub const MESSAGE_ERROR: u32 = 0x10e;
    /// A field section that can't be read.
    pub const QPACK_DECOMPRESSION_FAILED: u32 = 0x200;
    /// An instruction for a dynamic table that there is not.
    pub const QPACK_ENCODER_STREAM_ERROR: u32 = 0x201;
}

/// Reads a number of variable length (RFC 9000 §16). Returns it and its length; nothing when it is not all there.
pub fn read_number(input: &[u8]) -> Option<(u64, usize)> {
    let length = number_length(*input.first()?);
    let bytes = input.get(..length)?;
    let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((value & u64::MAX >> (66 - 8 * length), length))
}

/// Bytes of a number that begins with this one.
pub const fn number_length(first: u8) -> usize {
    1 << (first >> 6)
}

/// Writes a number of variable length. Larger ones than 2^62 - 1 can't be written and never are.
pub fn write_number(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend_from_slice(&(value as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend_from_slice(&(value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// The bytes with which a control stream begins: its type and SETTINGS that bound field sections to `most` bytes.
/// There is no dynamic table, no push and no extended CONNECT; one setting of no meaning keeps clients tolerant.
pub fn control_stream(most: u64) -> Vec<u8> {
    const MAX_FIELD_SECTION_SIZE: u64 = 0x6;
    const RESERVED: u64 = 0x1f * 7 + 0x21;
    let mut settings = Vec::new();
    for (name, value) in [(MAX_FIELD_SECTION_SIZE, most), (RESERVED, 0)] {
        write_number(&mut settings, name);
        write_number(&mut settings, value);
    }
    let mut out = Vec::new();
    write_number(&mut out, stream::CONTROL);
    write_number(&mut out, frame::SETTINGS);
    write_number(&mut out, settings.len() as u64);
    out.extend_from_slice(&settings);
    out
}

/// A GOAWAY for streams from this one on.
pub fn goaway(stream: u64) -> Vec<u8> {
    let mut id = Vec::new();
    write_number(&mut id, stream);
    let mut out = Vec::new();
    write_number(&mut out, frame::GOAWAY);
    write_number(&mut out, id.len() as u64);
    out.extend_from_slice(&id);
    out
}

/// Whether a client's settings may be sent: whole, none twice, none of HTTP/2's (RFC 9114 §7.2.4).
pub fn are_settings(mut payload: &[u8]) -> bool {
    let mut seen = Vec::new();
    while !payload.is_empty() {
        let Some((name, first)) = read_number(payload) else { return false };
        let Some((_, second)) = read_number(&payload[first..]) else { return false };
        payload = &payload[first + second..];
        if matches!(name, 0x0 | 0x2..=0x5) || seen.contains(&name) {
            return false;
        }
        seen.push(name);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_rfc_and_back() {
        // RFC 9000 §A.1.
        for (bytes, value) in [
            (&b"\xc2\x19\x7c\x5e\xff\x14\xe8\x8c"[..], 151_288_809_941_952_652),
            (b"\x9d\x7f\x3e\x7d", 494_878_333),
            (b"\x7b\xbd", 15_293),
            (b"\x25", 37),
        ] {
            assert_eq!(read_number(bytes), Some((value, bytes.len())));
            assert_eq!(read_number(&bytes[..bytes.len() - 1]), None);
            let mut out = Vec::new();
            write_number(&mut out, value);
            assert_eq!(out, bytes);
        }
        assert_eq!(read_number(b"\x40\x25"), Some((37, 2)));
        assert_eq!(read_number(&[0xff; 8]), Some(((1 << 62) - 1, 8)));
    }

    #[test]
    fn settings_of_http2_and_repeated_ones_are_refused() {
        assert!(are_settings(b""));
        assert!(are_settings(b"\x01\x40\x64\x07\x10\x33\x00"));
        for bad in [&b"\x01"[..], b"\x02\x00", b"\x04\x01", b"\x01\x00\x01\x00", b"\x06\x40"] {
            assert!(!are_settings(bad), "{bad:?}");
        }
    }
}
