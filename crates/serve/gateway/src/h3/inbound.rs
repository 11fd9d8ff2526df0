//! A client's stream, as a connection that carries one request and its answer.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use haechi_http::h3::{self as wire, code, frame};
use haechi_http::{
    Body, HeadLimits, HeadSlots, MAX_WRITTEN_FIELDS, ResponseFraming, ResponseHead, h2 as heads,
};
use quinn::{SendStream, StoppedError, VarInt, WriteError};

use super::frames::Trouble;
use super::incoming::Incoming;
use super::session::Session;
use crate::unsent::Kept;

/// Bounds on an answer's head, which the gateway wrote itself: a service's and what filters add.
const ANSWER_LIMITS: HeadLimits =
    HeadLimits { head_bytes: 256 << 10, fields: MAX_WRITTEN_FIELDS, target_bytes: 0 };

/// Bytes of DATA that are made at once, at most.
const BATCH: usize = 64 << 10;

/// Room for the type of a frame and, in four bytes, its length.
const DATA_HEADER: usize = 5;

/// Ready when the client took everything, or wants nothing more.
type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>>>>;

/// A client's stream.
pub(crate) struct Inbound {
    /// The request's head as HTTP/1.1, and how much of it was read.
    head: Vec<u8>,
    head_at: usize,
    body: Incoming,
    stream: SendStream,
    answer: Answering,
    /// Frames that the client's window did not take yet.
    out: Vec<u8>,
    out_at: usize,
    /// Bytes that wait to be sent, here and with their sender.
    pub kept: Kept,
    to_head: bool,
    stopped: Option<Stopped>,
    /// Why it is reset if it is not whole.
    code: u32,
    /// Whether all of the answer was handed to QUIC.
    whole: Rc<Cell<bool>>,
    session: Rc<Session>,
}

/// How far the answer is.
#[derive(Debug)]
enum Answering {
    Head,
    Body(Body),
    /// All of it is in frames.
    Ended,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("answer", &self.answer).finish_non_exhaustive()
    }
}

impl Inbound {
    /// `whole` is set once all of the answer was handed to QUIC.
    pub(super) fn new(
        head: Vec<u8>,
        body: Incoming,
        stream: SendStream,
        to_head: bool,
        whole: Rc<Cell<bool>>,
        session: Rc<Session>,
    ) -> Self {
        let kept = Kept::new(session.unsent.clone());
        Self {
            head,
            head_at: 0,
            body,
            stream,
            answer: Answering::Head,
            out: Vec::new(),
            out_at: 0,
            kept,
            to_head,
            stopped: None,
            code: code::INTERNAL_ERROR,
            whole,
            session,
        }
    }

