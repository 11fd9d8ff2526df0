//! What gRPC wants of a gateway: failures as a status in the head, the client's deadline, and gRPC-Web.
//!
//! gRPC-Web (a browser's gRPC) carries the trailers in the body, and in its text form all of it in base64. For a
//! service of HTTP/2 it is translated; to any other it passes as it is.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use haechi_http::{BadBody, RequestHead};

use crate::failure::Failure;

/// Bytes of base64 that stand for whole bytes.
const QUANTUM: usize = 4;

/// In front of the trailers in a body of gRPC-Web.
const TRAILERS: u8 = 0x80;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
);

/// A call, by its Content-Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `application/grpc`
    Grpc,
    /// `application/grpc-web`
    Web,
    /// `application/grpc-web-text`
    WebText,
}

impl Call {
    /// The call that a request makes, if it makes one, and what follows its type: `+proto`.
    pub fn of<'a>(head: &RequestHead<'a>) -> Option<(Self, &'a [u8])> {
        if head.method != "POST" {
            return None;
        }
        let kind = field(head, "content-type")?;
        let types: [(&[u8], Self); 3] = [
            (b"application/grpc-web-text", Self::WebText),
            (b"application/grpc-web", Self::Web),
            (b"application/grpc", Self::Grpc),
        ];
        types.into_iter().find_map(|(name, call)| {
            let start = kind.get(..name.len())?;
            let rest = &kind[name.len()..];
            let ends = matches!(rest, [] | [b'+' | b';', ..]);
            (ends && start.eq_ignore_ascii_case(name)).then_some((call, rest))
        })
    }

    /// The format of its messages, `+json`, from what follows its type; empty where none is named, and for `+proto`, which
    /// that stands for. A browser's client takes no answer in another one.
    pub fn format(rest: &[u8]) -> &[u8] {
        let format = rest.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if format.eq_ignore_ascii_case(b"+proto") { b"" } else { format }
    }

    /// Whether its body must be translated for a service that speaks gRPC.
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Web | Self::WebText)
    }

    /// Its Content-Type without what follows.
    const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }

    /// Writes the answer to a call that failed: no body, the status in the head (gRPC's *Trailers-Only*).
    pub fn write_failure(self, format: &[u8], failure: Failure, out: &mut Vec<u8>, keep: bool) {
        let name = self.name();
        let (code, proxy) = (status(failure), failure.proxy_status());
        // It has no percent sign and is ASCII, so nothing in it is to be escaped.
        let text = format!(
            "\r\nGrpc-Status: {code}\r\nGrpc-Message: {failure}\r\n\
             Proxy-Status: haechi; error={proxy}\r\nContent-Length: 0\r\n{}\r\n",
            if keep { "" } else { "Connection: close\r\n" }
        );
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(format);
        out.extend_from_slice(text.as_bytes());
    }

    /// Writes the Content-Type of a call as the service gets it.
    pub fn write_type(out: &mut Vec<u8>, rest: &[u8]) {
        out.extend_from_slice(b"Content-Type: application/grpc");
        out.extend_from_slice(rest);
        out.extend_from_slice(b"\r\n");
    }

    /// Writes the Content-Type of the answer as the client gets it.
    pub fn write_answer_type(self, format: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(if format.is_empty() { b"+proto" } else { format });
        out.extend_from_slice(b"\r\n");
    }

    /// A piece of an answer's body. Each piece of a text is padded, so that none waits for the next.
    pub fn data(self, data: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::WebText {
            Cow::Owned(STANDARD.encode(data).into_bytes())
        } else {
            Cow::Borrowed(data)
        }
    }

    /// Trailers, each a line, as the last message of a body.
    pub fn trailers(self, lines: &[u8]) -> Vec<u8> {
        let mut message = vec![TRAILERS];
        message.extend_from_slice(&(lines.len() as u32).to_be_bytes());
        message.extend_from_slice(lines);
        self.data(&message).into_owned()
    }
}

fn field<'a>(head: &RequestHead<'a>, name: &str) -> Option<&'a [u8]> {
    head.fields().iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// How long the client waits: `grpc-timeout`, at most eight digits and a unit.
pub(crate) fn timeout(head: &RequestHead<'_>) -> Option<Duration> {
    let (unit, digits) = field(head, "grpc-timeout")?.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// gRPC's number for a failure, as its own mapping of HTTP's statuses has it.
const fn status(failure: Failure) -> u8 {
    const DEADLINE_EXCEEDED: u8 = 4;
    const RESOURCE_EXHAUSTED: u8 = 8;
    const UNIMPLEMENTED: u8 = 12;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    match failure.status() {
        _ if matches!(failure, Failure::RequestTimeout) => DEADLINE_EXCEEDED,
        404 | 501 => UNIMPLEMENTED,
        413 | 431 => RESOURCE_EXHAUSTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => INTERNAL,
    }
}

/// A request's body in base64, whose parts may each be padded.
#[derive(Debug, Default)]
pub(crate) struct FromText {
    quantum: [u8; QUANTUM],
    have: usize,
}

impl FromText {
    /// Reads on.
    pub fn read(&mut self, text: &[u8]) -> Result<Vec<u8>, BadBody> {
        let mut bytes = Vec::with_capacity(text.len() / QUANTUM * 3 + 3);
        for byte in text {
            self.quantum[self.have] = *byte;
            self.have += 1;
            if self.have == QUANTUM {
                self.have = 0;
                LENIENT.decode_vec(self.quantum, &mut bytes).map_err(|_| BadBody::Text)?;
            }
        }
        Ok(bytes)
    }

    /// Whether the text may end here.
    pub fn end(&self) -> Result<(), BadBody> {
        if self.have == 0 { Ok(()) } else { Err(BadBody::Text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_wherever_it_is_cut_and_padded() {
        let mut text = FromText::default();
        let mut bytes = text.read(b"aGVs").unwrap();
        bytes.extend(text.read(b"bG8=IA=").unwrap());
        assert!(text.end().is_err());
        bytes.extend(text.read(b"=").unwrap());
        assert_eq!((bytes.as_slice(), text.end()), (&b"hello "[..], Ok(())));
        assert!(text.read(b"a*b=").is_err());
    }

    #[test]
    fn trailers_are_a_message_of_their_own() {
        assert_eq!(Call::Web.trailers(b"grpc-status: 0\r\n"), b"\x80\0\0\0\x10grpc-status: 0\r\n");
        assert_eq!(&*Call::WebText.data(b"hello"), b"aGVsbG8=");
    }

    #[test]
    fn a_format_is_what_follows_the_plus() {
        for (rest, format) in [
            ("", ""),
            ("+proto", ""),
            ("+Proto; charset=utf-8", ""),
            ("+json", "+json"),
            ("+json ;a=b", "+json"),
            (";+json", ""),
        ] {
            assert_eq!(Call::format(rest.as_bytes()), format.as_bytes(), "{rest}");
        }
    }
}
