//! From the bytes of an answer to what is sent to the client.
//!
//! As with requests, all of it happens without waiting, on bytes that are still where they were read.

use std::time::Duration;

use haechi_content::Coding;
use haechi_http::{
    BadResponse, Body, HeadLimits, HeadSlots, Known, ResponseFraming, ResponseHead, Version, write_chunk,
    write_last_chunk,
};

use crate::compress::{Coder, Compressing, Plan};
use crate::failure::Failure;
use crate::forward_head::write_length;
use crate::grpc::Call;
use crate::prepare::RequestFacts;
use crate::route::FieldEdits;

/// Bounds on a service's head. Services are trusted more than clients, but not without end.
pub(crate) const RESPONSE_LIMITS: HeadLimits =
    HeadLimits { head_bytes: 60 << 10, fields: 128, target_bytes: 0 };

/// Bytes of chunk extensions and trailers in one answer.
const RESPONSE_EXTRAS: usize = 64 << 10;

/// How the body is framed for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// As it comes: its length was announced.
    Plain,
    /// In chunks.
    Chunked,
    /// To an HTTP/1.0 client, by closing the connection.
    UntilClose,
}

/// An answer under way to the client.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: Body,
    pub frame: Frame,
    /// The form of gRPC-Web that the client wants it in.
    web: Option<Call>,
    /// Whether the body was read to its end.
    pub done: bool,
    /// Whether the client's connection is used again afterwards.
    pub keep_client: bool,
    /// Whether the service's connection may be used again.
    pub keep_service: bool,
    /// After how long without a request the service closes the connection, if it says so.
    pub idle_timeout: Option<Duration>,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Compresses the body.
    pub coder: Option<Box<Coder>>,
}

/// What the bytes of a service's head turned out to be.
pub(crate) enum Begun {
    /// The head is not all there.
    Incomplete,
    /// An interim answer, written to the output for a client that understands it. This many bytes were used.
    Interim(usize),
    /// The head of the final answer, written to the output. This many bytes were used.
    Final(Answer, usize),
    /// The service agreed to switch protocols; the head was written to the output.
    Switched(usize),
}

/// What a client may be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub facts: &'a RequestFacts,
    pub edits: &'a FieldEdits,
    /// Whether the client's connection may be used again, as far as the gateway is concerned.
    pub may_keep: bool,
    /// Where the route compresses.
    pub compressing: Option<Compressing<'a>>,
}

/// Reads the head of an answer and writes the client's to `out`.
pub(crate) fn begin(input: &[u8], context: Context<'_>, out: &mut Vec<u8>) -> Result<Begun, BadAnswer> {
    let mut slots = HeadSlots::new();
    let facts = context.facts;
    let Some(head) = ResponseHead::parse(input, &mut slots, &RESPONSE_LIMITS, facts.is_head)? else {
        return Ok(Begun::Incomplete);
    };
    if head.status == 101 {
        if !facts.upgrade || head.upgrade.is_none() {
            return Err(BadAnswer::UnaskedUpgrade);
        }
        write_switch(&head, context.edits, out);
        return Ok(Begun::Switched(head.len));
    }
    if facts.connect && matches!(head.status, 200..=299) {
        return Err(BadAnswer::NotSwitched);
    }
    if head.is_interim() {
        // RFC 9110 §15.2: HTTP/1.0 has no interim answers.
        if facts.version == Version::Http11 {
            write_interim(&head, out);
        }
        return Ok(Begun::Interim(head.len));
    }
    let has_body = !Body::of_response(head.framing, RESPONSE_EXTRAS).is_empty();
    let plan = match context.compressing {
        Some(compressing) if facts.call.is_none() && (has_body || facts.is_head || head.status == 304) => {
            Plan::of(&head, has_body, compressing)
        }
        _ => Plan::NONE,
    };
    let web = facts.translated.filter(|_| is_call(&head));
    // A body that ends with the connection is given chunks, so that the client can tell its end from a cut. HTTP/1.0 has
    // none (RFC 9112 §6.1).
    let unknown_length = if facts.version == Version::Http11 { Frame::Chunked } else { Frame::UntilClose };
    let frame = match head.framing {
        // Translated, it gets longer.
        ResponseFraming::Length(length) if length > 0 && web.is_some() => unknown_length,
        _ if plan.coder.is_some() => Frame::Chunked,
        ResponseFraming::None | ResponseFraming::Length(_) => Frame::Plain,
        _ => unknown_length,
    };
    let mut body = Body::of_response(head.framing, RESPONSE_EXTRAS);
    if facts.takes_trailers && (frame == Frame::Chunked || web.is_some()) {
        body.keep_trailers();
    }
    let answer = Answer {
        status: head.status,
        done: body.is_empty(),
        body,
        frame,
        web,
        keep_client: facts.keep_alive && context.may_keep && frame != Frame::UntilClose,
        keep_service: head.keep_alive,
        idle_timeout: head.idle_seconds.map(|seconds| Duration::from_secs(seconds.into())),
        body_bytes: 0,
        coder: plan.coder,
    };
    write_final(&head, &answer, (plan.coding, plan.vary), context, out);
    Ok(Begun::Final(answer, head.len))
}

