//! Conditional requests (RFC 9110 §13).

use crate::asked::Asked;
use crate::etag::{ETag, Tag, Tags};

/// What tells one state of a representation from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`
    pub etag: ETag,
    /// `Last-Modified`, in seconds since 1970.
    pub modified: u64,
    /// Whether the last change is long enough ago that a second one in the same second would have shown
    /// (RFC 9110 §8.8.2.2).
    pub settled: bool,
}

/// What the conditions of a request lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is carried out.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client thinks.
    Failed,
}

impl Asked {
    /// Evaluates the conditions of a GET or HEAD in the order of RFC 9110 §13.2.2.
    pub fn verdict(&self, there: &Validators) -> Verdict {
        let stands = match (&self.if_match, &self.if_unmodified_since) {
            (Some(list), _) => names(list, |weak, opaque| there.etag.is_same(weak, opaque)),
            (None, Some(date)) => seconds(date).is_none_or(|date| there.modified <= date),
            (None, None) => true,
        };
        if !stands {
            return Verdict::Failed;
        }
        let is_new = match (&self.if_none_match, &self.if_modified_since) {
            (Some(list), _) => !names(list, |_, opaque| there.etag.is_like(opaque)),
            (None, Some(date)) => seconds(date).is_none_or(|date| there.modified > date),
            (None, None) => true,
        };
        if is_new { Verdict::Proceed } else { Verdict::NotModified }
    }

    /// Whether a range may be sent: without `If-Range`, or if the client's part belongs to what is there
    /// (RFC 9110 §13.1.5).
    pub fn range_applies(&self, there: &Validators) -> bool {
        let Some(value) = &self.if_range else { return true };
        match Tags::new(value).next() {
            Some(Tag::One { weak, opaque }) => there.etag.is_same(weak, opaque),
            Some(Tag::Any) => false,
            None => there.settled && seconds(value) == Some(there.modified),
        }
    }
}

/// Whether a list names what is there. `*` does if anything is there, and it is.
fn names(list: &[u8], same: impl Fn(bool, &[u8]) -> bool) -> bool {
    Tags::new(list).any(|tag| match tag {
        Tag::Any => true,
        Tag::One { weak, opaque } => same(weak, opaque),
    })
}

/// A date in any of HTTP's three forms, in seconds since 1970.
fn seconds(date: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(std::str::from_utf8(date).ok()?).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}
