//! Bodies between DATA frames and HTTP/1.1's framing.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use haechi_http::{Body, h2 as heads, write_last_chunk};

use super::broken;
use crate::unsent::{Handed, Share, Unsent};

/// Room for the size of a chunk and the line ends around it.
const CHUNK_ROOM: usize = 16;

/// Room for the trailers that most answers of gRPC have.
const TRAILER_ROOM: usize = 128;

/// Bytes of a request's body that may go to the frame layer before it gave the stream a window.
const EARLY: usize = 16 << 10;

/// What a stream's DATA looks like to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is: its length was announced, or it is a tunnel.
    Plain,
    /// In chunks, with trailers behind them.
    Chunked,
}

/// A body that comes in.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: RecvStream,
    form: Form,
    /// The rest of a frame.
    rest: Bytes,
    /// The end of a chunked body, and how much of it was read.
    tail: Vec<u8>,
    tail_at: usize,
    ended: bool,
}

impl Incoming {
    /// `ended` says that the stream has no body.
    pub fn new(stream: RecvStream, form: Form, ended: bool) -> Self {
        Self { stream, form, rest: Bytes::new(), tail: Vec::new(), tail_at: 0, ended }
    }

    /// Reads on into `area`, as much as is there. Nothing at the end.
    ///
    /// Only what is read here widens the peer's window, so what a slow reader leaves stays with the peer.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut filled = 0;
        let spare = if self.form == Form::Chunked { CHUNK_ROOM } else { 0 };
        while area.len() - filled > spare {
            if self.tail_at < self.tail.len() {
                filled += self.read_tail(&mut area[filled..]);
                continue;
            }
            if self.ended {
                break;
            }
            if self.rest.is_empty() {
                match self.stream.poll_data(cx) {
                    Poll::Ready(Some(Ok(data))) => self.rest = data,
                    Poll::Ready(Some(Err(error))) => return some_or(filled, Err(broken(error))),
                    Poll::Ready(None) => match self.poll_end(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => return some_or(filled, Err(error)),
                        Poll::Pending if filled > 0 => break,
                        Poll::Pending => return Poll::Pending,
                    },
                    Poll::Pending if filled > 0 => break,
                    Poll::Pending => return Poll::Pending,
                }
                continue;
            }
            let (data, used) = self.read_data(&mut area[filled..]);
            filled += used;
            // An error here is the connection's, which the next read tells.
            let _ = self.stream.flow_control().release_capacity(data);
        }
        Poll::Ready(Ok(filled))
    }

    /// Copies data. Returns how much of it, and how many bytes of the area that took.
    fn read_data(&mut self, area: &mut [u8]) -> (usize, usize) {
        if self.form == Form::Plain {
            let take = self.rest.len().min(area.len());
            self.rest.copy_to_slice(&mut area[..take]);
            return (take, take);
        }
        let take = self.rest.len().min(area.len() - CHUNK_ROOM);
        let mut size = [0; CHUNK_ROOM];
        let mut line = io::Cursor::new(&mut size[..]);
        // It fits: eight digits at most.
        let _ = io::Write::write_fmt(&mut line, format_args!("{take:x}\r\n"));
        let head = line.position() as usize;
        area[..head].copy_from_slice(&size[..head]);
        self.rest.copy_to_slice(&mut area[head..head + take]);
        area[head + take..head + take + 2].copy_from_slice(b"\r\n");
        (take, head + take + 2)
    }

    fn read_tail(&mut self, area: &mut [u8]) -> usize {
        let take = (self.tail.len() - self.tail_at).min(area.len());
        area[..take].copy_from_slice(&self.tail[self.tail_at..self.tail_at + take]);
        self.tail_at += take;
        take
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let trailers = ready!(self.stream.poll_trailers(cx)).map_err(broken)?;
        self.ended = true;
        if self.form == Form::Chunked {
            let mut lines = Vec::new();
            if let Some(trailers) = trailers {
                lines.reserve(TRAILER_ROOM);
                heads::write_trailers(&mut lines, &trailers);
            }
            self.tail.reserve_exact(lines.len() + CHUNK_ROOM);
            write_last_chunk(&mut self.tail, &lines);
        }
        Poll::Ready(Ok(()))
    }
}

fn some_or(filled: usize, otherwise: io::Result<usize>) -> Poll<io::Result<usize>> {
    Poll::Ready(if filled > 0 { Ok(filled) } else { otherwise })
}

/// Where a stream's DATA goes out.
#[derive(Debug)]
pub(super) struct Out {
    stream: SendStream<Handed>,
    /// What bounds it besides the stream's own bound.
    share: Option<Rc<Share>>,
}