    /// Reads the request as HTTP/1.1. At its end it waits for the answer's: then comes the end of the connection,
    /// or an error if the client stopped the answer.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<io::Result<usize>> {
        let rest = &self.head[self.head_at..];
        let head = rest.len().min(area.len());
        area[..head].copy_from_slice(&rest[..head]);
        self.head_at += head;
        if self.head_at == self.head.len() && head > 0 {
            self.session.worker.buffers.give(std::mem::take(&mut self.head));
            self.head_at = 0;
        }
        match self.body.poll_fill(cx, &mut area[head..]) {
            Poll::Ready(Ok(body)) if head + body > 0 => Poll::Ready(Ok(head + body)),
            Poll::Ready(Ok(_)) => self.poll_end(cx),
            _ if head > 0 => Poll::Ready(Ok(head)),
            Poll::Ready(Err(trouble)) => {
                if let Trouble::Stream(code) = trouble {
                    self.code = code;
                }
                Poll::Ready(Err(self.session.broken(trouble)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if matches!(self.answer, Answering::Ended) {
            return Poll::Ready(Ok(0));
        }
        let stopped = self.stopped.get_or_insert_with(|| Box::pin(self.stream.stopped()));
        let why = ready!(stopped.as_mut().poll(cx));
        self.stopped = None;
        Poll::Ready(Err(match why {
            Ok(Some(_)) => self.session.broken(Trouble::Reset),
            Ok(None) | Err(_) => self.session.broken(Trouble::Lost),
        }))
    }

    /// Sends what the client takes of an answer in HTTP/1.1's form. Its heads come whole.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.send_some(cx, data);
        let used = if let Poll::Ready(Ok(used)) = sent { used } else { 0 };
        self.kept.set(data.len() - used + self.out.capacity());
        sent
    }

    fn send_some(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut used = 0;
        while used < data.len() {
            match self.poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending if used > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
            used += match &mut self.answer {
                Answering::Head => self.frame_head(&data[used..])?,
                Answering::Body(_) => self.frame_body(&data[used..])?,
                Answering::Ended => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        self.session.worked(used);
        // What is not taken now is held.
        if let Poll::Ready(flushed) = self.poll_flush(cx) {
            flushed?;
        }
        Poll::Ready(Ok(used))
    }

    /// Whether frames wait here for the client to take them.
    pub const fn holds_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Ready once QUIC took everything.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.out_at < self.out.len() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.out[self.out_at..]);
            self.out_at += ready!(written).map_err(|error| match error {
                WriteError::Stopped(_) => self.session.broken(Trouble::Reset),
                WriteError::ConnectionLost(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => {
                    self.session.broken(Trouble::Lost)
                }
            })?;
        }
        if !self.out.is_empty() {
            self.session.worker.buffers.give(std::mem::take(&mut self.out));
            self.out_at = 0;
            self.kept.set(0);
        }
        if matches!(self.answer, Answering::Ended) && !self.whole.replace(true) {
            // A client that stopped the stream wants no end of it either.
            let _ = self.stream.finish();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a frame with a field section.
    fn frame_section(&mut self, section: &[u8]) {
        self.take_buffer();
        wire::write_number(&mut self.out, frame::HEADERS);
        wire::write_number(&mut self.out, section.len() as u64);
        self.out.extend_from_slice(section);
    }

    fn take_buffer(&mut self) {
        // One that others made grow would stay with a stream that can't send.
        if self.out.capacity() == 0 && !self.session.unsent.is_full() {
            self.out = self.session.worker.buffers.take();
        }
    }

    /// Writes one head, interim or final. Returns its length.
    fn frame_head(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut slots = HeadSlots::new();
        let head = ResponseHead::parse(data, &mut slots, &ANSWER_LIMITS, self.to_head)
            .map_err(io::Error::other)?
            .ok_or(io::ErrorKind::InvalidData)?;
        if head.status == 101 {
            // No stream asks for it.
            return Err(io::ErrorKind::InvalidData.into());
        }
        let response = heads::response(&head).map_err(io::Error::other)?;
        let mut section = self.session.worker.buffers.take();
        wire::write_response(&mut section, &response);
        self.frame_section(&section);
        self.session.worker.buffers.give(section);
        if !head.is_interim() {
            self.answer = match head.framing {
                ResponseFraming::None | ResponseFraming::Length(0) => Answering::Ended,
                framing => {
                    let mut body = Body::of_response(framing, ANSWER_LIMITS.head_bytes);
                    body.keep_trailers();
                    Answering::Body(body)
                }
            };
        }
        Ok(head.len)
    }

    /// Writes a frame with as much of the body as is there, and trailers behind its end. Returns how many bytes were
    /// used.
    fn frame_body(&mut self, data: &[u8]) -> io::Result<usize> {
        self.take_buffer();
        let Answering::Body(body) = &mut self.answer else { return Ok(0) };
        let start = self.out.len();
        self.out.extend_from_slice(&[0; DATA_HEADER]);
        let (mut used, mut done) = (0, false);
        while used < data.len() && !done {
            let left = BATCH - (self.out.len() - start - DATA_HEADER);
            let piece = body.read_at_most(&data[used..], left).map_err(io::Error::other)?;
            self.out.extend_from_slice(piece.data);
            done = piece.done;
            if piece.consumed == 0 {
                break;
            }
            used += piece.consumed;
        }
        if used == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = self.out.len() - start - DATA_HEADER;
        if length == 0 {
            self.out.truncate(start);
        } else {
            // The type is 0; the length has four bytes (RFC 9000 §16), which a batch never needs more than.
            let length = (length as u32 | 0x8000_0000).to_be_bytes();
            self.out[start + 1..start + DATA_HEADER].copy_from_slice(&length);
        }
        if done {
            let trailers = heads::trailers(body.trailers()).filter(|trailers| !trailers.is_empty());
            self.answer = Answering::Ended;
            if let Some(trailers) = trailers {
                let mut section = Vec::new();
                wire::write_trailers(&mut section, &trailers);
                self.frame_section(&section);
            }
        }
        Ok(used)
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        if self.whole.get() {
            // What is left of the request is not wanted any more (RFC 9114 §4.1).
            return self.body.stop(code::NO_ERROR);
        }
        // Without this the answer would end as if it were whole.
        let _ = self.stream.reset(super::code(self.code));
        self.body.stop(self.code);
    }
}
