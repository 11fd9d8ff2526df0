//! The head of a request.

use httparse::{ParserConfig, Status};

use crate::connection::ConnectionOptions;
use crate::head::{HeadLimits, HeadSlots, Lines, offset};
use crate::length::content_length;
use crate::{Authority, BadRequest, Field, Known, Nominated, Target, Version};

/// How the end of a request's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFraming {
    /// There is no body (RFC 9112 §6.3, rule 7).
    None,
    /// This many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
}

/// A request's head, checked. It borrows the bytes it was read from.
#[derive(Clone, Debug)]
pub struct RequestHead<'a> {
    /// The method, a token.
    pub method: &'a str,
    /// The target.
    pub target: Target<'a>,
    /// The version of the message.
    pub version: Version,
    /// From the absolute target or from Host; HTTP/1.0 may have neither.
    pub authority: Option<Authority<'a>>,
    /// How the body ends.
    pub framing: RequestFraming,
    /// Whether the client wants to use the connection again.
    pub keep_alive: bool,
    /// Whether the client waits for 100 before it sends the body.
    pub expect_continue: bool,
    /// The protocol it wants to switch to, when Connection nominates Upgrade (RFC 9110 §7.8).
    pub upgrade: Option<&'a [u8]>,
    /// Whether the client takes trailers (RFC 9110 §10.1.4: `TE: trailers`).
    pub takes_trailers: bool,
    /// Fields to remove because Connection named them.
    pub nominated: Nominated<'a>,
    /// Bytes of the head in the buffer, an empty line before it included.
    pub len: usize,
    lines: Lines<'a>,
}

impl<'a> RequestHead<'a> {
    /// Reads a head from the front of `buffer`. Nothing when it is not all there yet.
    pub fn parse(
        buffer: &'a [u8],
        slots: &'a mut HeadSlots<'a>,
        limits: &HeadLimits,
    ) -> Result<Option<Self>, BadRequest> {
        // RFC 9112 §2.2: an empty line before the request line should be ignored. One is; a second is not.
        let start = buffer.strip_prefix(b"\r\n").unwrap_or(buffer);
        let skipped = buffer.len() - start.len();
        match start {
            [b'\n', ..] | [b'\r', b'\n', ..] => return Err(BadRequest::BareLineFeed),
            [] | [b'\r'] => return Ok(None),
            _ => {}
        }
        let slots = slots.fields.get_mut(..limits.fields.min(crate::MAX_WRITTEN_FIELDS)).unwrap_or_default();
        let mut parsed = httparse::Request::new(&mut []);
        let status = ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, start, slots);
        let len = match status {
            Ok(Status::Complete(len)) if len <= limits.head_bytes => len,
            Ok(Status::Complete(_)) => return Err(BadRequest::HeadTooLarge),
            Ok(Status::Partial) => return incomplete(start, limits).map(|()| None),
            // Which version it is shows at the end of the line; the answer must not depend on how bytes arrive.
            Err(httparse::Error::Version) if !start.contains(&b'\n') => {
                return incomplete(start, limits).map(|()| None);
            }
            Err(error) => return Err(refuse(error, start)),
        };
        let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(BadRequest::Malformed);
        };
        let head = start.get(..len).ok_or(BadRequest::Malformed)?;
        // " HTTP/1.x" follows the target, then CRLF.
        let start_line_end = offset(head, target.as_bytes()) + target.len() + 9;
        let lines =
            Lines::check(head, start_line_end, parsed.headers).map_err(|_| BadRequest::BareLineFeed)?;
        if target.len() > limits.target_bytes {
            return Err(BadRequest::TargetTooLong);
        }
        if method == "CONNECT" {
            return Err(BadRequest::Connect);
        }
        let version = if version == 1 { Version::Http11 } else { Version::Http10 };
        let target = Target::parse(method, target)?;
        let mut fields = Fields::default();
        for field in lines.fields {
            fields.read(field)?;
        }
        let framing = fields.framing(version)?;
        let options = fields.options;
        Ok(Some(Self {
            method,
            authority: authority(fields.hosts, fields.host, &target, version)?,
            target,
            version,
            framing,
            keep_alive: !options.close && (version == Version::Http11 || options.keep_alive),
            // RFC 9110 §10.1.1: ignored in HTTP/1.0, and of no use without a body.
            expect_continue: fields.expect && version == Version::Http11 && framing != RequestFraming::None,
            upgrade: if options.upgrade && version == Version::Http11 { fields.upgrade } else { None },
            takes_trailers: fields.takes_trailers,
            nominated: options.nominated,
            len: len + skipped,
            lines,
        }))
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

