//! An unforgiving reader of HTTP/1.1 messages: what it takes has one meaning by RFC 9112, without any of the
//! tolerance that the RFC allows. It shares no code with the gateway.

use std::fmt;

/// A message that was there whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Method and target, or the status.
    pub start: String,
    pub fields: Vec<(String, String)>,
    /// Without its framing.
    pub body: Vec<u8>,
}

impl Message {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// As the tables write it: `POST / {Content-Length: 5} hello`.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> =
            self.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        write!(f, "{} {{{}}} {}", self.start, fields.join(", "), self.body.escape_ascii())
    }
}

/// Why bytes are not a strict message.
pub type Flaw = String;

/// Which messages a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Requests,
    /// Answers to GET, or to HEAD.
    Responses {
        to_head: bool,
    },
}

/// The whole messages at the front of `bytes`, and what is left.
pub fn messages(bytes: &[u8], kind: Kind) -> Result<(Vec<Message>, &[u8]), Flaw> {
    let (mut all, mut rest) = (Vec::new(), bytes);
    while let Some((message, len)) = first(rest, kind)? {
        all.push(message);
        rest = &rest[len..];
    }
    Ok((all, rest))
}

/// The message at the front and its length; nothing when it is not all there.
pub fn first(bytes: &[u8], kind: Kind) -> Result<Option<(Message, usize)>, Flaw> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return match bytes.iter().position(|byte| *byte == b'\n') {
            Some(at) if at == 0 || bytes[at - 1] != b'\r' => Err("a line ends with LF alone".to_owned()),
            _ => Ok(None),
        };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head that is not ASCII".to_owned())?;
    let mut lines = head.split("\r\n");
    let (start, status) = start(lines.next().unwrap_or_default(), kind)?;
    let mut fields = Vec::new();
    for line in lines {
        fields.push(field(line)?);
    }
    let mut message = Message { start, fields, body: Vec::new() };
    let bodiless = matches!(status, Some(100..200 | 204 | 304)) || kind == Kind::Responses { to_head: true };
    let rest = &bytes[end + 4..];
    let Some(used) = body(&mut message, rest, kind, bodiless)? else { return Ok(None) };
    Ok(Some((message, end + 4 + used)))
}

fn start(line: &str, kind: Kind) -> Result<(String, Option<u16>), Flaw> {
    let parts: Vec<&str> = line.splitn(3, ' ').collect();
    match (kind, &parts[..]) {
        (Kind::Requests, [method, target, "HTTP/1.1"])
            if is_token(method)
                && target.starts_with(['/', '*'])
                && target.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Ok((format!("{method} {target}"), None))
        }
        (Kind::Responses { .. }, ["HTTP/1.1", status, reason]) if status.len() == 3 && is_text(reason) => {
            let number = status.parse().map_err(|_| format!("a status line {line:?}"))?;
            Ok(((*status).to_owned(), Some(number)))
        }
        _ => Err(format!("a start line {line:?}")),
    }
}

fn field(line: &str) -> Result<(String, String), Flaw> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("a line without colon {line:?}"))?;
    if !is_token(name) || !is_text(value) {
        return Err(format!("a field line {line:?}"));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

/// Reads the body into the message. Returns its length on the wire; nothing when it is not all there.
fn body(message: &mut Message, rest: &[u8], kind: Kind, bodiless: bool) -> Result<Option<usize>, Flaw> {
    let all = |name: &str| -> Vec<&str> {
        let named = message.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    };
    if kind == Kind::Requests && all("host").len() != 1 {
        return Err(format!("not one Host in {message}"));
    }
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        _ if bodiless => Ok(Some(0)),
        ([], []) if kind == Kind::Requests => Ok(Some(0)),
        ([length], []) if length.bytes().all(|b| b.is_ascii_digit()) => {
            let length: usize = length.parse().map_err(|_| format!("a length {length:?}"))?;
            let Some(data) = rest.get(..length) else { return Ok(None) };
            message.body = data.to_vec();
            Ok(Some(length))
        }
        ([], ["chunked"]) => chunks(&mut message.body, rest),
        _ => Err(format!("no one framing in {message}")),
    }
}

fn chunks(body: &mut Vec<u8>, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
    let mut at = 0;
    loop {
        let Some(end) = bytes[at..].windows(2).position(|window| window == b"\r\n") else {
            return Ok(None);
        };
        let line = bytes[at..at + end].escape_ascii().to_string();
        if line.is_empty() || !line.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("a chunk's size {line:?}"));
        }
        let size = usize::from_str_radix(&line, 16).map_err(|_| format!("a chunk's size {line:?}"))?;
        at += end + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            // After the last chunk trailers might follow; the gateway passes none on.
            return Err("a chunk does not end where it says".to_owned());
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Visible characters, spaces and tabs (RFC 9110 §5.5), UTF-8 above ASCII.
fn is_text(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}