/// Why an answer is not passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BadAnswer {
    Head(BadResponse),
    UnaskedUpgrade,
    NotSwitched,
}

impl From<BadResponse> for BadAnswer {
    fn from(refusal: BadResponse) -> Self {
        Self::Head(refusal)
    }
}

impl From<BadAnswer> for Failure {
    fn from(bad: BadAnswer) -> Self {
        match bad {
            BadAnswer::Head(refusal) => Self::Response(refusal),
            BadAnswer::UnaskedUpgrade => Self::UnaskedUpgrade,
            BadAnswer::NotSwitched => Self::NotSwitched,
        }
    }
}

impl Answer {
    /// Reads the body on from `input`, whose bytes go to the client as they are. Returns how many bytes of the
    /// input belong to it.
    #[inline]
    pub fn read_plain(&mut self, input: &[u8]) -> usize {
        debug_assert!(self.frame == Frame::Plain);
        if self.done {
            return 0;
        }
        // A plain body is a length or nothing, which can't be malformed.
        let Ok(piece) = self.body.read(input) else { return 0 };
        self.done = piece.done;
        self.body_bytes += piece.consumed as u64;
        piece.consumed
    }

    /// Takes account of bytes of a plain body that went to the client without being read here.
    pub fn pass(&mut self, bytes: u64) {
        debug_assert!(self.frame == Frame::Plain);
        self.done = self.body.pass(bytes);
        self.body_bytes += bytes;
    }

    /// Reads the body on from `input` and writes it, framed for the client, to `out`. Returns how many bytes of
    /// the input belong to it.
    /// The trailers behind it are those that `edits` leaves.
    pub fn read_framed(
        &mut self,
        input: &[u8],
        edits: &FieldEdits,
        out: &mut Vec<u8>,
    ) -> Result<usize, Failure> {
        let mut taken = 0;
        while !self.done && taken < input.len() {
            let piece = self.body.read(&input[taken..]).map_err(Failure::ResponseBody)?;
            taken += piece.consumed;
            self.done = piece.done;
            self.body_bytes += piece.data.len() as u64;
            match (&mut self.coder, self.frame) {
                (Some(coder), _) => coder.write(piece.data).map_err(|_| Failure::Compression)?,
                (None, frame) => match self.web {
                    Some(call) => write_piece(out, frame, &call.data(piece.data)),
                    None => write_piece(out, frame, piece.data),
                },
            }
        }
        self.take_coded(out)?;
        if taken > 0 && self.done && (self.frame == Frame::Chunked || self.web.is_some()) {
            let mut trailers = edits.kept_trailers(self.body.trailers());
            if let Some(call) = self.web {
                write_piece(out, self.frame, &call.trailers(&trailers));
                trailers = Vec::new();
            }
            if self.frame == Frame::Chunked {
                write_last_chunk(out, &trailers);
            }
        }
        Ok(taken)
    }

    /// Writes what makes all that was read so far readable for the client.
    fn take_coded(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(coder) = &mut self.coder {
            write_chunk(out, &coder.take(self.done).map_err(|_| Failure::Compression)?);
            if self.done {
                self.coder = None;
            }
        }
        Ok(())
    }

