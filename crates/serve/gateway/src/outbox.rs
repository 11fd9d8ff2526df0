//! Bytes on their way to a peer that doesn't take them all at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::conn::Conn;
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
    pub fn send(&mut self, conn: &mut Conn, data: &[u8], buffers: &Buffers) -> io::Result<()> {
        let taken = if self.is_empty() { conn.try_write(data)? } else { 0 };
        if taken < data.len() {
            if self.bytes.capacity() == 0 {
                self.bytes = buffers.take();
            }
            self.bytes.extend_from_slice(&data[taken..]);
            self.fit(conn);
        }
        Ok(())
    }

    /// Keeps no more room than what waits needs, for one of many streams: they may wait for long.
    fn fit(&mut self, conn: &Conn) {
        if conn.is_stream() && self.bytes.capacity() > 2 * self.bytes.len() {
            self.bytes.shrink_to_fit();
        }
    }

    /// Sends what the peer takes now and keeps the rest in the buffer that it came in, which is empty afterwards.
    pub fn send_all(&mut self, conn: &mut Conn, data: &mut Vec<u8>, buffers: &Buffers) -> io::Result<()> {
        if !self.is_empty() {
            self.bytes.extend_from_slice(data);
            data.clear();
            return Ok(());
        }
        let taken = conn.try_write(data)?;
        if taken < data.len() {
            buffers.give(std::mem::replace(&mut self.bytes, std::mem::take(data)));
            self.sent = taken;
            self.fit(conn);
        }
        data.clear();
        Ok(())
    }

    /// Keeps bytes behind what is there, to be sent with the next flush.
    pub fn keep(&mut self, data: &[u8], buffers: &Buffers) {
        if data.is_empty() {
            return;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = buffers.take();
        }
        self.bytes.extend_from_slice(data);
    }

    /// Ready once everything was sent.
    #[inline]
    pub fn poll_flush(
        &mut self,
        conn: &mut Conn,
        cx: &mut Context<'_>,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            return Pin::new(conn).poll_flush(cx);
        }
        while self.sent < self.bytes.len() {
            let count = ready!(Pin::new(&mut *conn).poll_write(cx, &self.bytes[self.sent..]))?;
            self.sent += count;
        }
        self.sent = 0;
        buffers.give(std::mem::take(&mut self.bytes));
        Pin::new(conn).poll_flush(cx)
    }
}
