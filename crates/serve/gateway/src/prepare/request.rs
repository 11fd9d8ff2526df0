//! A request as it goes to the service: its image, and how the rest of its body is read.

use std::ops::Range;
use std::rc::Rc;

use haechi_http::{Body, write_chunk, write_last_chunk};

use super::RequestFacts;
use crate::failure::Failure;
use crate::grpc::FromText;
use crate::route::RunningRoute;

/// A request as it goes to the service.
#[derive(Debug)]
pub(crate) struct Request {
    /// Head and the part of the body that is kept until the answer begins.
    pub image: Vec<u8>,
    /// Where Host's value stands in the image, when it is the endpoint's.
    pub host: Option<Range<usize>>,
    /// What is left of the body to be read.
    pub body: Body,
    /// Whether the body was read to its end.
    pub body_done: bool,
    /// Whether the body is sent in chunks.
    pub chunked: bool,
    /// Bytes of the body so far.
    pub body_bytes: u64,
    /// Whose filters say which trailers are passed on. Nothing when the service takes none.
    pub(super) trailers: Option<Rc<RunningRoute>>,
    /// A body of gRPC-Web in its text form.
    pub(super) text: Option<FromText>,
    pub facts: RequestFacts,
}

impl Request {
    /// Takes what belongs to the body from `input` into the image. Returns how many bytes that was.
    pub fn take_body(&mut self, input: &[u8], limit: u64) -> Result<usize, Failure> {
        let mut image = std::mem::take(&mut self.image);
        let taken = self.read_body(input, limit, &mut image);
        self.image = image;
        taken
    }

    /// Reads the body on from `input` and writes it, framed for the service, to `out`. Returns how many bytes
    /// of the input belonged to it.
    pub fn read_body(&mut self, input: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<usize, Failure> {
        let mut taken = 0;
        while !self.body_done && taken < input.len() {
            let piece = self.body.read(&input[taken..])?;
            taken += piece.consumed;
            self.body_done = piece.done;
            self.body_bytes += piece.data.len() as u64;
            if limit > 0 && self.body_bytes > limit {
                return Err(Failure::BodyTooLarge);
            }
            if let Some(text) = &mut self.text {
                write_chunk(out, &text.read(piece.data)?);
                if piece.done {
                    text.end()?;
                }
            } else if self.chunked {
                write_chunk(out, piece.data);
            } else {
                out.extend_from_slice(piece.data);
            }
        }
        if taken > 0 && self.body_done && self.chunked {
            let trailers =
                self.trailers.as_ref().map(|route| route.request.kept_trailers(self.body.trailers()));
            write_last_chunk(out, &trailers.unwrap_or_default());
        }
        Ok(taken)
    }

    /// Takes account of bytes of the body that went to the service without being read here.
    pub fn pass(&mut self, bytes: u64) {
        self.body_done = self.body.pass(bytes);
        self.body_bytes += bytes;
    }

    /// Puts the endpoint's authority into Host, where no filter chose another.
    pub fn address_to(&mut self, authority: &str) {
        let Some(host) = &mut self.host else { return };
        let image = &mut self.image;
        if image.get(host.clone()) == Some(authority.as_bytes()) {
            return;
        }
        // `Vec::splice` does the same in three times the instructions.
        let (before, end) = (image.len(), host.start + authority.len());
        if end > host.end {
            image.resize(before + (end - host.end), 0);
        }
        image.copy_within(host.end..before, end);
        image.truncate(before - host.len() + authority.len());
        image[host.start..end].copy_from_slice(authority.as_bytes());
        host.end = end;
    }
}
