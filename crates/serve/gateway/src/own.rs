//! Answers of the gateway's own: what they hold, and how they are written.

use haechi_http::Version;
use haechi_route::config::Respond;

use crate::forward_head::write_length;
use crate::prepare::RequestFacts;
use crate::route::FieldEdits;

/// An answer from the configuration, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub status: u16,
    /// Whole lines: `Name: value\r\n`.
    pub fields: Vec<u8>,
    pub body: Vec<u8>,
}

impl Ready {
    /// 204 and nothing else.
    pub const EMPTY: Self = Self { status: 204, fields: Vec::new(), body: Vec::new() };

    /// Makes an answer ready.
    pub fn new(respond: &Respond) -> Self {
        let mut edits = FieldEdits::default();
        if has_content(respond.status) {
            edits.set("Content-Type", &respond.content_type);
        }
        for (name, value) in &respond.headers {
            edits.set(name, value);
        }
        Self { status: respond.status, fields: edits.added, body: respond.body.clone().into_bytes() }
    }
}

/// Whether an answer with this status has content (RFC 9110 §15).
pub(crate) const fn has_content(status: u16) -> bool {
    status >= 200 && !matches!(status, 204 | 304)
}

/// The head of an answer of the gateway's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnHead<'a> {
    pub status: u16,
    /// Whole lines, without framing.
    pub fields: &'a [u8],
    /// Bytes of the content. Nothing where there is none and none is told of.
    pub length: Option<u64>,
}

/// Writes a head. The route's filters have the last word on its fields, never on its framing.
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    head: OwnHead<'_>,
    edits: Option<&FieldEdits>,
    keep: bool,
    version: Version,
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(haechi_http::status::reason(head.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for line in head.fields.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let name = std::str::from_utf8(name).unwrap_or_default();
        if edits.is_none_or(|edits| !edits.drops(name)) {
            out.extend_from_slice(line);
        }
    }
    if let Some(edits) = edits {
        out.extend_from_slice(&edits.added);
    }
    if let Some(length) = head.length {
        write_length(out, length);
    }
    if !keep {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if version == Version::Http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a whole answer. Returns how many bytes of content it has.
pub(crate) fn write_answer(
    out: &mut Vec<u8>,
    answer: &Ready,
    edits: Option<&FieldEdits>,
    keep: bool,
    facts: &RequestFacts,
) -> u64 {
    let length = has_content(answer.status).then_some(answer.body.len() as u64);
    let head = OwnHead { status: answer.status, fields: &answer.fields, length };
    write_head(out, head, edits, keep, facts.version);
    if facts.is_head || length.is_none() {
        return 0;
    }
    out.extend_from_slice(&answer.body);
    answer.body.len() as u64
}
