//! From a file and a request to head and body.

use std::fmt::Write as _;
use std::ops::Range;

use haechi_content::{Decision, decide, http_date};
use haechi_route::config::Files;
use smallvec::{SmallVec, smallvec};

use super::Wanted;
use super::content::{Content, Source};
use super::find::Opened;
use crate::own::Ready;
use crate::worker::Worker;

/// An answer, ready to be sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    /// Whole lines, without framing.
    pub fields: Vec<u8>,
    /// Bytes of the whole body; nothing for 304.
    pub length: Option<u64>,
    pub pieces: SmallVec<[Piece; 1]>,
    pub source: Option<Source>,
}

/// A part of the body.
#[derive(Debug)]
pub(super) enum Piece {
    /// These bytes.
    Text(Vec<u8>),
    /// These of the file.
    Bytes(Range<u64>),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Bytes(range) => range.end - range.start,
        }
    }
}

impl Answer {
    /// An answer that is no file.
    pub fn ready(ready: Ready) -> Self {
        Self {
            status: ready.status,
            fields: ready.fields,
            length: Some(ready.body.len() as u64),
            pieces: smallvec![Piece::Text(ready.body)],
            source: None,
        }
    }

    pub fn new(wanted: &Wanted, files: &Files, opened: &Opened, content: Content, worker: &Worker) -> Self {
        let Content { source, length, validators } = content;
        let mut fields = String::with_capacity(256);
        // Writing to a String can't fail.
        let _ = write!(fields, "Date: {}\r\n", http_date(worker.wall(worker.now()).0 / 1000));
        let _ = write!(fields, "ETag: {}\r\n", validators.etag.value());
        let _ = write!(fields, "Last-Modified: {}\r\n", http_date(validators.modified));
        if let Some(cache_control) = &files.cache_control {
            let _ = write!(fields, "Cache-Control: {cache_control}\r\n");
        }
        if opened.varies {
            fields.push_str("Vary: Accept-Encoding\r\n");
        }
        let coding = opened.coding.map(|coding| format!("Content-Encoding: {}\r\n", coding.token()));
        let mut answer = |status, length, more: &str, pieces: SmallVec<[Piece; 1]>| {
            fields.push_str(more);
            Self {
                status,
                fields: std::mem::take(&mut fields).into_bytes(),
                length,
                pieces,
                source: Some(source.clone()),
            }
        };
        let media = &opened.media;
        let whole = format!(
            "Content-Type: {media}\r\nAccept-Ranges: bytes\r\n{}",
            coding.as_deref().unwrap_or_default()
        );
        match decide(&wanted.asked, wanted.is_get, &validators, length) {
            // Range and conditions are about what is there; the answer to them tells nothing of its body.
            Decision::NotModified => answer(304, None, "", SmallVec::new()),
            Decision::Failed => answer(412, Some(0), "", SmallVec::new()),
            Decision::Unsatisfiable => {
                answer(416, Some(0), &format!("Content-Range: bytes */{length}\r\n"), SmallVec::new())
            }
            Decision::Whole { limited } => {
                if limited {
                    worker.stats.limits.ranges.one();
                }
                answer(200, Some(length), &whole, smallvec![Piece::Bytes(0..length)])
            }
            Decision::Parts(ranges) => match ranges.as_slice() {
                [range] => {
                    let more = format!("{whole}{}\r\n", content_range(range, length));
                    answer(206, Some(range.end - range.start), &more, smallvec![Piece::Bytes(range.clone())])
                }
                ranges => {
                    let boundary = format!("{:016x}", worker.rng.borrow_mut().u64(..));
                    let pieces = parts(ranges, length, media, &boundary);
                    let sum = pieces.iter().map(Piece::length).sum();
                    let coding = coding.as_deref().unwrap_or_default();
                    let more = format!("Content-Type: multipart/byteranges; boundary={boundary}\r\n{coding}");
                    answer(206, Some(sum), &more, pieces)
                }
            },
        }
    }
}

fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("Content-Range: bytes {}-{}/{length}", range.start, range.end - 1)
}

/// RFC 9110 §14.6.
fn parts(ranges: &[Range<u64>], length: u64, media: &str, boundary: &str) -> SmallVec<[Piece; 1]> {
    let mut pieces = SmallVec::new();
    for range in ranges {
        let first = if pieces.is_empty() { "" } else { "\r\n" };
        let range_line = content_range(range, length);
        let head = format!("{first}--{boundary}\r\nContent-Type: {media}\r\n{range_line}\r\n\r\n");
        pieces.push(Piece::Text(head.into_bytes()));
        pieces.push(Piece::Bytes(range.clone()));
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into_bytes()));
    pieces
}
