//! Bodies: where they end, and the chunks in which they are passed on.

use crate::{BadBody, ChunkDecoder, RequestFraming, ResponseFraming};

/// One step through a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Bytes of the input that were used.
    pub consumed: usize,
    /// The body's data among them.
    pub data: &'a [u8],
    /// Whether the body ends here. What follows belongs to another message.
    pub done: bool,
}

/// A body being read.
#[derive(Clone, Debug)]
pub enum Body {
    /// This many bytes are left.
    Length(u64),
    /// Chunked.
    Chunked(ChunkDecoder),
    /// Until the connection is closed.
    UntilClose,
}

impl Body {
    /// The body of a request, with this many bytes allowed for chunk extensions and trailers.
    pub const fn of_request(framing: RequestFraming, extras: usize) -> Self {
        match framing {
            RequestFraming::None => Self::Length(0),
            RequestFraming::Length(length) => Self::Length(length),
            RequestFraming::Chunked => Self::Chunked(ChunkDecoder::new(extras)),
        }
    }

    /// The body of an answer.
    pub const fn of_response(framing: ResponseFraming, extras: usize) -> Self {
        match framing {
            ResponseFraming::None => Self::Length(0),
            ResponseFraming::Length(length) => Self::Length(length),
            ResponseFraming::Chunked => Self::Chunked(ChunkDecoder::new(extras)),
            ResponseFraming::UntilClose => Self::UntilClose,
        }
    }

    /// Bytes that are left of a body that announced its length.
    pub const fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes account of bytes of a body with a length that went their way without being read here. Returns whether
    /// the body ends with them.
    pub const fn pass(&mut self, bytes: u64) -> bool {
        if let Self::Length(left) = self {
            *left = left.saturating_sub(bytes);
        }
        self.is_empty()
    }

    /// Whether nothing is to be read.
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Reads on. Call it again with the rest of the input until `done` or nothing is left.
    #[inline]
    pub fn read<'i>(&mut self, input: &'i [u8]) -> Result<Piece<'i>, BadBody> {
        self.read_at_most(input, usize::MAX)
    }

    /// The same, with this much data at most: what the next peer takes now. With none, only what stands around
    /// the data is read, as the end of a chunked body.
    #[inline]
    pub fn read_at_most<'i>(&mut self, input: &'i [u8], most: usize) -> Result<Piece<'i>, BadBody> {
        match self {
            Self::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()).min(most);
                *left -= take as u64;
                Ok(Piece { consumed: take, data: &input[..take], done: *left == 0 })
            }
            Self::Chunked(decoder) => decoder.read_at_most(input, most),
            Self::UntilClose => {
                let take = input.len().min(most);
                Ok(Piece { consumed: take, data: &input[..take], done: false })
            }
        }
    }

    /// Lets trailers be kept. Without it they are checked and thrown away.
    pub fn keep_trailers(&mut self) {
        if let Self::Chunked(decoder) = self {
            decoder.keep_trailers();
        }
    }

    /// The trailer lines that were kept, each with its CRLF.
    pub fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunked(decoder) => decoder.trailers(),
            _ => &[],
        }
    }
}

/// Writes one chunk. Empty data writes nothing: a chunk of size zero would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let mut size = [0; 16];
    let mut at = size.len();
    let mut left = data.len();
    while left > 0 && at > 0 {
        at -= 1;
        size[at] = b"0123456789abcdef"[left & 0xf];
        left >>= 4;
    }
    out.extend_from_slice(&size[at..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a chunked body, with these trailer lines.
pub fn write_last_chunk(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_written_with_its_size_in_hexadecimal() {
        let mut out = Vec::new();
        write_chunk(&mut out, &[b'x'; 26]);
        assert!(out.starts_with(b"1a\r\nxxx") && out.ends_with(b"xxx\r\n"));
        out.clear();
        write_chunk(&mut out, b"");
        assert!(out.is_empty());
    }

    #[test]
    fn a_length_ends_where_it_says() {
        let mut body = Body::Length(3);
        assert_eq!(body.read(b"ab").unwrap(), Piece { consumed: 2, data: b"ab", done: false });
        assert_eq!(body.read(b"cdef").unwrap(), Piece { consumed: 1, data: b"c", done: true });
    }
}
