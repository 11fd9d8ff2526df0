//! The chunked coding (RFC 9112 §7.1), read strictly. The data is passed on in chunks written anew, so
//! extensions end here, and trailers too unless the reader asked for them.

use crate::body::Piece;
use crate::{BadBody, Known};

/// The largest chunk: a size that leaves room for arithmetic.
const MAX_CHUNK: u64 = 1 << 60;

/// Digits of a chunk's size at most: leading zeros must not go on for ever.
const MAX_SIZE_DIGITS: u8 = 16;

/// Bytes of one trailer line at most, within the limit for all extras.
const MAX_TRAILER_LINE: usize = 8 << 10;

/// Room for the trailers that most messages have.
const TRAILER_ROOM: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    SizeStart,
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// Reads a chunked body piece by piece.
#[derive(Clone, Debug)]
pub struct ChunkDecoder {
    state: State,
    /// The size being read, then what is left of the chunk's data.
    left: u64,
    /// Digits of the size read so far.
    digits: u8,
    /// Bytes of extensions and trailers still allowed.
    extras: usize,
    /// The trailer line being read, behind those that are kept.
    line: Vec<u8>,
    line_start: usize,
    keep_trailers: bool,
}

impl ChunkDecoder {
    /// At the start of a body, with this many bytes allowed for extensions and trailers.
    pub const fn new(extras: usize) -> Self {
        Self {
            state: State::SizeStart,
            left: 0,
            digits: 0,
            extras,
            line: Vec::new(),
            line_start: 0,
            keep_trailers: false,
        }
    }

    /// Lets trailers be kept for [`trailers`](Self::trailers).
    pub fn keep_trailers(&mut self) {
        self.keep_trailers = true;
    }

    /// The trailer lines so far, each with its CRLF.
    pub fn trailers(&self) -> &[u8] {
        &self.line[..self.line_start]
    }

    /// Reads to the end of the next run of data, of the body, or of the input.
    #[inline]
    pub fn read<'i>(&mut self, input: &'i [u8]) -> Result<Piece<'i>, BadBody> {
        self.read_at_most(input, usize::MAX)
    }

    /// The same, with this much data at most. None at all still lets what stands around the data be read.
    pub fn read_at_most<'i>(&mut self, input: &'i [u8], most: usize) -> Result<Piece<'i>, BadBody> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::Data {
                let rest = &input[at..];
                let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len()).min(most);
                self.left -= take as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Piece { consumed: at + take, data: &rest[..take], done: false });
            }
            if matches!(self.state, State::TrailerStart | State::Trailer) {
                let text = self.trailer_text(&input[at..])?;
                if text > 0 {
                    at += text;
                    continue;
                }
            }
            at += 1;
            self.state = self.step(byte)?;
            if self.state == State::Done {
                return Ok(Piece { consumed: at, data: &[], done: true });
            }
        }
        Ok(Piece { consumed: at, data: &[], done: false })
    }

    /// What follows `byte` outside of data.
    fn step(&mut self, byte: u8) -> Result<State, BadBody> {
        match self.state {
            State::SizeStart => self.digit(byte),
            State::Size => match byte {
                b'\r' => Ok(State::SizeLf),
                b';' => self.extra(State::Extension),
                // RFC 9112 §7.1.1 has BWS before the semicolon only for the sake of old senders. Refused.
                _ => self.digit(byte),
            },
            State::Extension => match byte {
                b'\r' => Ok(State::SizeLf),
                b'\t' | b' '..=b'~' | 0x80.. => self.extra(State::Extension),
                _ => Err(BadBody::ChunkExtension),
            },
            State::SizeLf => self.after_size(byte),
            State::DataCr => expect(byte, b'\r', State::DataLf),
            State::DataLf => {
                self.left = 0;
                self.digits = 0;
                expect(byte, b'\n', State::SizeStart)
            }
            State::TrailerStart => match byte {
                b'\r' => Ok(State::EndLf),
                _ => Err(BadBody::Trailer),
            },
            State::Trailer => match byte {
                b'\r' => Ok(State::TrailerLf),
                _ => Err(BadBody::Trailer),
            },
            State::TrailerLf => {
                let next = expect(byte, b'\n', State::TrailerStart)?;
                check_trailer(&self.line[self.line_start..])?;
                if self.keep_trailers {
                    self.line.extend_from_slice(b"\r\n");
                    self.line_start = self.line.len();
                } else {
                    self.line.clear();
                }
                Ok(next)
            }
            State::EndLf => expect(byte, b'\n', State::Done),
            State::Data | State::Done => Ok(self.state),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, BadBody> {
        let digit = (byte as char).to_digit(16).ok_or(BadBody::ChunkSize)?;
        self.digits += 1;
        if self.digits > MAX_SIZE_DIGITS || self.left >= MAX_CHUNK >> 4 {
            return Err(BadBody::ChunkSize);
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(State::Size)
    }

    fn after_size(&self, byte: u8) -> Result<State, BadBody> {
        expect(byte, b'\n', if self.left == 0 { State::TrailerStart } else { State::Data })
    }

    fn extra(&mut self, next: State) -> Result<State, BadBody> {
        self.extras = self.extras.checked_sub(1).ok_or(BadBody::ChunkExtras)?;
        Ok(next)
    }

    /// Takes what is there of a trailer line, to the byte that ends it. Returns how much that was.
    fn trailer_text(&mut self, input: &[u8]) -> Result<usize, BadBody> {
        let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let text = &input[..end.unwrap_or(input.len())];
        if text.is_empty() {
            return Ok(0);
        }
        if self.line.len() - self.line_start + text.len() > MAX_TRAILER_LINE {
            return Err(BadBody::ChunkExtras);
        }
        self.extras = self.extras.checked_sub(text.len()).ok_or(BadBody::ChunkExtras)?;
        if self.line.capacity() == 0 {
            self.line.reserve(TRAILER_ROOM.max(text.len()));
        }
        self.line.extend_from_slice(text);
        self.state = State::Trailer;
        Ok(text.len())
    }
}

fn expect(byte: u8, wanted: u8, next: State) -> Result<State, BadBody> {
    if byte == wanted { Ok(next) } else { Err(BadBody::ChunkEnd) }
}

/// A trailer line must be a field, and not one that frames, routes or controls the message
/// (RFC 9110 §6.5.1).
fn check_trailer(line: &[u8]) -> Result<(), BadBody> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(BadBody::Trailer)?;
    let (name, value) = line.split_at(colon);
    let name = std::str::from_utf8(name).map_err(|_| BadBody::Trailer)?;
    let clean = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    let plain = matches!(Known::of(name), Known::Other);
    let controls =
        ["authorization", "cookie", "set-cookie", "content-encoding", "content-type", "content-range"];
    if clean
        && plain
        && crate::is_token(name.as_bytes())
        && !controls.iter().any(|c| name.eq_ignore_ascii_case(c))
    {
        Ok(())
    } else {
        Err(BadBody::Trailer)
    }
}
