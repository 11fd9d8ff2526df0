//! A request as it comes: its head, and its body between DATA frames and HTTP/1.1's framing.

use std::io::{Cursor, Write as _};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use haechi_http::h3::frame::{self, Place, place};
use haechi_http::h3::{self as heads, BadHead, code};
use haechi_http::{h2, write_last_chunk};
use quinn::RecvStream;

use super::frames::{Frames, Trouble};
use super::session::Session;

/// The line with a chunk's size, always of this length: the data is read behind it before its size is known.
const SIZE_LINE: usize = 10;

/// Room for a chunk's size and the line ends around it.
const CHUNK_ROOM: usize = SIZE_LINE + 2;

/// What a stream's DATA looks like to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// So many bytes were announced.
    Length(u64),
    /// In chunks, with trailers behind them.
    Chunked,
}

/// Where in the stream the next byte is.
#[derive(Debug)]
enum At {
    /// Between frames.
    Between,
    /// In DATA, of which so many bytes are left.
    Data(u64),
    /// In a frame that means nothing.
    Skip(u64),
    /// In a field section.
    Section(Vec<u8>, usize),
    End,
}

/// What a step led to.
enum Step {
    /// A field section is there.
    Section(Vec<u8>),
    /// Bytes of the body can be read.
    Data,
    End,
}

/// What may come next (RFC 9114 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Head,
    Body,
    Nothing,
}

/// A request that comes in.
#[derive(Debug)]
pub(super) struct Incoming {
    frames: Frames,
    session: Rc<Session>,
    at: At,
    expect: Expect,
    form: Form,
    /// The end of a chunked body, and how much of it was read.
    tail: Vec<u8>,
    tail_at: usize,
    /// What is told once more with every read.
    trouble: Option<Trouble>,
}

impl Incoming {
    pub fn new(stream: RecvStream, session: Rc<Session>) -> Self {
        Self {
            frames: Frames::new(stream),
            session,
            at: At::Between,
            expect: Expect::Head,
            form: Form::Chunked,
            tail: Vec::new(),
            tail_at: 0,
            trouble: None,
        }
    }