    /// The service closed the connection. Returns whether that ends the body as it should.
    pub fn end_of_connection(&mut self, out: &mut Vec<u8>) -> bool {
        if self.done || !matches!(self.body, Body::UntilClose) {
            return self.done;
        }
        self.done = true;
        if self.take_coded(out).is_err() {
            return false;
        }
        if self.frame == Frame::Chunked {
            write_last_chunk(out, b"");
        }
        true
    }
}

fn write_final(
    head: &ResponseHead<'_>,
    answer: &Answer,
    (coding, vary): (Option<Coding>, bool),
    context: Context<'_>,
    out: &mut Vec<u8>,
) {
    write_status(head, out);
    // A length is the body's, or tells what HEAD or 304 would have had; 204 has none (RFC 9110 §8.6).
    let is_plain = answer.frame == Frame::Plain && coding.is_none();
    if let Some(length) = head.length.filter(|_| head.status != 204 && is_plain) {
        write_length(out, length);
    }
    copy_fields(head, out, |name| {
        let replaced = answer.web.is_some() && is_type(name) || coding.is_some() && is_of_plain_bytes(name);
        !context.edits.drops(name) && !replaced
    });
    if let Some(call) = answer.web {
        call.write_answer_type(&context.facts.format, out);
    }
    if let Some(coding) = coding {
        write_coding(head, coding, context.edits, out);
    }
    if vary && !context.edits.drops("vary") {
        out.extend_from_slice(b"Vary: Accept-Encoding\r\n");
    }
    out.extend_from_slice(&context.edits.added);
    if answer.frame == Frame::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if !answer.keep_client {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if context.facts.version == Version::Http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_piece(out: &mut Vec<u8>, frame: Frame, data: &[u8]) {
    match frame {
        Frame::Chunked => write_chunk(out, data),
        Frame::Plain | Frame::UntilClose => out.extend_from_slice(data),
    }
}

/// Whether a field says something of a body's bytes that is no longer true once they are compressed.
fn is_of_plain_bytes(name: &str) -> bool {
    ["etag", "accept-ranges", "content-encoding"].iter().any(|field| name.eq_ignore_ascii_case(field))
}

/// Writes what a compressed body needs; of 304, what is said of it. Its tag is weak: what it stands for is the same, its
/// bytes are not (RFC 9110 §8.8.1).
fn write_coding(head: &ResponseHead<'_>, coding: Coding, edits: &FieldEdits, out: &mut Vec<u8>) {
    if head.status != 304 {
        out.extend_from_slice(b"Content-Encoding: ");
        out.extend_from_slice(coding.token().as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let tag = head.fields().iter().find(|field| field.name.eq_ignore_ascii_case("etag"));
    if let Some(tag) = tag.filter(|_| !edits.drops("etag")) {
        out.extend_from_slice(if tag.value.starts_with(b"W/") { b"ETag: " } else { b"ETag: W/" });
        out.extend_from_slice(tag.value);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_interim(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    write_status(head, out);
    copy_fields(head, out, |_| true);
    out.extend_from_slice(b"\r\n");
}

fn write_switch(head: &ResponseHead<'_>, edits: &FieldEdits, out: &mut Vec<u8>) {
    write_status(head, out);
    copy_fields(head, out, |name| !edits.drops(name));
    out.extend_from_slice(&edits.added);
    out.extend_from_slice(b"Connection: upgrade\r\nUpgrade: ");
    out.extend_from_slice(head.upgrade.unwrap_or_default());
    out.extend_from_slice(b"\r\n\r\n");
}

/// Whether it answers a call of gRPC, as what comes from another proxy may not.
fn is_call(head: &ResponseHead<'_>) -> bool {
    let mut fields = head.fields().iter();
    fields.any(|field| is_type(field.name) && field.value.starts_with(b"application/grpc"))
}

fn is_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-type")
}

fn write_status(head: &ResponseHead<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn copy_fields(head: &ResponseHead<'_>, out: &mut Vec<u8>, wanted: impl Fn(&str) -> bool) {
    head.copy_fields(out, |field, known| match known {
        Known::ContentLength => false,
        known if known.is_hop_by_hop() => false,
        _ => !head.nominated.has(field.name) && wanted(field.name),
    });
}
