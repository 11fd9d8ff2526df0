//! The head of a service's answer.

use httparse::{ParserConfig, Status};

use crate::connection::{ConnectionOptions, idle_seconds};
use crate::head::{HeadLimits, HeadSlots, Lines};
use crate::length::content_length;
use crate::{BadResponse, Field, Known, Nominated, Version};

/// How the end of an answer's body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// There is no body: 1xx, 204, 304, or the answer to HEAD.
    None,
    /// This many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
    /// Until the service closes the connection.
    UntilClose,
}

/// An answer's head, checked. It borrows the bytes it was read from.
#[derive(Clone, Debug)]
pub struct ResponseHead<'a> {
    /// 100 to 599.
    pub status: u16,
    /// The reason as sent; may be empty.
    pub reason: &'a str,
    /// The version of the message.
    pub version: Version,
    /// How the body ends.
    pub framing: ResponseFraming,
    /// Content-Length, also where there is no body (HEAD, 304).
    pub length: Option<u64>,
    /// Whether the service lets the connection be used again.
    pub keep_alive: bool,
    /// After how many seconds without a request the service closes the connection, if it says so
    /// (`Keep-Alive: timeout=n`).
    pub idle_seconds: Option<u32>,
    /// The protocol it switches to, when Connection nominates Upgrade.
    pub upgrade: Option<&'a [u8]>,
    /// Fields to remove because Connection named them.
    pub nominated: Nominated<'a>,
    /// Bytes of the head in the buffer.
    pub len: usize,
    lines: Lines<'a>,
}

impl<'a> ResponseHead<'a> {
    /// Reads a head from the front of `buffer`; `to_head` says that it answers a HEAD request. Nothing when
    /// it is not all there yet.
    pub fn parse(
        buffer: &'a [u8],
        slots: &'a mut HeadSlots<'a>,
        limits: &HeadLimits,
        to_head: bool,
    ) -> Result<Option<Self>, BadResponse> {
        if matches!(buffer, [b'\r' | b'\n', ..]) {
            return Err(BadResponse::Malformed);
        }
        let slots = slots.fields.get_mut(..limits.fields.min(crate::MAX_WRITTEN_FIELDS)).unwrap_or_default();
        let mut parsed = httparse::Response::new(&mut []);
        let status = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, buffer, slots);
        let len = match status {
            Ok(Status::Complete(len)) if len <= limits.head_bytes => len,
            Ok(Status::Partial) if buffer.len() < limits.head_bytes => return Ok(None),
            Ok(_) => return Err(BadResponse::HeadTooLarge),
            Err(httparse::Error::TooManyHeaders) => return Err(BadResponse::TooManyFields),
            Err(httparse::Error::Version) => return Err(BadResponse::Version),
            Err(_) => return Err(BadResponse::Malformed),
        };
        let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
            return Err(BadResponse::Malformed);
        };
        let head = buffer.get(..len).ok_or(BadResponse::Malformed)?;
        let line_end = head.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let lines = Lines::check(head, line_end.saturating_sub(1), parsed.headers)
            .map_err(|_| BadResponse::BareLineFeed)?;
        if !(100..=599).contains(&status) {
            return Err(BadResponse::Status);
        }
        let version = if version == 1 { Version::Http11 } else { Version::Http10 };
        let mut fields = Fields::default();
        for field in lines.fields {
            fields.read(field)?;
        }
        let framing = fields.framing(version, status, to_head)?;
        let options = fields.options;
        Ok(Some(Self {
            status,
            reason: parsed.reason.unwrap_or_default(),
            version,
            framing,
            length: fields.length,
            keep_alive: framing != ResponseFraming::UntilClose
                && !options.close
                && (version == Version::Http11 || options.keep_alive),
            idle_seconds: fields.idle_seconds,
            upgrade: if options.upgrade { fields.upgrade } else { None },
            nominated: options.nominated,
            len,
            lines,
        }))
    }

    /// Whether this is an interim answer, after which another head follows. 101 is final on its connection.
    pub const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// The fields in the order they came.
    pub fn fields(&self) -> &'a [Field<'a>] {
        self.lines.fields
    }

    /// Copies the field lines that `keep` wants to `out`.
    #[inline]
    pub fn copy_fields(&self, out: &mut Vec<u8>, keep: impl FnMut(&Field<'_>, Known) -> bool) {
        self.lines.copy(out, keep);
    }
}

#[derive(Default)]
struct Fields<'a> {
    length: Option<u64>,
    chunked: bool,
    upgrade: Option<&'a [u8]>,
    idle_seconds: Option<u32>,
    options: ConnectionOptions<'a>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, field: &Field<'a>) -> Result<(), BadResponse> {
        match Known::of(field.name) {
            Known::ContentLength => {
                let length = content_length(field.value).ok_or(BadResponse::ContentLength)?;
                if self.length.replace(length).is_some() {
                    return Err(BadResponse::ContentLength);
                }
            }
            Known::TransferEncoding => {
                if self.chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(BadResponse::TransferEncoding);
                }
                self.chunked = true;
            }
            Known::Connection => {
                self.options.read(field.value).map_err(|_| BadResponse::NominatesFraming)?;
            }
            Known::KeepAlive => self.idle_seconds = idle_seconds(field.value).or(self.idle_seconds),
            Known::Upgrade => self.upgrade = Some(field.value),
            Known::LookAlike => return Err(BadResponse::LookAlike),
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, version: Version, status: u16, to_head: bool) -> Result<ResponseFraming, BadResponse> {
        if self.chunked && version == Version::Http10 {
            return Err(BadResponse::TransferEncoding);
        }
        // RFC 9112 §6.3, rule 3: an answer with both might be an attempt at splitting. It is an error here.
        if self.chunked && self.length.is_some() {
            return Err(BadResponse::TwoFramings);
        }
        Ok(if to_head || status < 200 || status == 204 || status == 304 {
            ResponseFraming::None
        } else if self.chunked {
            ResponseFraming::Chunked
        } else {
            self.length.map_or(ResponseFraming::UntilClose, ResponseFraming::Length)
        })
    }
}
