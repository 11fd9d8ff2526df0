//! Bytes on their way to a peer that doesn't take them all at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use crate::worker::Buffers;

/// What could not be sent yet. Its owner reads nothing more for this peer until it is empty, so it never
/// holds more than came from one read.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Whether everything was sent.
    pub const fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Bytes that were not sent yet.
    pub const fn left(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Sends what the peer takes now and keeps the rest.
    #[inline]
    pub fn send(&mut self, stream: &TcpStream, data: &[u8], buffers: &Buffers) -> io::Result<()> {
        let taken = if self.is_empty() { try_write(stream, data)? } else { 0 };
        if taken < data.len() {
            if self.bytes.capacity() == 0 {
                self.bytes = buffers.take();
            }
            self.bytes.extend_from_slice(&data[taken..]);
        }
        Ok(())
    }

    /// Ready once everything was sent.
    #[inline]
    pub fn poll_flush(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.sent < self.bytes.len() {
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, &self.bytes[self.sent..]))?;
            self.sent += count;
        }
        self.sent = 0;
        buffers.give(std::mem::take(&mut self.bytes));
        Poll::Ready(Ok(()))
    }
}

/// Writes what the socket takes without waiting. Returns how much that was.
fn try_write(stream: &TcpStream, data: &[u8]) -> io::Result<usize> {
    match stream.try_write(data) {
        Ok(count) => Ok(count),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error),
    }
}
