//! A connection in memory, and polling without a runtime: what is not ready now never will be.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Gives its bytes in pieces of `step`, then ends. Writes are taken and forgotten.
pub struct Wire {
    pub bytes: Vec<u8>,
    pub at: usize,
    pub step: usize,
    /// Whether bytes come only once something was written, as an answer does.
    pub waits: bool,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waits {
            return Poll::Pending;
        }
        let count = self.step.min(buffer.remaining()).min(self.bytes.len() - self.at);
        buffer.put_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.waits = false;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls until the future is ready, or has waited often without need.
pub fn drive<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

/// Name in lower case and value, by name; those of one name in the order they came.
pub type Fields = Vec<(String, Vec<u8>)>;

/// A message as one of the two reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Method and target, or the status.
    pub start: String,
    pub fields: Fields,
    pub body: Body,
}

/// What became of a message's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Whole(Vec<u8>),
    /// The bytes ended before it did.
    Cut,
    Refused,
}

pub fn sorted(fields: impl Iterator<Item = (String, Vec<u8>)>) -> Fields {
    let mut fields: Fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

pub fn of_hyper(headers: &hyper::HeaderMap) -> Fields {
    sorted(headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())))
}

/// Why hyper gave a body up.
pub fn why(error: &(dyn std::error::Error + 'static)) -> Body {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::UnexpectedEof
        {
            return Body::Cut;
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return Body::Cut;
        }
        cause = error.source();
    }
    Body::Refused
}

/// Reads a body with our reader from the front of `bytes`. Returns how many bytes it took.
pub fn our_body(mut body: haechi_http::Body, bytes: &[u8], step: usize) -> (Body, usize) {
    let (mut data, mut at) = (Vec::new(), 0);
    let mut done = body.is_empty();
    while !done && at < bytes.len() {
        let end = (at + step).min(bytes.len());
        match body.read(&bytes[at..end]) {
            Ok(piece) => {
                data.extend_from_slice(piece.data);
                at += piece.consumed;
                done = piece.done;
            }
            Err(_) => return (Body::Refused, at),
        }
    }
    let until_close = matches!(body, haechi_http::Body::UntilClose);
    (if done || until_close { Body::Whole(data) } else { Body::Cut }, at)
}
