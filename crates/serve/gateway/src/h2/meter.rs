//! Looks at frames as they come in, so that a peer that only makes work, or pushes, is sent away.
//!
//! The `h2` crate bounds the memory that frames can cost; what they cost in time is bounded here. A peer has a
//! stock of frames that carry nothing, refilled within ten seconds and by every bit of real work. The frame that it is
//! sent away for, and what follows, isn't passed on.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use h2::Reason;
use haechi_core::{Clock, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::conn::Conn;
use crate::stock::Stock;

/// Bytes in front of each frame (RFC 9113 §4.1).
const HEADER: usize = 9;

/// Why a peer is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offence {
    /// Too many frames that carry nothing: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, CONTINUATION, empty DATA, unknown
    /// ones.
    Control,
    /// Too many RST_STREAM.
    Resets,
    /// PUSH_PROMISE, which no client may send (RFC 9113 §8.4), nor a service that was told so (§6.6). The `h2` crate
    /// looks at the state of the stream first, and has a debug assertion that it breaks when we reset that stream.
    Push,
}

impl Offence {
    /// What the peer is told.
    pub fn reason(self) -> Reason {
        match self {
            Self::Control | Self::Resets => Reason::ENHANCE_YOUR_CALM,
            Self::Push => Reason::PROTOCOL_ERROR,
        }
    }
}

/// What a peer may still send, and where in a frame its bytes are.
#[derive(Debug)]
pub(super) struct Meter {
    control: Stock,
    resets: Stock,
    frames: RefCell<Frames>,
    offence: Cell<Option<Offence>>,
    settled: Cell<bool>,
    heads: Cell<u64>,
}

#[derive(Debug)]
struct Frames {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the frame's payload, or of the preface, still to come.
    left: usize,
    refilled: Instant,
}

impl Meter {
    /// For a peer that starts with `preface` bytes that are no frame.
    pub fn new(control: u32, resets: u32, preface: usize, now: Instant) -> Rc<Self> {
        Rc::new(Self {
            control: Stock::new(control),
            resets: Stock::new(resets),
            frames: RefCell::new(Frames { header: [0; HEADER], have: 0, left: preface, refilled: now }),
            offence: Cell::new(None),
            settled: Cell::new(false),
            heads: Cell::new(0),
        })
    }

    /// Why the peer has to go, if it has to.
    pub fn offence(&self) -> Option<Offence> {
        self.offence.get()
    }

    /// Whether the peer's first SETTINGS came.
    pub fn settled(&self) -> bool {
        self.settled.get()
    }

    /// HEADERS frames that came or began to come: a peer opened no more streams than that.
    pub fn heads(&self) -> u64 {
        self.heads.get()
    }

    /// Counts a message's bytes that were passed on to the peer as work.
    pub fn worked(&self, bytes: usize) {
        self.control.worked(bytes);
    }

    /// Looks at bytes that came. Returns how many of them may be passed on.
    fn read(&self, bytes: &[u8], now: Instant) -> usize {
        let mut frames = self.frames.borrow_mut();
        let seconds = now.since(frames.refilled).as_secs_f64();
        if seconds > 0.01 {
            frames.refilled = now;
            self.control.refill(seconds);
            self.resets.refill(seconds);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let skip = frames.left.min(rest.len());
            frames.left -= skip;
            rest = &rest[skip..];
            let before = bytes.len() - rest.len();
            let take = (HEADER - frames.have).min(rest.len());
            let have = frames.have;
            frames.header[have..have + take].copy_from_slice(&rest[..take]);
            rest = &rest[take..];
            frames.have += take;
            if frames.have == HEADER {
                frames.have = 0;
                let [a, b, c, kind, flags, ..] = frames.header;
                frames.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.frame(kind, flags, frames.left);
                if self.offence.get().is_some() {
                    return before;
                }
            }
        }
        bytes.len()
    }

