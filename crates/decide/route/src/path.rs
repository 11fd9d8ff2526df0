//! The one form of a request's path that both matching and forwarding see.
//!
//! What two programs could read differently is refused; what means the same is written the same way
//! (RFC 3986 §6.2.2):
//!
//! | in the path | what is done |
//! | --- | --- |
//! | `.` or `..` as a segment, encoded (`%2e`) or with parameters (`..;a=1`) too | refused |
//! | `%2F`, `%5C`, `\` | refused: services differ on whether they separate segments |
//! | control characters, raw or encoded (`%00`), spaces, `#`, `?` | refused |
//! | `%` without two hexadecimal digits | refused |
//! | `;` before the last segment | refused: services differ on whether `/a;x/b` is `/a/b` |
//! | `;` in the last segment (`/a;jsessionid=1`) | forwarded, and not looked at when matching |
//! | `//` | becomes `/` |
//! | encoded letters, digits, `-._~` | decoded |
//! | other escapes | kept, in upper case |
//! | other bytes that a URI can't hold (`"`, `{`, UTF-8) | encoded |
//!
//! Nothing is decoded twice: `%252e` stays what it is.

use std::borrow::Cow;

/// Why a path is not taken. The answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It doesn't start with `/`.
    #[error("the path does not start with /")]
    NotAbsolute,
    /// A segment is `.` or `..`.
    #[error("the path holds a . or .. segment")]
    DotSegment,
    /// It holds `%2F`, `%5C` or a backslash.
    #[error("the path holds an encoded slash or a backslash")]
    HiddenSlash,
    /// It holds a byte that no path may.
    #[error("the path holds a control character, a space, # or ?")]
    ForbiddenByte,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("the path holds a % without two hexadecimal digits")]
    BadEscape,
    /// A `;` stands before the last segment.
    #[error("the path holds a ; before its last segment")]
    EarlyParameter,
}

/// A path in its normal form: starts with `/`, visible ASCII only, no empty segment but a last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath<'a> {
    text: Cow<'a, str>,
    matched: usize,
}

impl<'a> NormalPath<'a> {
    /// Checks and normalizes the path of a request's target, without its query. Copies only if it must.
    pub fn new(raw: &'a [u8]) -> Result<Self, BadPath> {
        match plain(raw) {
            Some(text) => Ok(Self { matched: text.len(), text: Cow::Borrowed(text) }),
            None => Self::normalized(raw),
        }
    }

    fn normalized(raw: &[u8]) -> Result<NormalPath<'static>, BadPath> {
        if raw.first() != Some(&b'/') {
            return Err(BadPath::NotAbsolute);
        }
        let mut text = String::with_capacity(raw.len() + 16);
        let mut parameters = None;
        let mut rest = raw;
        while let [byte, tail @ ..] = rest {
            rest = tail;
            match *byte {
                b'/' if parameters.is_some() => return Err(BadPath::EarlyParameter),
                b'/' if text.ends_with('/') => {}
                b';' => {
                    parameters.get_or_insert(text.len());
                    text.push(';');
                }
                b'%' => rest = escape(rest, &mut text)?,
                b'\\' => return Err(BadPath::HiddenSlash),
                b'#' | b'?' | 0..=0x20 | 0x7f => return Err(BadPath::ForbiddenByte),
                byte if byte == b'/' || is_path_byte(byte) => text.push(char::from(byte)),
                byte => push_escaped(byte, &mut text),
            }
        }
        let matched = parameters.unwrap_or(text.len());
        if text[..matched].split('/').any(is_dots) {
            return Err(BadPath::DotSegment);
        }
        Ok(NormalPath { text: Cow::Owned(text), matched })
    }

    /// The whole path, as forwarded when no filter changes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What routes match: the path without the parameters (`;…`) of its last segment.
    pub fn for_matching(&self) -> &str {
        &self.text[..self.matched]
    }
}

/// A path as written in a configuration, in the form that [`NormalPath`] gives to requests. `;` has no place
/// there, because it is never matched.
pub fn normal_literal(text: &str) -> Result<String, BadPath> {
    if text.contains(';') {
        return Err(BadPath::EarlyParameter);
    }
    // A person may write a space where a request must write %20.
    let escaped = text.replace(' ', "%20");
    NormalPath::new(escaped.as_bytes()).map(|path| path.text.into_owned())
}

/// The path itself if it is in normal form already and has no parameters.
fn plain(raw: &[u8]) -> Option<&str> {
    let mut segments = raw.strip_prefix(b"/")?.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let fine = match segment {
            [] => segments.peek().is_none(),
            b"." | b".." => false,
            _ => segment.iter().all(|byte| is_path_byte(*byte)),
        };
        if !fine {
            return None;
        }
    }
    std::str::from_utf8(raw).ok()
}

/// `pchar` of RFC 3986 §3.3 without `%` and `;`.
const fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_dots(segment: &str) -> bool {
    segment == "." || segment == ".."
}

/// Takes the two digits after a `%` and returns what follows them.
fn escape<'r>(after: &'r [u8], text: &mut String) -> Result<&'r [u8], BadPath> {
    let [high, low, rest @ ..] = after else { return Err(BadPath::BadEscape) };
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(BadPath::BadEscape);
    let byte = (digit(*high)? * 16 + digit(*low)?) as u8;
    match byte {
        b'/' | b'\\' => return Err(BadPath::HiddenSlash),
        0..=0x1f | 0x7f => return Err(BadPath::ForbiddenByte),
        byte if is_unreserved(byte) => text.push(char::from(byte)),
        byte => push_escaped(byte, text),
    }
    Ok(rest)
}

fn push_escaped(byte: u8, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// An Ant pattern as written in a configuration, its literal parts in normal form.
pub(crate) fn normal_pattern(pattern: &str) -> Result<String, BadPath> {
    if !pattern.starts_with('/') {
        return Err(BadPath::NotAbsolute);
    }
    let mut normal = String::with_capacity(pattern.len());
    for (index, piece) in pattern.split('?').enumerate() {
        if index > 0 {
            normal.push('?');
        }
        // A piece may start within a segment; what stands in front of it must not look like an empty one.
        let piece = normal_literal(&format!("/x{piece}"))?;
        normal.push_str(&piece["/x".len()..]);
    }
    if normal.split('/').any(is_dots) { Err(BadPath::DotSegment) } else { Ok(normal) }
}