/// What the framing and connection fields of one request say.
#[derive(Default)]
struct Fields<'a> {
    hosts: usize,
    host: &'a [u8],
    length: Option<u64>,
    chunked: bool,
    expect: bool,
    takes_trailers: bool,
    upgrade: Option<&'a [u8]>,
    options: ConnectionOptions<'a>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, field: &Field<'a>) -> Result<(), BadRequest> {
        match Known::of(field.name) {
            Known::Host => {
                self.hosts += 1;
                self.host = field.value;
            }
            Known::ContentLength => {
                let length = content_length(field.value).ok_or(BadRequest::ContentLength)?;
                if self.length.replace(length).is_some() {
                    return Err(BadRequest::ContentLength);
                }
            }
            Known::TransferEncoding => self.coding(field.value)?,
            Known::Connection => {
                self.options.read(field.value).map_err(|_| BadRequest::NominatesFraming)?;
            }
            Known::Expect => {
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(BadRequest::Expect);
                }
                self.expect = true;
            }
            Known::Te => {
                let mut codings = field.value.split(|byte| *byte == b',');
                self.takes_trailers |=
                    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
            }
            Known::Upgrade => self.upgrade = Some(field.value),
            Known::LookAlike => return Err(BadRequest::LookAlike),
            _ => {}
        }
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), BadRequest> {
        if value.eq_ignore_ascii_case(b"chunked") && !self.chunked {
            self.chunked = true;
            return Ok(());
        }
        // A list with chunked in it, or a second field, is about framing; any other coding is unknown.
        let mentions = value.to_ascii_lowercase().windows(7).any(|window| window == b"chunked");
        Err(if mentions || self.chunked || value.is_empty() {
            BadRequest::TransferEncoding
        } else {
            BadRequest::UnknownCoding
        })
    }

    fn framing(&self, version: Version) -> Result<RequestFraming, BadRequest> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(BadRequest::TwoFramings),
            (true, None) if version == Version::Http10 => Err(BadRequest::CodingInHttp10),
            (true, None) => Ok(RequestFraming::Chunked),
            (false, Some(length)) => Ok(RequestFraming::Length(length)),
            (false, None) => Ok(RequestFraming::None),
        }
    }
}

/// The one authority of a request (RFC 9112 §3.2.2, §3.2). An absolute target wins over Host, but the two are
/// refused when they differ: a service behind may believe either.
fn authority<'a>(
    hosts: usize,
    host: &'a [u8],
    target: &Target<'a>,
    version: Version,
) -> Result<Option<Authority<'a>>, BadRequest> {
    if hosts > 1 || (hosts == 0 && version == Version::Http11) {
        return Err(BadRequest::HostCount);
    }
    let host = match hosts {
        0 => None,
        _ => Some(Authority::parse(host).ok_or(BadRequest::Host)?),
    };
    match (target.authority, host) {
        (Some(target), Some(host)) if !target.same_as(&host, 80) => Err(BadRequest::HostMismatch),
        (Some(target), _) => Ok(Some(target)),
        (None, host) => Ok(host),
    }
}

/// Whether a head that is not all there may still become a good one.
fn incomplete(start: &[u8], limits: &HeadLimits) -> Result<(), BadRequest> {
    if start.len() < limits.head_bytes {
        return Ok(());
    }
    let line = start.iter().position(|byte| *byte == b'\n').unwrap_or(start.len());
    Err(if line > limits.target_bytes { BadRequest::TargetTooLong } else { BadRequest::HeadTooLarge })
}

fn refuse(error: httparse::Error, start: &[u8]) -> BadRequest {
    match error {
        httparse::Error::TooManyHeaders => BadRequest::TooManyFields,
        httparse::Error::Version if names_other_version(start) => BadRequest::Version,
        _ => BadRequest::Malformed,
    }
}

/// Whether the request line is well formed but for the number of its version (`GET / HTTP/2.0`).
fn names_other_version(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ').skip(2);
    let version = parts.next().and_then(|version| version.strip_prefix(b"HTTP/"));
    parts.next().is_none()
        && matches!(version, Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}
