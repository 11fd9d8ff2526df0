//! Sockets whose bytes the kernel carries as they are: TCP or Unix.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::conn::Conn;

/// A connection about which nothing is decided yet.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One that no runtime watches, on its way to another thread.
#[derive(Debug)]
pub(crate) enum Parked {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A connection that can be asked for what its socket can do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plain<'a> {
    Tcp(&'a TcpStream),
    Unix(&'a UnixStream),
}

impl Stream {
    /// To read and write, with the options that help there.
    pub fn into_conn(self) -> io::Result<Conn> {
        match self {
            Self::Tcp(stream) => Conn::tcp(stream),
            Self::Unix(stream) => Ok(Conn::Unix(stream)),
        }
    }

    pub const fn plain(&self) -> Plain<'_> {
        match self {
            Self::Tcp(stream) => Plain::Tcp(stream),
            Self::Unix(stream) => Plain::Unix(stream),
        }
    }

    /// Takes it from the runtime.
    pub fn park(self) -> io::Result<Parked> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Parked::Tcp),
            Self::Unix(stream) => stream.into_std().map(Parked::Unix),
        }
    }
}

impl Parked {
    /// Has this thread's runtime watch it.
    pub fn unpark(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

impl Plain<'_> {
    pub fn poll_read_ready(self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    pub fn poll_write_ready(self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Does something with the socket that the runtime has no word for. It notes a `WouldBlock`.
    pub fn try_io<T>(self, interest: Interest, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(stream) => stream.try_io(interest, work),
            Self::Unix(stream) => stream.try_io(interest, work),
        }
    }
}

impl AsFd for Plain<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