    fn frame(&self, kind: u8, flags: u8, length: usize) {
        const DATA: u8 = 0;
        const HEADERS: u8 = 1;
        const RST_STREAM: u8 = 3;
        const SETTINGS: u8 = 4;
        const PUSH_PROMISE: u8 = 5;
        const END_STREAM: u8 = 1;
        match kind {
            DATA if length > 0 || flags & END_STREAM != 0 => self.worked(length),
            // A request lets its client ping and widen a window.
            HEADERS => {
                self.heads.set(self.heads.get() + 1);
                self.control.add(2.0);
            }
            RST_STREAM => {
                if !self.resets.take() {
                    self.offence.set(Some(Offence::Resets));
                }
            }
            PUSH_PROMISE => self.offence.set(Some(Offence::Push)),
            _ => {
                self.settled.set(self.settled.get() || kind == SETTINGS);
                if !self.control.take() {
                    self.offence.set(Some(Offence::Control));
                }
            }
        }
    }
}

/// A connection whose frames are counted, with bytes in front that were read from it already.
pub(super) struct Metered {
    conn: Conn,
    early: Vec<u8>,
    early_at: usize,
    meter: Rc<Meter>,
    clock: Arc<dyn Clock>,
    /// Whether anything was written yet.
    wrote: bool,
}

impl Metered {
    pub fn new(conn: Conn, early: Vec<u8>, meter: Rc<Meter>, clock: Arc<dyn Clock>) -> Self {
        Self { conn, early, early_at: 0, meter, clock, wrote: false }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.meter.offence().is_some() {
            // No waker is needed: whoever polls the connection looks for an offence next.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = if this.early_at < this.early.len() {
            let rest = &this.early[this.early_at..];
            let take = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..take]);
            this.early_at += take;
            if this.early_at == this.early.len() {
                (this.early, this.early_at) = (Vec::new(), 0);
            }
            Poll::Ready(Ok(()))
        } else {
            Pin::new(&mut this.conn).poll_read(cx, buffer)
        };
        let came = &buffer.filled()[before..];
        if !came.is_empty() {
            let good = this.meter.read(came, this.clock.now());
            buffer.set_filled(before + good);
            if good == 0 {
                return Poll::Pending;
            }
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wrote = true;
        Pin::new(&mut this.conn).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().conn).poll_write_vectored(cx, pieces)
    }

    /// Whether the start of a large DATA frame and the rest of it are written together.
    ///
    /// The frame layer asks when it is made, too. Told so then, it would write each DATA frame of 256 bytes and more
    /// by itself; else it gathers those of less than 1 KiB, of many streams, in its buffer.
    fn is_write_vectored(&self) -> bool {
        self.wrote && self.conn.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().conn).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().conn).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const RESET: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];

    #[test]
    fn frames_are_counted_wherever_their_bytes_are_cut() {
        for cut in 1..PING.len() {
            let meter = Meter::new(3, 3, 0, Instant::ZERO);
            let bytes = PING.repeat(4);
            for piece in bytes.chunks(cut) {
                meter.read(piece, Instant::ZERO);
            }
            assert_eq!((meter.offence(), meter.settled()), (Some(Offence::Control), false), "{cut}");
        }
    }

    #[test]
    fn time_and_work_fill_the_stock() {
        let meter = Meter::new(10, 10, 0, Instant::ZERO);
        meter.read(&PING.repeat(10), Instant::ZERO);
        meter.read(&PING.repeat(10), Instant::ZERO + Duration::from_secs(10));
        meter.worked(5 * 1024);
        meter.read(&PING.repeat(6), Instant::ZERO + Duration::from_secs(10));
        assert_eq!(meter.offence(), None);
        meter.read(&PING, Instant::ZERO + Duration::from_secs(10));
        assert_eq!(meter.offence(), Some(Offence::Control));
    }

    #[test]
    fn resets_have_a_stock_of_their_own() {
        let meter = Meter::new(10, 2, 3, Instant::ZERO);
        meter.read(b"PRI", Instant::ZERO);
        meter.read(&RESET.repeat(2), Instant::ZERO);
        assert_eq!(meter.offence(), None);
        meter.read(&RESET, Instant::ZERO);
        assert_eq!(meter.offence(), Some(Offence::Resets));
    }

    #[test]
    fn nothing_of_a_push_is_passed_on() {
        const PUSH: [u8; 13] = [0, 0, 4, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2];
        let meter = Meter::new(10, 10, 0, Instant::ZERO);
        let bytes = [&PING[..], &PUSH, &PING].concat();
        assert_eq!(meter.read(&bytes, Instant::ZERO), PING.len());
        assert_eq!(meter.offence(), Some(Offence::Push));
    }
}
