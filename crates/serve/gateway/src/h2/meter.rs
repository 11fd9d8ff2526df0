//! Counts frames as they come in, so that a peer that only makes work is sent away.
//!
//! The `h2` crate bounds the memory that frames can cost; what they cost in time is bounded here. A peer has a
//! stock of frames that carry nothing, refilled within ten seconds and by every bit of real work.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use haechi_core::{Clock, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::conn::Conn;
use crate::stock::Stock;

/// Bytes in front of each frame (RFC 9113 §4.1).
const HEADER: usize = 9;

/// Which stock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flood {
    /// Frames that carry nothing: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, CONTINUATION, empty DATA, unknown ones.
    Control,
    /// RST_STREAM.
    Resets,
}

/// What a peer may still send, and where in a frame its bytes are.
#[derive(Debug)]
pub(super) struct Meter {
    control: Stock,
    resets: Stock,
    frames: RefCell<Frames>,
    flood: Cell<Option<Flood>>,
    settled: Cell<bool>,
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
            flood: Cell::new(None),
            settled: Cell::new(false),
        })
    }

    /// The stock that ran out, if one did.
    pub fn flood(&self) -> Option<Flood> {
        self.flood.get()
    }

    /// Whether the peer's first SETTINGS came.
    pub fn settled(&self) -> bool {
        self.settled.get()
    }

    /// Counts a message's bytes that were passed on to the peer as work.
    pub fn worked(&self, bytes: usize) {
        self.control.worked(bytes);
    }

    /// Looks at bytes that came.
    fn read(&self, mut bytes: &[u8], now: Instant) {
        let mut frames = self.frames.borrow_mut();
        let seconds = now.since(frames.refilled).as_secs_f64();
        if seconds > 0.01 {
            frames.refilled = now;
            self.control.refill(seconds);
            self.resets.refill(seconds);
        }
        while !bytes.is_empty() {
            let skip = frames.left.min(bytes.len());
            frames.left -= skip;
            bytes = &bytes[skip..];
            let take = (HEADER - frames.have).min(bytes.len());
            let have = frames.have;
            frames.header[have..have + take].copy_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            frames.have += take;
            if frames.have == HEADER {
                frames.have = 0;
                let [a, b, c, kind, flags, ..] = frames.header;
                frames.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.frame(kind, flags, frames.left);
            }
        }
    }

    fn frame(&self, kind: u8, flags: u8, length: usize) {
        const DATA: u8 = 0;
        const HEADERS: u8 = 1;
        const RST_STREAM: u8 = 3;
        const SETTINGS: u8 = 4;
        const END_STREAM: u8 = 1;
        match kind {
            DATA if length > 0 || flags & END_STREAM != 0 => self.worked(length),
            // A request lets its client ping and widen a window.
            HEADERS => self.control.add(2.0),
            RST_STREAM => {
                if !self.resets.take() {
                    self.flood.set(Some(Flood::Resets));
                }
            }
            _ => {
                self.settled.set(self.settled.get() || kind == SETTINGS);
                if !self.control.take() {
                    self.flood.set(Some(Flood::Control));
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
            this.meter.read(came, this.clock.now());
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
            assert_eq!((meter.flood(), meter.settled()), (Some(Flood::Control), false), "{cut}");
        }
    }

    #[test]
    fn time_and_work_fill_the_stock() {
        let meter = Meter::new(10, 10, 0, Instant::ZERO);
        meter.read(&PING.repeat(10), Instant::ZERO);
        meter.read(&PING.repeat(10), Instant::ZERO + Duration::from_secs(10));
        meter.worked(5 * 1024);
        meter.read(&PING.repeat(6), Instant::ZERO + Duration::from_secs(10));
        assert_eq!(meter.flood(), None);
        meter.read(&PING, Instant::ZERO + Duration::from_secs(10));
        assert_eq!(meter.flood(), Some(Flood::Control));
    }

    #[test]
    fn resets_have_a_stock_of_their_own() {
        let meter = Meter::new(10, 2, 3, Instant::ZERO);
        meter.read(b"PRI", Instant::ZERO);
        meter.read(&RESET.repeat(2), Instant::ZERO);
        assert_eq!(meter.flood(), None);
        meter.read(&RESET, Instant::ZERO);
        assert_eq!(meter.flood(), Some(Flood::Resets));
    }
}
