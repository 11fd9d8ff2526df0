//! Frames of one stream, as they come (RFC 9114 §7.1).

use std::task::{Context, Poll, ready};

use haechi_http::h3::{self, code};
use quinn::{ReadError, RecvStream};

/// Type and length of a frame: two numbers of up to eight bytes.
const HEADER: usize = 16;

/// Why nothing more is read from a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The client reset it.
    Reset,
    /// The connection is gone.
    Lost,
    /// What came is wrong, and ends the stream with this code.
    Stream(u32),
    /// What came is wrong, and ends the connection with this code.
    Connection(u32),
    /// A head or trailers larger than allowed.
    TooLarge,
}

/// A stream's reading side.
#[derive(Debug)]
pub(super) struct Frames {
    stream: RecvStream,
    header: [u8; HEADER],
    have: usize,
}

impl Frames {
    pub fn new(stream: RecvStream) -> Self {
        Self { stream, header: [0; HEADER], have: 0 }
    }

    /// The next frame's type and length. Nothing at the end of the stream. To be asked for once the frame before was
    /// read.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(u64, u64)>, Trouble>> {
        loop {
            let want = self.wanted();
            if self.have == want {
                self.have = 0;
                let (kind, first) = h3::read_number(&self.header).unwrap_or_default();
                let (length, _) = h3::read_number(&self.header[first..]).unwrap_or_default();
                return Poll::Ready(Ok(Some((kind, length))));
            }
            let read = self.stream.poll_read(cx, &mut self.header[self.have..want]);
            match ready!(read).map_err(|error| trouble(&error))? {
                0 if self.have == 0 => return Poll::Ready(Ok(None)),
                0 => return Poll::Ready(Err(Trouble::Connection(code::FRAME_ERROR))),
                count => self.have += count,
            }
        }
    }

    /// Bytes of the header that are known to be there, from those that came.
    fn wanted(&self) -> usize {
        if self.have == 0 {
            return 2;
        }
        let first = h3::number_length(self.header[0]);
        if self.have <= first { first + 1 } else { first + h3::number_length(self.header[first]) }
    }

    /// Reads bytes of a frame that is not at its end. The stream may not end here.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<usize, Trouble>> {
        match ready!(self.stream.poll_read(cx, area)) {
            Ok(0) => Poll::Ready(Err(Trouble::Connection(code::FRAME_ERROR))),
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => Poll::Ready(Err(trouble(&error))),
        }
    }

    /// Tells the client to send nothing more.
    pub fn stop(&mut self, code: u32) {
        // It may have sent everything.
        let _ = self.stream.stop(super::code(code));
    }
}

/// What became of a stream.
pub(super) fn trouble(error: &ReadError) -> Trouble {
    match error {
        ReadError::Reset(_) => Trouble::Reset,
        ReadError::ConnectionLost(_)
        | ReadError::ClosedStream
        | ReadError::IllegalOrderedRead
        | ReadError::ZeroRttRejected => Trouble::Lost,
    }
}
