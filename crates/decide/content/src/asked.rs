//! What a request says about the representation it wants.

use crate::accept::AcceptEncoding;

/// The fields of a request that choose between representations, or between an answer and none. They own their
/// bytes: reading a file may have to wait, and a request's head doesn't stay that long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `If-Match`, all of its lines as one list.
    pub if_match: Option<Vec<u8>>,
    /// `If-None-Match`, all of its lines as one list.
    pub if_none_match: Option<Vec<u8>>,
    /// `If-Modified-Since`
    pub if_modified_since: Option<Vec<u8>>,
    /// `If-Unmodified-Since`
    pub if_unmodified_since: Option<Vec<u8>>,
    /// `If-Range`
    pub if_range: Option<Vec<u8>>,
    /// `Range`. A second one makes both void: they are no list.
    pub range: Option<Vec<u8>>,
    /// `Accept-Encoding`
    pub accept_encoding: AcceptEncoding,
}

impl Asked {
    /// Picks the fields out of a request's.
    pub fn of<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut asked = Self::default();
        let mut codings: Option<Vec<u8>> = None;
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match name.len() {
                5 if is("range") => single(&mut asked.range, value),
                8 if is("if-match") => append(&mut asked.if_match, value),
                8 if is("if-range") => single(&mut asked.if_range, value),
                13 if is("if-none-match") => append(&mut asked.if_none_match, value),
                15 if is("accept-encoding") => append(&mut codings, value),
                17 if is("if-modified-since") => single(&mut asked.if_modified_since, value),
                19 if is("if-unmodified-since") => single(&mut asked.if_unmodified_since, value),
                _ => {}
            }
        }
        asked.accept_encoding = AcceptEncoding::parse(codings.as_deref());
        asked
    }
}

/// RFC 9110 §5.3: the lines of a list are one list.
fn append(list: &mut Option<Vec<u8>>, value: &[u8]) {
    match list {
        Some(list) => {
            list.extend_from_slice(b", ");
            list.extend_from_slice(value);
        }
        None => *list = Some(value.to_vec()),
    }
}

/// What is no list stands once. Empty text is neither a date nor a range, so whoever reads it ignores it.
fn single(slot: &mut Option<Vec<u8>>, value: &[u8]) {
    *slot = Some(if slot.is_some() { Vec::new() } else { value.to_vec() });
}
