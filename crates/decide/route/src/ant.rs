//! Ant's path patterns, as Zuul and Spring write them: `?` one byte, `*` any bytes within a segment, `**` as a
//! whole segment any number of segments, none too.
//!
//! Matching costs at most `|path| · |pattern|` comparisons of bytes: each star is tried greedily and only the
//! last one is ever taken back, so no input makes it exponential. It doesn't allocate.

/// A pattern, taken apart into segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AntPattern {
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// `**`
    Any,
    /// No wildcard in it.
    Literal(Box<str>),
    /// `*` or `?` in it.
    Wild(Box<str>),
}

impl AntPattern {
    /// Reads a pattern that starts with `/`. Several `**` in a row are one.
    pub fn new(pattern: &str) -> Self {
        let mut segments: Vec<Segment> = Vec::new();
        for text in pattern.strip_prefix('/').unwrap_or(pattern).split('/') {
            let segment = match text {
                "**" if segments.last() == Some(&Segment::Any) => continue,
                "**" => Segment::Any,
                text if text.contains(['*', '?']) => Segment::Wild(text.into()),
                text => Segment::Literal(text.into()),
            };
            segments.push(segment);
        }
        Self { segments: segments.into() }
    }

    /// The pattern that matches this path alone, stars in it included.
    pub(crate) fn exact(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        Self { segments: path.split('/').map(|text| Segment::Literal(text.into())).collect() }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let text = |segment: &Segment| match segment {
            Segment::Any => 0,
            Segment::Literal(text) | Segment::Wild(text) => text.len(),
        };
        size_of::<Self>() + self.segments.iter().map(|s| size_of::<Segment>() + text(s)).sum::<usize>()
    }

    /// Whether it matches the whole of `path`, which starts with `/`.
    pub fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut at = 0;
        let mut rest = Some(path);
        // After a `**`: the segment behind it, and the path from which that was tried last.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            match (self.segments.get(at), rest) {
                (Some(Segment::Any), _) if at + 1 == self.segments.len() => return true,
                (Some(Segment::Any), Some(path)) => {
                    at += 1;
                    retry = Some((at, path));
                    continue;
                }
                (Some(segment), Some(path)) => {
                    let (first, tail) = split_first(path);
                    if segment.matches(first) {
                        at += 1;
                        rest = tail;
                        continue;
                    }
                }
                // A later start leaves even less of the path.
                (Some(_), None) => return false,
                (None, None) => return true,
                (None, Some(_)) => {}
            }
            let Some((behind, tried)) = retry else { return false };
            let (_, Some(next)) = split_first(tried) else { return false };
            retry = Some((behind, next));
            at = behind;
            rest = Some(next);
        }
    }
}

impl Segment {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => **literal == *text,
            Self::Wild(pattern) => wild_matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
}

fn split_first(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    }
}

/// `*` and `?` within one segment.
fn wild_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((behind, tried)) = retry else { return false };
                retry = Some((behind, tried + 1));
                (p, t) = (behind, tried + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}
