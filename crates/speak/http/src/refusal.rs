//! Why a message is refused. Each variant is a rule, so that a test and a log line can name it.

/// A request that is answered with an error and its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadRequest {
    /// The bytes are not an HTTP/1 request.
    #[error("the request line or a header line is malformed")]
    Malformed,
    /// A line ended by LF alone (RFC 9112 §2.2 lets a recipient accept it; two parsers then disagree).
    #[error("a line of the head does not end with CRLF")]
    BareLineFeed,
    /// Not HTTP/1.0 or HTTP/1.1.
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// The head is longer than allowed.
    #[error("the request's head is too large")]
    HeadTooLarge,
    /// More header fields than allowed.
    #[error("the request has too many header fields")]
    TooManyFields,
    /// The target is longer than allowed.
    #[error("the request's target is too long")]
    TargetTooLong,
    /// The target holds bytes, or dot segments, that parsers read differently.
    #[error("the request's target is malformed")]
    Target,
    /// A tunnel to anywhere (RFC 9110 §9.3.6) is not offered.
    #[error("CONNECT is not offered")]
    Connect,
    /// No Host, or more than one (RFC 9112 §3.2).
    #[error("a request needs exactly one Host")]
    HostCount,
    /// Host is not a name or address with an optional port.
    #[error("Host is malformed")]
    Host,
    /// Host and an absolute target name different authorities.
    #[error("Host differs from the request's target")]
    HostMismatch,
    /// Content-Length is not one plain number.
    #[error("Content-Length must be one plain decimal number")]
    ContentLength,
    /// Both framings at once (RFC 9112 §6.3: may be an attempt at smuggling).
    #[error("Content-Length and Transfer-Encoding exclude each other")]
    TwoFramings,
    /// Chunked repeated, or not the last coding.
    #[error("Transfer-Encoding must be chunked, once")]
    TransferEncoding,
    /// A coding that is not implemented (RFC 9112 §6.1: 501).
    #[error("this transfer coding is not implemented")]
    UnknownCoding,
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1: faulty framing).
    #[error("HTTP/1.0 has no Transfer-Encoding")]
    CodingInHttp10,
    /// A field that some parsers take for a framing field, as `Content_Length`.
    #[error("a header field looks like a framing field")]
    LookAlike,
    /// Connection names a field that frames the message.
    #[error("Connection must not name Host, Content-Length or Transfer-Encoding")]
    NominatesFraming,
    /// Expect asks for something other than 100-continue (RFC 9110 §10.1.1).
    #[error("only Expect: 100-continue is understood")]
    Expect,
}

impl BadRequest {
    /// The status it is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::TargetTooLong => 414,
            Self::Connect | Self::UnknownCoding => 501,
            Self::Version => 505,
            Self::Expect => 417,
            _ => 400,
        }
    }
}

/// An answer of a service that can't be passed on; the client gets 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadResponse {
    /// The bytes are not an HTTP/1 response.
    #[error("the service's answer is malformed")]
    Malformed,
    /// A line ended by LF alone.
    #[error("a line of the answer's head does not end with CRLF")]
    BareLineFeed,
    /// Not HTTP/1.0 or HTTP/1.1.
    #[error("the service's answer is not HTTP/1.0 or HTTP/1.1")]
    Version,
    /// A status outside 100 to 599.
    #[error("the service's status is not between 100 and 599")]
    Status,
    /// The head is longer than allowed.
    #[error("the head of the service's answer is too large")]
    HeadTooLarge,
    /// More header fields than allowed.
    #[error("the service's answer has too many header fields")]
    TooManyFields,
    /// Content-Length is not one plain number.
    #[error("the answer's Content-Length is not one plain decimal number")]
    ContentLength,
    /// Both framings at once.
    #[error("the answer has Content-Length and Transfer-Encoding")]
    TwoFramings,
    /// Anything but chunked, once, in HTTP/1.1.
    #[error("the answer's Transfer-Encoding is not chunked")]
    TransferEncoding,
    /// A field that some parsers take for a framing field.
    #[error("a field of the answer looks like a framing field")]
    LookAlike,
    /// Connection names a field that frames the message.
    #[error("the answer's Connection names a framing field")]
    NominatesFraming,
}

/// A body whose framing is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadBody {
    /// A chunk's size is missing, not hexadecimal, or larger than 2^60.
    #[error("a chunk's size is malformed")]
    ChunkSize,
    /// A control byte in a chunk's extension.
    #[error("a chunk's extension is malformed")]
    ChunkExtension,
    /// A chunk's line or data does not end with CRLF.
    #[error("a chunk does not end with CRLF")]
    ChunkEnd,
    /// Extensions and trailers together are longer than allowed.
    #[error("chunk extensions and trailers are too large")]
    ChunkExtras,
    /// A body that should be base64 is not.
    #[error("the body is not base64")]
    Text,
    /// A trailer is malformed, or names a field that frames, routes or authorizes (RFC 9110 §6.5.1).
    #[error("a trailer field is malformed or not allowed in trailers")]
    Trailer,
}
