//! A byte stream to a peer: TCP, a Unix socket, TLS over TCP, or one stream of an HTTP/2 or HTTP/3 connection, which
//! reads and writes HTTP/1.1 like the others.
//!
//! The engine reads and writes through it without asking which one it is. Only what must know asks: `splice`
//! works between plain sockets alone.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::h2::{Inbound, Outbound};
use crate::h3;
use crate::stream::Plain;

/// Bytes that the kernel holds unsent, at most. A peer that takes less than half of it within an idle bound
/// looks as if it took nothing.
const UNSENT: u32 = 64 << 10;

/// A connection.
#[derive(Debug)]
pub(crate) enum Conn {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Boxed: it is many times larger than a socket, and most connections of a gateway are plain.
    Tls(Box<TlsStream<TcpStream>>),
    /// A client's stream.
    H2In(Box<Inbound>),
    /// A stream to a service.
    H2Out(Box<Outbound>),
    /// A client's stream of HTTP/3.
    H3In(Box<h3::Inbound>),
}

impl Conn {
    /// A TCP connection, told to send small messages at once: without it one could wait for the
    /// acknowledgement of the one before. The kernel holds little that it can't send yet, so that a peer that
    /// takes bytes steadily is seen to.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT)?;
        Ok(Self::Tcp(stream))
    }

    /// Reads into `area`. Returns how many bytes came; 0 at the end of the stream.
    #[inline]
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::H2In(stream) => return stream.poll_fill(cx, area),
            Self::H2Out(stream) => return stream.poll_fill(cx, area),
            Self::H3In(stream) => return stream.poll_fill(cx, area),
            Self::Tcp(_) | Self::Unix(_) | Self::Tls(_) => {}
        }
        let mut buffer = ReadBuf::new(area);
        ready!(Pin::new(self).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes what the peer takes without waiting. Returns how much that was; over TLS some of it may still be
    /// [held](Self::holds_output).
    #[inline]
    pub fn try_write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Tcp(stream) => stream.try_write(data),
            Self::Unix(stream) => stream.try_write(data),
            Self::Tls(stream) => {
                // Whoever waits afterwards flushes first, and that registers the real waker.
                let mut cx = Context::from_waker(Waker::noop());
                match Pin::new(&mut **stream).poll_write(&mut cx, data) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Ok(0),
                }
            }
            Self::H2In(stream) => now(stream.poll_send(None, data)),
            Self::H2Out(stream) => now(stream.poll_send(None, data)),
            Self::H3In(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                now(stream.poll_send(&mut cx, data))
            }
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// How many bytes of an answer should be read at once for this client, at most: few while its connection holds much
    /// for all its streams.
    #[inline]
    pub fn appetite(&self) -> usize {
        match self {
            Self::H2In(stream) => stream.kept.appetite(),
            Self::H3In(stream) => stream.kept.appetite(),
            Self::Tcp(_) | Self::Unix(_) | Self::Tls(_) | Self::H2Out(_) => usize::MAX,
        }
    }

    /// Takes account of bytes of an answer that are about to be read, and then written or kept.
    pub fn keep(&mut self, bytes: usize) {
        match self {
            Self::H2In(stream) => stream.kept.set(bytes),
            Self::H3In(stream) => stream.kept.set(bytes),
            Self::Tcp(_) | Self::Unix(_) | Self::Tls(_) | Self::H2Out(_) => {}
        }
    }

    /// Whether bytes that were written wait here for the peer to take them.
    #[inline]
    pub fn holds_output(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) | Self::H2In(_) | Self::H2Out(_) => false,
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
            Self::H3In(stream) => stream.holds_output(),
        }
    }

    /// Whether a read would wait. Asked of the kernel: the runtime learns of bytes only when it next polls.
    pub fn is_silent(&mut self) -> bool {
        if let Self::Tls(stream) = self {
            // Takes in what is not data, such as session tickets. Data or the end was asked for by nobody.
            let mut cx = Context::from_waker(Waker::noop());
            let mut byte = [0; 1];
            if Pin::new(&mut **stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_ready() {
                return false;
            }
        }
        !self.has_unread()
    }

    /// Whether the kernel holds bytes that were not read, or the end of the stream.
    pub fn has_unread(&self) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        match self.socket().map(|socket| socket.peek(&mut byte)) {
            Some(Err(error)) => error.kind() != io::ErrorKind::WouldBlock,
            // A stream carries one request and is never asked.
            Some(Ok(_)) | None => true,
        }
    }

    /// Whether a read would wait, as far as the runtime knows already: no system call.
    pub fn seems_silent(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(&mut cx).is_pending(),
            Self::Unix(stream) => stream.poll_read_ready(&mut cx).is_pending(),
            Self::Tls(stream) => stream.get_ref().0.poll_read_ready(&mut cx).is_pending(),
            Self::H2In(_) | Self::H2Out(_) | Self::H3In(_) => false,
        }
    }

    /// Tells the peer over TLS that nothing more comes, if that can be sent at once. Plain sockets say it by closing.
    pub fn say_goodbye(&mut self) {
        if let Self::Tls(stream) = self {
            let mut cx = Context::from_waker(Waker::noop());
            // Whether the peer hears it changes nothing here.
            let _ = Pin::new(&mut **stream).poll_shutdown(&mut cx);
        }
    }

    /// Turns the close into a reset, so that the peer can't take what it got for whole. A stream that is not
    /// whole is always reset. A Unix socket knows no reset: its peer sees an end, and needs a length or chunks to
    /// tell that it came early.
    pub fn reset(self) {
        let linger = self.socket().map(|socket| socket.set_linger(Some(Duration::ZERO)));
        if let Some(Err(error)) = linger {
            tracing::debug!(%error, "could not reset a connection");
        }
    }

    /// Whether it is a client's stream, which carries one request.
    pub const fn is_stream(&self) -> bool {
        matches!(self, Self::H2In(_) | Self::H3In(_))
    }

    /// It as a socket, where the kernel carries the peer's bytes as they are.
    pub const fn plain(&self) -> Option<Plain<'_>> {
        match self {
            Self::Tcp(stream) => Some(Plain::Tcp(stream)),
            Self::Unix(stream) => Some(Plain::Unix(stream)),
            Self::Tls(_) | Self::H2In(_) | Self::H2Out(_) | Self::H3In(_) => None,
        }
    }

    /// The socket below; a stream has none of its own.
    pub fn socket(&self) -> Option<SockRef<'_>> {
        Some(match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0),
            Self::H2In(_) | Self::H2Out(_) | Self::H3In(_) => return None,
        })
    }

    /// Whether the peer said that it did not begin to process the request (RFC 9113 §8.7).
    pub const fn is_unprocessed(&self) -> bool {
        matches!(self, Self::H2Out(stream) if stream.is_unprocessed())
    }

    /// Whether the request can't be told over HTTP/2, or not to this service, which is not to blame for it.
    pub const fn is_unsaid(&self) -> bool {
        matches!(self, Self::H2Out(stream) if stream.is_unsaid())
    }

    /// Lets no other request share this one's connection.
    pub fn retire(&self) {
        if let Self::H2Out(stream) = self {
            stream.retire();
        }
    }
}

