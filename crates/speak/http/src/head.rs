//! What request and response heads have in common: lines, and copying them.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::field::{Field, Known};

/// Header fields in a head of a peer at most, whatever the limits say.
pub const MAX_FIELDS: usize = 128;

/// Header fields in a head that was written here, at most: a peer's, and what is added to them.
pub const MAX_WRITTEN_FIELDS: usize = MAX_FIELDS + 64;

/// Bounds on a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub head_bytes: usize,
    /// Header fields; [`MAX_WRITTEN_FIELDS`] at most, and [`MAX_FIELDS`] of a peer.
    pub fields: usize,
    /// Bytes of the target.
    pub target_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: 32 << 10, fields: 100, target_bytes: 16 << 10 }
    }
}

/// Room for the fields of one head, on the caller's stack and not initialized.
pub struct HeadSlots<'a> {
    pub(crate) fields: [MaybeUninit<Field<'a>>; MAX_WRITTEN_FIELDS],
}

impl HeadSlots<'_> {
    /// Empty slots.
    #[inline]
    pub const fn new() -> Self {
        Self { fields: [const { MaybeUninit::uninit() }; MAX_WRITTEN_FIELDS] }
    }
}

impl Default for HeadSlots<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for HeadSlots<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeadSlots")
    }
}

/// Whether a head may end in `buffer`, of which the first `seen` bytes were looked at before. Callers parse
/// only then: parsing again at each byte of a slow head would let one client cost a core.
pub fn ends_head(buffer: &[u8], seen: usize) -> bool {
    let from = seen.saturating_sub(3).min(buffer.len());
    let mut rest = &buffer[from..];
    while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
        rest = &rest[at + 1..];
        // A line ended by LF alone is refused, but by the parser, which can say why.
        if rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            return true;
        }
    }
    false
}

/// A line of the head ended by something other than CRLF.
pub(crate) struct BadLineEnd;

/// The fields of a head and where their lines stand in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines<'a> {
    /// The bytes of the head, to the end of its empty line.
    pub head: &'a [u8],
    pub fields: &'a [Field<'a>],
    /// Bytes before the first field line.
    first: usize,
}

impl<'a> Lines<'a> {
    /// Checks that every line ends with CRLF and nothing but spaces stands before it. `httparse` accepts LF
    /// alone; where that hides a byte, the gap between two slices it returned is too short or of another form.
    ///
    /// `start_line_end` is where the start line's own text ends.
    pub fn check(head: &'a [u8], start_line_end: usize, fields: &'a [Field<'a>]) -> Result<Self, BadLineEnd> {
        let first = fields.first().map_or(head.len() - 2, |field| offset(head, field.name.as_bytes()));
        let lines = Self { head, fields, first };
        is_crlf(head.get(start_line_end..first))?;
        for (index, field) in fields.iter().enumerate() {
            let value_end = offset(head, field.value) + field.value.len();
            let gap = head.get(value_end..lines.line(index).end).ok_or(BadLineEnd)?;
            is_crlf(Some(trim_ows(gap)))?;
        }
        is_crlf(head.get(head.len() - 2..))?;
        Ok(lines)
    }

    /// Where a field's line stands, its CRLF included.
    fn line(&self, index: usize) -> Range<usize> {
        let start =
            self.fields.get(index).map_or(self.first, |field| offset(self.head, field.name.as_bytes()));
        let end = self
            .fields
            .get(index + 1)
            .map_or(self.head.len() - 2, |field| offset(self.head, field.name.as_bytes()));
        start..end
    }

    /// Copies the lines that `keep` wants, in as few copies as there are gaps.
    #[inline]
    pub fn copy(&self, out: &mut Vec<u8>, mut keep: impl FnMut(&Field<'_>, Known) -> bool) {
        let mut from = self.first;
        for (index, field) in self.fields.iter().enumerate() {
            if !keep(field, Known::of(field.name)) {
                let line = self.line(index);
                out.extend_from_slice(self.head.get(from..line.start).unwrap_or_default());
                from = line.end;
            }
        }
        out.extend_from_slice(self.head.get(from..self.head.len() - 2).unwrap_or_default());
    }
}

fn is_crlf(gap: Option<&[u8]>) -> Result<(), BadLineEnd> {
    if gap == Some(b"\r\n") { Ok(()) } else { Err(BadLineEnd) }
}

/// Where `part`, a slice of `whole`, begins in it.
#[inline]
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr())
}

/// Without the optional whitespace (RFC 9110 §5.6.3: SP and HTAB) in front.
#[inline]
fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}
