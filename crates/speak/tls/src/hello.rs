//! The name in a ClientHello, for connections that are passed on by it: nothing is decrypted, and what was read is
//! passed on as it came.
//!
//! Strict (RFC 8446 §4.1.2, §5.1): bytes that two readers could take for different names are refused, since the service
//! that shakes hands in the end is another reader.

/// Bytes of a client's first message that are kept, records' heads included. With keys of the post-quantum kind one
/// has about 2 KiB.
const MOST_BYTES: usize = 18 << 10;

/// The longest name (RFC 1035 §2.3.4).
const NAME_BYTES: usize = 253;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The host that it wants, in lower case; nothing when it names none.
    pub server_name: Option<String>,
}

/// Why bytes are no ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHello {
    /// It begins with something else.
    #[error("the client does not speak TLS")]
    NotTls,
    /// It does not follow its own lengths, or says something twice.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// It has more than 18 KiB.
    #[error("the ClientHello is too long")]
    TooLong,
}

/// A fatal alert (RFC 8446 §6), for a client with which no keys were agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// What it sent can't be read.
    DecodeError = 50,
    /// It asks for a name that nobody has here (RFC 6066 §3).
    UnrecognizedName = 112,
}

impl Alert {
    /// The record that says it.
    pub const fn record(self) -> [u8; 7] {
        const FATAL: u8 = 2;
        [21, 3, 3, 0, 2, FATAL, self as u8]
    }
}

/// A ClientHello that arrives piece by piece.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// All that came.
    bytes: Vec<u8>,
    /// Bytes of it whose records were taken apart.
    read: usize,
    /// The records' contents.
    message: Vec<u8>,
}

impl HelloReader {
    /// Takes in more. Returns the ClientHello once it is whole.
    pub fn push(&mut self, data: &[u8]) -> Result<Option<ClientHello>, BadHello> {
        self.bytes.extend_from_slice(data);
        loop {
            let rest = self.bytes.get(self.read..).unwrap_or_default();
            self.check_start(rest)?;
            let Some(fragment) = record(rest)? else {
                let full = self.bytes.len() >= MOST_BYTES;
                return if full { Err(BadHello::TooLong) } else { Ok(None) };
            };
            self.message.extend_from_slice(fragment);
            self.read += 5 + fragment.len();
            if let Some(hello) = message(&self.message)? {
                return Ok(Some(hello));
            }
        }
    }

    /// Everything that came, as it came.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Other protocols are told by their first byte: nobody waits for a length that they don't have.
    fn check_start(&self, rest: &[u8]) -> Result<(), BadHello> {
        let bad = if self.read == 0 { BadHello::NotTls } else { BadHello::Malformed };
        let is_handshake = rest.first().is_none_or(|kind| *kind == HANDSHAKE);
        // The version is frozen and says nothing (RFC 8446 §5.1); its first byte is 3 in every TLS.
        let is_tls = rest.get(1).is_none_or(|major| *major == 3);
        if is_handshake && is_tls { Ok(()) } else { Err(bad) }
    }
}

/// The content of the record in front, once it is whole.
fn record(bytes: &[u8]) -> Result<Option<&[u8]>, BadHello> {
    let [_, _, _, high, low, rest @ ..] = bytes else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    // RFC 8446 §5.1: no empty ones, and none longer than 2^14.
    if length == 0 || length > 1 << 14 {
        return Err(BadHello::Malformed);
    }
    Ok(rest.get(..length))
}

/// The first message, once it is whole.
fn message(bytes: &[u8]) -> Result<Option<ClientHello>, BadHello> {
    let [kind, high, middle, low, body @ ..] = bytes else { return Ok(None) };
    if *kind != CLIENT_HELLO {
        return Err(BadHello::Malformed);
    }
    let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
    if length > MOST_BYTES {
        return Err(BadHello::TooLong);
    }
    match body.len() {
        there if there < length => Ok(None),
        // Nothing may follow before the server answered.
        there if there > length => Err(BadHello::Malformed),
        _ => client_hello(&mut Reader(body)).ok_or(BadHello::Malformed).map(Some),
    }
}

fn client_hello(body: &mut Reader<'_>) -> Option<ClientHello> {
    const VERSION_AND_RANDOM: usize = 2 + 32;
    body.take(VERSION_AND_RANDOM)?;
    let session = body.short_list()?;
    let suites = body.list()?;
    let compressions = body.short_list()?;
    if session.0.len() > 32 || suites.0.is_empty() || suites.0.len() % 2 != 0 || compressions.0.is_empty() {
        return None;
    }
    let mut hello = ClientHello { server_name: None };
    if body.0.is_empty() {
        // Before TLS 1.2 there may be no extensions at all.
        return Some(hello);
    }
    let mut extensions = body.list()?;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let content = extensions.list()?;
        if kind == SERVER_NAME {
            let first = hello.server_name.replace(server_name(content)?);
            if first.is_some() {
                return None;
            }
        }
    }
    body.0.is_empty().then_some(hello)
}

/// RFC 6066 §3: a list, but no two names of one kind, and there is one kind. It has no trailing dot; one that is there all
/// the same is left out, as where TLS ends here.
fn server_name(mut content: Reader<'_>) -> Option<String> {
    let mut list = content.list()?;
    let kind = list.take(1)?;
    let name = list.list()?.0;
    let name = name.strip_suffix(b".").unwrap_or(name);
    let whole = content.0.is_empty() && list.0.is_empty() && kind == [HOST_NAME];
    let is_name = !name.is_empty()
        && name.len() <= NAME_BYTES
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
        && name.split(|byte| *byte == b'.').all(|label| !label.is_empty());
    if !whole || !is_name {
        return None;
    }
    std::str::from_utf8(name).ok().map(str::to_ascii_lowercase)
}

/// Takes values off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// What is led by a length of two bytes.
    fn list(&mut self) -> Option<Self> {
        let length = self.number()?;
        self.take(length.into()).map(Self)
    }

    /// What is led by a length of one byte.
    fn short_list(&mut self) -> Option<Self> {
        let length = self.take(1)?.first().copied()?;
        self.take(length.into()).map(Self)
    }
}
