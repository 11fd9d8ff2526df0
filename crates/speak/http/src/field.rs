//! Header fields by name.

/// One header field: its name as sent and its value without the spaces around it.
pub type Field<'a> = httparse::Header<'a>;

/// The fields that the gateway itself reads, drops or writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Known {
    /// Any other field: passed on as it is.
    #[default]
    Other,
    /// `Host`
    Host,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Connection`
    Connection,
    /// `Keep-Alive`
    KeepAlive,
    /// `Proxy-Connection`, of old browsers
    ProxyConnection,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Upgrade`
    Upgrade,
    /// `Expect`
    Expect,
    /// `Via`
    Via,
    /// `X-Forwarded-For`
    ForwardedFor,
    /// `X-Forwarded-Host`
    ForwardedHost,
    /// `X-Forwarded-Proto`
    ForwardedProto,
    /// `X-Forwarded-Port`
    ForwardedPort,
    /// `X-Forwarded-Prefix`
    ForwardedPrefix,
    /// `X-Forwarded-Client-Cert`, and what CGI takes for it
    ForwardedClientCert,
    /// Not a framing field, but some parsers take it for one: `Content_Length`, `Transfer.Encoding`.
    LookAlike,
}

impl Known {
    /// Which field a name means. By length and first letter, so that most names cost one comparison or none.
    #[inline]
    pub fn of(name: &str) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let first = name.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
        match (name.len(), first) {
            (2, b't') if is("te") => Self::Te,
            (3, b'v') if is("via") => Self::Via,
            (4, b'h') if is("host") => Self::Host,
            (6, b'e') if is("expect") => Self::Expect,
            (7, b'u') if is("upgrade") => Self::Upgrade,
            (7, b't') if is("trailer") => Self::Trailer,
            (10, b'c') if is("connection") => Self::Connection,
            (10, b'k') if is("keep-alive") => Self::KeepAlive,
            (14, b'c') if is("content-length") => Self::ContentLength,
            (14, b'c') if looks_like(name, "content-length") => Self::LookAlike,
            (15, b'x') if is("x-forwarded-for") => Self::ForwardedFor,
            (16, b'p') if is("proxy-connection") => Self::ProxyConnection,
            (16, b'x') if is("x-forwarded-host") => Self::ForwardedHost,
            (16, b'x') if is("x-forwarded-port") => Self::ForwardedPort,
            (17, b't') if is("transfer-encoding") => Self::TransferEncoding,
            (17, b'x') if is("x-forwarded-proto") => Self::ForwardedProto,
            (17, b't') if looks_like(name, "transfer-encoding") => Self::LookAlike,
            (18, b'x') if is("x-forwarded-prefix") => Self::ForwardedPrefix,
            (23, b'x') if looks_like(name, "x-forwarded-client-cert") => Self::ForwardedClientCert,
            _ => Self::Other,
        }
    }

    /// Whether the field belongs to one connection and is never passed on (RFC 9110 §7.6.1). `Trailer` is
    /// among them because the gateway discards trailers, as RFC 9112 §7.1.2 allows.
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::Trailer
                | Self::Upgrade
                | Self::TransferEncoding
        )
    }
}

/// Whether `name` differs from the field `framing` only by case and by another mark for `-`. CGI and its
/// heirs turn `_`, and some every other mark too, into `HTTP_CONTENT_LENGTH`.
fn looks_like(name: &str, framing: &str) -> bool {
    name.bytes()
        .zip(framing.bytes())
        .all(|(byte, of)| byte.eq_ignore_ascii_case(&of) || (of == b'-' && !byte.is_ascii_alphanumeric()))
}

/// Whether a text is a token (RFC 9110 §5.6.2), as methods and field names must be.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| IN_TOKENS[usize::from(*byte)])
}

/// The bytes that tokens are made of.
const IN_TOKENS: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        bytes[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        bytes[marks[at] as usize] = true;
        at += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_whatever_their_case() {
        assert_eq!(Known::of("HOST"), Known::Host);
        assert_eq!(Known::of("Transfer-encoding"), Known::TransferEncoding);
        assert_eq!(Known::of("x-forwarded-for"), Known::ForwardedFor);
        assert_eq!(Known::of("Hosts"), Known::Other);
    }

    #[test]
    fn other_marks_do_not_hide_a_framing_field() {
        assert_eq!(Known::of("Content_Length"), Known::LookAlike);
        assert_eq!(Known::of("transfer_encoding"), Known::LookAlike);
        assert_eq!(Known::of("transfer.encoding"), Known::LookAlike);
        assert_eq!(Known::of("transferxencoding"), Known::Other);
    }
}