impl Out {
    /// A stream to a client, whose connection is bounded as a whole.
    pub fn to_client(stream: SendStream<Handed>, unsent: &Rc<Unsent>) -> Self {
        Self { stream, share: Some(Share::new(unsent.clone())) }
    }

    /// A stream to a service.
    pub const fn to_service(stream: SendStream<Handed>) -> Self {
        Self { stream, share: None }
    }

    /// How much the peer's window, and the bound on what waits for the peer, take of `wanted` bytes now.
    fn poll_room(&mut self, cx: Option<&mut Context<'_>>, wanted: usize) -> io::Result<usize> {
        let most = self.share.as_ref().map_or(usize::MAX, |share| share.room());
        if most == 0 {
            if let (Some(cx), Some(share)) = (cx, &self.share) {
                share.wait(cx.waker());
                // What is being written of it may stay for as long as the peer doesn't read.
                if self.stream.poll_reset(cx).is_ready() {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
            return Ok(0);
        }
        self.stream.reserve_capacity(wanted.min(most));
        let room = self.stream.capacity().min(most);
        let Some(cx) = cx.filter(|_| room == 0) else { return Ok(room) };
        match self.stream.poll_capacity(cx) {
            Poll::Ready(Some(Ok(room))) => Ok(room.min(most)),
            Poll::Ready(Some(Err(error))) => Err(broken(error)),
            Poll::Ready(None) => Err(io::ErrorKind::BrokenPipe.into()),
            Poll::Pending => Ok(0),
        }
    }

    fn send(&mut self, data: Vec<u8>, last: bool) -> io::Result<()> {
        self.stream.send_data(Handed::new(data, self.share.as_ref()), last).map_err(broken)
    }

    /// Sends what the peer takes of a tunnel's bytes.
    pub fn write_raw(&mut self, cx: Option<&mut Context<'_>>, data: &[u8]) -> Poll<io::Result<usize>> {
        let room = match self.poll_room(cx, data.len()) {
            Ok(0) if !data.is_empty() => return Poll::Pending,
            Ok(room) => room.min(data.len()),
            Err(error) => return Poll::Ready(Err(error)),
        };
        self.send(data[..room].to_vec(), false)?;
        Poll::Ready(Ok(room))
    }

    /// Says that nothing more is sent.
    pub fn end(&mut self) {
        // The peer may have left.
        let _ = self.stream.send_data(Handed::EMPTY, true);
    }

    /// Waits until the peer resets the stream.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason, h2::Error>> {
        self.stream.poll_reset(cx)
    }

    /// Resets the stream.
    pub fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }
}

/// A body that goes out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub out: Out,
    body: Body,
    /// Bytes that may still be sent without a window.
    early: usize,
    pub ended: bool,
}

impl Outgoing {
    pub fn new(out: Out, mut body: Body) -> Self {
        body.keep_trailers();
        Self { out, body, early: 0, ended: false }
    }

    /// The body of a request whose head was just handed to the frame layer. That gives the stream no window before
    /// the head has left, so what is there of a small body would leave after it, by itself and after one more turn of two
    /// tasks. Instead it waits in the frame layer, which still sends no more than the peer's window takes.
    pub fn behind_head(out: Out, body: Body) -> Self {
        Self { early: EARLY, ..Self::new(out, body) }
    }

    /// Sends what the peer's window takes of `data`. Returns how many bytes were used. With a context it waits
    /// for the window; without one nothing used means that it would.
    pub fn write(&mut self, cx: Option<&mut Context<'_>>, data: &[u8]) -> Poll<io::Result<usize>> {
        let room = match self.room(cx, data.len()) {
            Ok(room) => room,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let mut batch = Vec::with_capacity(room.min(data.len()));
        let mut used = 0;
        while used < data.len() && !self.ended {
            let piece =
                self.body.read_at_most(&data[used..], room - batch.len()).map_err(io::Error::other)?;
            batch.extend_from_slice(piece.data);
            self.ended = piece.done;
            if piece.consumed == 0 {
                break;
            }
            used += piece.consumed;
        }
        if used == 0 {
            return Poll::Pending;
        }
        self.early = self.early.saturating_sub(batch.len());
        let lines = if self.ended { self.body.trailers() } else { &[] };
        let trailers = if lines.is_empty() { None } else { heads::trailers(lines) };
        let last = self.ended && trailers.is_none();
        if last || !batch.is_empty() {
            self.out.send(batch, last)?;
        }
        if let Some(trailers) = trailers {
            self.out.stream.send_trailers(trailers).map_err(broken)?;
        }
        Poll::Ready(Ok(used))
    }

    /// How much may be sent now.
    fn room(&mut self, cx: Option<&mut Context<'_>>, wanted: usize) -> io::Result<usize> {
        if self.early > 0 { Ok(self.early) } else { self.out.poll_room(cx, wanted) }
    }
}
