//! Large bodies between plain sockets, moved inside the kernel: no byte of them is copied here.
//!
//! Bytes go from one socket into a pipe and from there into the other. The pipe is filled only when it is empty, and
//! never with more than is left of the body: what follows a body on its connection belongs to another message.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use crate::conn::Conn;
use crate::stream::Plain;

/// Less of a body than this is copied: a pipe costs more system calls.
pub(crate) const SPLICE_FROM: u64 = 32 << 10;

/// What one pipe holds, at most.
const PIPE: usize = 256 << 10;

/// A worker's pipes.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    free: RefCell<Vec<Pipe>>,
    open: Rc<Cell<usize>>,
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    open: Rc<Cell<usize>>,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.open.set(self.open.get().saturating_sub(1));
    }
}

/// A body on its way through a pipe.
#[derive(Debug)]
pub(crate) struct Splice {
    pipe: Pipe,
    /// Bytes in the pipe.
    held: usize,
    /// Whether more of the body waits behind them already.
    more: bool,
}

impl Pipes {
    /// A pipe for the rest of a body; nothing when all of the `most` pipes are in use. It is copied then.
    pub fn take(&self, most: usize) -> Option<Splice> {
        let free = self.free.borrow_mut().pop();
        let pipe = free.or_else(|| (self.open.get() < most).then(|| self.open().ok()).flatten())?;
        Some(Splice { pipe, held: 0, more: false })
    }

    fn open(&self) -> io::Result<Pipe> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        self.open.set(self.open.get() + 1);
        let pipe = Pipe { reader, writer, open: self.open.clone() };
        // Without the privilege for a larger one it stays as it is.
        let _ = fcntl_setpipe_size(&pipe.writer, PIPE);
        Ok(pipe)
    }

    /// Gives a pipe back. One that holds bytes is closed: they must never get into another body.
    pub fn give(&self, splice: Splice) {
        if splice.held == 0 {
            self.free.borrow_mut().push(splice.pipe);
        }
    }
}

impl Splice {
    /// Bytes that left the one side and did not reach the other yet.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Moves bytes of the body, of which `left` are left, into the empty pipe. Ready with 0 at the end of the stream.
    pub fn poll_fill(&mut self, from: &Conn, left: u64, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stream) = from.plain() else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIPE);
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
            let moved = attempt(stream, Interest::READABLE, || {
                splice(stream, None, &self.pipe.writer, None, most, flags)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) => {
                    self.held = count;
                    // Told that more follows, the kernel keeps what doesn't fill a segment, for 200 ms if it must. So
                    // it is told only of what is there.
                    self.more = left > count as u64 && from.has_unread();
                    return Poll::Ready(Ok(count));
                }
                error @ Err(_) => return Poll::Ready(error),
            }
        }
    }

    /// Moves what is in the pipe on.
    pub fn poll_drain(&mut self, to: &Conn, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(to) = to.plain() else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
        let mut flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        flags.set(SpliceFlags::MORE, self.more);
        while self.held > 0 {
            ready!(to.poll_write_ready(cx))?;
            let moved = attempt(to, Interest::WRITABLE, || {
                splice(&self.pipe.reader, None, to, None, self.held, flags)
            });
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.held -= count,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn attempt(
    stream: Plain<'_>,
    interest: Interest,
    mut work: impl FnMut() -> rustix::io::Result<usize>,
) -> io::Result<usize> {
    stream.try_io(interest, || work().map_err(io::Error::from))
}
