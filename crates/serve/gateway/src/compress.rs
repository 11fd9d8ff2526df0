//! Compresses bodies on their way to clients.
//!
//! Whatever came in one read leaves in one chunk that can be decompressed at once: an event stream's events are not
//! kept back. Levels are low, so that a read of 64 KiB costs the worker about a millisecond at most, and windows
//! small, so that an answer under way costs about a megabyte; `limits.compressors` bounds how many there are.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

use brotli::CompressorWriter;
use flate2::write::GzEncoder;
use haechi_content::{AcceptEncoding, Coding, Compress, Compression, Offered, lists_strong};
use haechi_http::ResponseHead;
use zstd::zstd_safe::CParameter;

use crate::stats::Counter;

/// Of gzip: 1 to 9.
const GZIP: u32 = 4;
/// Of brotli: 0 to 11; above 4 it becomes many times slower.
const BROTLI: u32 = 4;
/// Of zstd: 1 to 22.
const ZSTD: i32 = 3;
/// Bits of the window of brotli and zstd: 256 KiB.
const WINDOW: u32 = 18;

/// What a request says about compressing its answer.
#[derive(Debug)]
pub(crate) struct Accepts {
    pub encodings: AcceptEncoding,
    /// `If-None-Match`: the copies that the client has. Empty without.
    pub copies: Vec<u8>,
}

/// What is known when an answer's head is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compressing<'a> {
    pub rules: &'a Compress,
    /// Nothing if this request's answer is not to be compressed.
    pub accepts: Option<&'a Accepts>,
    /// Compressors at work on this worker.
    pub at_work: &'a Rc<Cell<usize>>,
    pub most: usize,
    /// Counts answers that went as they are because of `most`.
    pub struck: &'a Counter,
}

/// What becomes of an answer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub coding: Option<Coding>,
    /// Whether `Vary` must be added.
    pub vary: bool,
    /// Nothing where there is no body.
    pub coder: Option<Box<Coder>>,
}

impl Plan {
    /// The answer goes as it is.
    pub const NONE: Self = Self { coding: None, vary: false, coder: None };

    /// Decides about an answer. `has_body` is false for one to HEAD, which tells what GET would get, and for 304, which
    /// has the `ETag` and `Vary` of the answer that the client would have got instead (RFC 9110 §15.4.5). Whether that
    /// one's type gets smaller, 304 needn't say; a client whose copy has the strong tag has it uncompressed.
    pub fn of(head: &ResponseHead<'_>, has_body: bool, compressing: Compressing<'_>) -> Self {
        let fields = head.fields().iter().map(|field| (field.name, field.value));
        let offered = Offered::of(head.status, head.length, fields);
        let vary = !offered.varies;
        let accepts = compressing.accepts.map(|accepts| &accepts.encodings);
        match offered.compression(compressing.rules, accepts) {
            Compression::Never => Self::NONE,
            Compression::NotHere => Self { coding: None, vary, coder: None },
            Compression::With(_) if head.status == 304 && has_plain_copy(head, compressing.accepts) => {
                Self { coding: None, vary, coder: None }
            }
            Compression::With(coding) if !has_body => Self { coding: Some(coding), vary, coder: None },
            Compression::With(coding) => {
                let room = compressing.at_work.get() < compressing.most;
                let coder = room.then(|| Coder::new(coding, compressing.at_work)).and_then(Result::ok);
                if coder.is_none() {
                    compressing.struck.one();
                }
                Self { coding: coder.as_ref().map(|_| coding), vary, coder: coder.map(Box::new) }
            }
        }
    }
}

/// Whether the client's copy of what 304 speaks of has its strong tag.
fn has_plain_copy(head: &ResponseHead<'_>, accepts: Option<&Accepts>) -> bool {
    let tag = head.fields().iter().find(|field| field.name.eq_ignore_ascii_case("etag"));
    tag.zip(accepts).is_some_and(|(tag, accepts)| lists_strong(&accepts.copies, tag.value))
}

/// A compressor at work.
pub(crate) struct Coder {
    encoder: Option<Encoder>,
    /// Whether anything was written since the last flush.
    fresh: bool,
    at_work: Rc<Cell<usize>>,
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl std::fmt::Debug for Coder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coder").field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

impl Drop for Coder {
    fn drop(&mut self) {
        self.at_work.set(self.at_work.get() - 1);
    }
}

impl Coder {
    fn new(coding: Coding, at_work: &Rc<Cell<usize>>) -> io::Result<Self> {
        let encoder = match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP))),
            Coding::Brotli => {
                Encoder::Brotli(Box::new(CompressorWriter::new(Vec::new(), 16 << 10, BROTLI, WINDOW)))
            }
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
                Encoder::Zstd(encoder)
            }
        };
        at_work.set(at_work.get() + 1);
        Ok(Self { encoder: Some(encoder), fresh: false, at_work: at_work.clone() })
    }

    /// Takes a piece of the body.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.fresh |= !data.is_empty();
        match &mut self.encoder {
            Some(Encoder::Gzip(encoder)) => encoder.write_all(data),
            Some(Encoder::Brotli(encoder)) => encoder.write_all(data),
            Some(Encoder::Zstd(encoder)) => encoder.write_all(data),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Gives what lets the client read everything that was written. At the body's end that is the rest.
    pub fn take(&mut self, at_end: bool) -> io::Result<Vec<u8>> {
        if at_end {
            return match self.encoder.take() {
                Some(Encoder::Gzip(encoder)) => encoder.finish(),
                Some(Encoder::Brotli(encoder)) => Ok(encoder.into_inner()),
                Some(Encoder::Zstd(encoder)) => encoder.finish(),
                None => Ok(Vec::new()),
            };
        }
        if !std::mem::take(&mut self.fresh) {
            return Ok(Vec::new());
        }
        Ok(std::mem::take(match &mut self.encoder {
            Some(Encoder::Gzip(encoder)) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            Some(Encoder::Brotli(encoder)) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            Some(Encoder::Zstd(encoder)) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            None => return Ok(Vec::new()),
        }))
    }
}
