//! Entity tags (RFC 9110 §8.8.3).

/// An entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag {
    /// Whether two representations with this tag may differ in their bytes.
    pub weak: bool,
    /// What stands between the quotes.
    pub opaque: String,
}

impl ETag {
    /// As the field's value.
    pub fn value(&self) -> String {
        format!("{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }

    /// Strong comparison: the same bytes.
    pub fn is_same(&self, weak: bool, opaque: &[u8]) -> bool {
        !self.weak && !weak && self.opaque.as_bytes() == opaque
    }

    /// Weak comparison: as good as the same.
    pub fn is_like(&self, opaque: &[u8]) -> bool {
        self.opaque.as_bytes() == opaque
    }
}

/// Whether a list, that of `If-None-Match`, has this tag in its strong form alone.
pub fn lists_strong(list: &[u8], tag: &[u8]) -> bool {
    let Some(Tag::One { opaque: wanted, .. }) = Tags::new(tag).next() else { return false };
    let has = |as_weak| {
        Tags::new(list)
            .any(|tag| matches!(tag, Tag::One { weak, opaque } if weak == as_weak && opaque == wanted))
    };
    has(false) && !has(true)
}

/// The tags of a list. `*` is given as it is; what is no tag ends the list.
pub(crate) struct Tags<'a>(&'a [u8]);

/// One member of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag<'a> {
    Any,
    One { weak: bool, opaque: &'a [u8] },
}

impl<'a> Tags<'a> {
    pub fn new(list: &'a [u8]) -> Self {
        Self(list)
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        while let [b',' | b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
        if let [b'*', rest @ ..] = self.0 {
            self.0 = rest;
            return Some(Tag::Any);
        }
        let (weak, rest) = match self.0 {
            [b'W', b'/', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let rest = rest.strip_prefix(b"\"")?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let (opaque, after) = rest.split_at(end);
        self.0 = &after[1..];
        Some(Tag::One { weak, opaque })
    }
}