/// What was written without waiting.
fn now(written: Poll<io::Result<usize>>) -> io::Result<usize> {
    match written {
        Poll::Ready(written) => written,
        Poll::Pending => Ok(0),
    }
}

impl AsyncRead for Conn {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
            stream @ (Self::H2In(_) | Self::H2Out(_) | Self::H3In(_)) => {
                let count = ready!(stream.poll_fill(cx, buffer.initialize_unfilled()))?;
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Conn {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, data),
            Self::H2In(stream) => stream.poll_send(Some(cx), data),
            Self::H2Out(stream) => stream.poll_send(Some(cx), data),
            Self::H3In(stream) => stream.poll_send(cx, data),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, pieces),
            stream @ (Self::H2In(_) | Self::H2Out(_) | Self::H3In(_)) => {
                let first = pieces.iter().find(|piece| !piece.is_empty());
                Pin::new(stream).poll_write(cx, first.map_or(&[], |piece| piece))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unix(_) | Self::Tls(_))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(_) | Self::Unix(_) | Self::H2In(_) | Self::H2Out(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::H3In(stream) => stream.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::H2In(stream) => {
                stream.shutdown();
                Poll::Ready(Ok(()))
            }
            Self::H2Out(stream) => {
                stream.shutdown();
                Poll::Ready(Ok(()))
            }
            // Its end is the answer's.
            Self::H3In(stream) => stream.poll_flush(cx),
        }
    }
}