    /// The head's field section.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Trouble>> {
        Poll::Ready(match ready!(self.poll_step(cx))? {
            Step::Section(section) => Ok(section),
            Step::Data => Err(Trouble::Connection(code::FRAME_UNEXPECTED)),
            Step::End => Err(Trouble::Stream(code::REQUEST_INCOMPLETE)),
        })
    }

    /// Ready once it is known whether there is a body. True if there is.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Trouble>> {
        loop {
            match ready!(self.poll_step(cx))? {
                Step::Data => return Poll::Ready(Ok(true)),
                Step::End => return Poll::Ready(Ok(false)),
                Step::Section(section) => self.take_trailers(&section)?,
            }
        }
    }

    /// Says how the body is to be read.
    pub fn read_as(&mut self, form: Form) {
        self.form = form;
        let so_far = match self.at {
            At::Data(length) => self.announce(length),
            At::End => self.end(),
            _ => Ok(()),
        };
        self.trouble = so_far.err();
    }

    /// Reads on into `area`, as much as is there. Nothing at the end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<usize, Trouble>> {
        if let Some(trouble) = self.trouble {
            return Poll::Ready(Err(trouble));
        }
        let mut filled = 0;
        let spare = if self.form == Form::Chunked { CHUNK_ROOM } else { 0 };
        while area.len() - filled > spare {
            if self.tail_at < self.tail.len() {
                filled += self.read_tail(&mut area[filled..]);
                continue;
            }
            if matches!(self.at, At::End) {
                break;
            }
            match self.poll_more(cx, &mut area[filled..]) {
                Poll::Ready(Ok(count)) => filled += count,
                Poll::Ready(Err(trouble)) => {
                    self.trouble = Some(trouble);
                    if filled == 0 {
                        return Poll::Ready(Err(trouble));
                    }
                    break;
                }
                Poll::Pending if filled > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(filled))
    }

    fn poll_more(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<usize, Trouble>> {
        match ready!(self.poll_step(cx))? {
            Step::Data => self.poll_data(cx, area),
            Step::Section(section) => Poll::Ready(self.take_trailers(&section).map(|()| 0)),
            Step::End => Poll::Ready(self.end().map(|()| 0)),
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<usize, Trouble>> {
        let At::Data(left) = self.at else { return Poll::Ready(Ok(0)) };
        let (before, around) = if self.form == Form::Chunked { (SIZE_LINE, CHUNK_ROOM) } else { (0, 0) };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(area.len() - around);
        let count = ready!(self.frames.poll_read(cx, &mut area[before..before + most]))?;
        self.at = if left == count as u64 { At::Between } else { At::Data(left - count as u64) };
        self.session.worked(count);
        if around > 0 {
            // It fits: a read is never longer than eight digits tell.
            let _ = write!(Cursor::new(&mut area[..SIZE_LINE]), "{count:08x}\r\n");
            area[before + count..before + count + 2].copy_from_slice(b"\r\n");
        }
        Poll::Ready(Ok(count + around))
    }

    /// Reads up to what has a meaning.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, Trouble>> {
        loop {
            match &mut self.at {
                At::Data(_) => return Poll::Ready(Ok(Step::Data)),
                At::End => return Poll::Ready(Ok(Step::End)),
                At::Between => match ready!(self.frames.poll_next(cx))? {
                    Some((kind, length)) => self.begin(kind, length)?,
                    None => self.at = At::End,
                },
                At::Skip(0) => self.at = At::Between,
                At::Skip(left) => {
                    let mut bytes = [0; 512];
                    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let count = ready!(self.frames.poll_read(cx, &mut bytes[..most]))?;
                    *left -= count as u64;
                }
                At::Section(section, filled) if *filled == section.len() => {
                    let section = std::mem::take(section);
                    self.at = At::Between;
                    self.expect = if self.expect == Expect::Head { Expect::Body } else { Expect::Nothing };
                    return Poll::Ready(Ok(Step::Section(section)));
                }
                At::Section(section, filled) => {
                    *filled += ready!(self.frames.poll_read(cx, &mut section[*filled..]))?;
                }
            }
        }
    }

    /// A frame begins.
    fn begin(&mut self, kind: u64, length: u64) -> Result<(), Trouble> {
        match place(kind) {
            Place::Request if kind == frame::DATA && self.expect == Expect::Body => {
                if length == 0 {
                    return self.session.nothing();
                }
                self.at = At::Data(length);
                self.announce(length)
            }
            Place::Request if kind == frame::HEADERS && self.expect != Expect::Nothing => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > self.session.head_limits.head_bytes {
                    return Err(Trouble::TooLarge);
                }
                self.at = At::Section(vec![0; length], 0);
                Ok(())
            }
            Place::Request | Place::Control | Place::Nowhere => {
                Err(Trouble::Connection(code::FRAME_UNEXPECTED))
            }
            Place::Unknown => {
                self.at = At::Skip(length);
                self.session.nothing()
            }
        }
    }

    /// DATA may not be more than the announced length (RFC 9114 §4.1.2): what follows it would be read as another
    /// request.
    fn announce(&mut self, length: u64) -> Result<(), Trouble> {
        if let Form::Length(left) = &mut self.form {
            *left = left.checked_sub(length).ok_or(Trouble::Stream(code::MESSAGE_ERROR))?;
        }
        Ok(())
    }

    fn take_trailers(&mut self, section: &[u8]) -> Result<(), Trouble> {
        let trailers =
            heads::read_trailers(section, self.session.head_limits.head_bytes).map_err(|bad| match bad {
                BadHead::Compression => Trouble::Connection(code::QPACK_DECOMPRESSION_FAILED),
                BadHead::Request(_) => Trouble::Stream(code::MESSAGE_ERROR),
            })?;
        // A body with a length has no place for them.
        self.tail.clear();
        h2::write_trailers(&mut self.tail, &trailers);
        self.tail_at = self.tail.len();
        Ok(())
    }

    fn end(&mut self) -> Result<(), Trouble> {
        match self.form {
            Form::Length(0) => self.tail.clear(),
            Form::Length(_) => return Err(Trouble::Stream(code::MESSAGE_ERROR)),
            Form::Chunked => {
                let lines = std::mem::take(&mut self.tail);
                write_last_chunk(&mut self.tail, &lines);
            }
        }
        self.tail_at = 0;
        Ok(())
    }

    fn read_tail(&mut self, area: &mut [u8]) -> usize {
        let take = (self.tail.len() - self.tail_at).min(area.len());
        area[..take].copy_from_slice(&self.tail[self.tail_at..self.tail_at + take]);
        self.tail_at += take;
        take
    }

    /// Whether the client sent everything.
    pub const fn is_ended(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Tells the client to send nothing more.
    pub fn stop(&mut self, code: u32) {
        if !self.is_ended() {
            self.frames.stop(code);
        }
    }
}
