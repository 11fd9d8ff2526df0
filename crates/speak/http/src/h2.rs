//! Heads between HTTP/2's form and HTTP/1's.
//!
//! Inside, every message has the one form whose ambiguities are known and refused: HTTP/1.1. A stream's head is
//! written as such a message and then read by the same strict parser as everybody's, so no rule exists twice.
//! What HTTP/2 forbids on its own (RFC 9113 §8.2, §8.3) is refused here or by the frame layer before.

use std::borrow::Cow;

use http::header::{CONTENT_LENGTH, COOKIE, HOST, TE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri};

use crate::{BadRequest, BadResponse, Known, RequestFraming, RequestHead, ResponseHead, is_token, status};

/// How an extended CONNECT (RFC 8441) is told to a service that speaks HTTP/1.1.
#[derive(Clone, Copy, Debug)]
pub struct Switch<'a> {
    /// `:protocol`.
    pub protocol: &'a str,
    /// The value of `Sec-WebSocket-Key`, which HTTP/2 does without.
    pub key: &'a str,
}

/// Writes a stream's request as an HTTP/1.1 head. `ended` says that no body follows.
pub fn write_request<B>(
    out: &mut Vec<u8>,
    request: &Request<B>,
    ended: bool,
    switch: Option<Switch<'_>>,
) -> Result<(), BadRequest> {
    let (method, uri, fields) = (request.method(), request.uri(), request.headers());
    if *method == Method::CONNECT && switch.is_none() {
        return Err(BadRequest::Connect);
    }
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    // In :path nothing else is allowed (RFC 9113 §8.3.1); in a request line an absolute URI would be.
    if !(target.starts_with('/') || target == "*" && *method == Method::OPTIONS) {
        return Err(BadRequest::Target);
    }
    out.extend_from_slice(if switch.is_some() { b"GET" } else { method.as_str().as_bytes() });
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(authority(uri, fields)?);
    out.extend_from_slice(b"\r\n");
    let mut cookies = false;
    for (name, value) in fields {
        match *name {
            HOST => {}
            COOKIE => cookies = true,
            // Written by the gateway, for the connection that it belongs to.
            _ if switch.is_some() && is_switch_field(name) => {}
            _ if name != TE && name != "trailer" && Known::of(name.as_str()).is_hop_by_hop() => {
                return Err(BadRequest::Malformed);
            }
            _ => write_field(out, name.as_str(), value),
        }
    }
    if cookies {
        write_cookies(out, fields);
    }
    if let Some(switch) = switch {
        if !is_token(switch.protocol.as_bytes()) {
            return Err(BadRequest::Malformed);
        }
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        out.extend_from_slice(switch.protocol.as_bytes());
        out.extend_from_slice(b"\r\nSec-WebSocket-Key: ");
        out.extend_from_slice(switch.key.as_bytes());
        out.extend_from_slice(b"\r\n");
    } else if !fields.contains_key(CONTENT_LENGTH) {
        if !ended {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        } else if *method == Method::POST || *method == Method::PUT || *method == Method::PATCH {
            // RFC 9110 §8.6: a method that usually has a body says that it has none.
            out.extend_from_slice(b"Content-Length: 0\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The one authority: `:authority`, with which Host must agree, or Host alone (RFC 9113 §8.3.1).
fn authority<'a>(uri: &'a Uri, fields: &'a HeaderMap) -> Result<&'a [u8], BadRequest> {
    let mut hosts = fields.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(BadRequest::HostCount);
    }
    match (uri.authority(), host) {
        (Some(authority), Some(host))
            if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Err(BadRequest::HostMismatch)
        }
        (Some(authority), _) => Ok(authority.as_str().as_bytes()),
        (None, Some(host)) => Ok(host.as_bytes()),
        (None, None) => Err(BadRequest::HostCount),
    }
}

fn is_switch_field(name: &HeaderName) -> bool {
    *name == "sec-websocket-key" || *name == CONTENT_LENGTH
}

/// HTTP/2 may cut Cookie into many fields; HTTP/1 has one (RFC 9113 §8.2.3).
fn write_cookies(out: &mut Vec<u8>, fields: &HeaderMap) {
    out.extend_from_slice(b"Cookie: ");
    for (index, crumb) in fields.get_all(COOKIE).iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(crumb.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &HeaderValue) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes a stream's answer as an HTTP/1.1 head. `ended` says that no body follows, `to_head` that it answers a
/// HEAD request. Returns whether the body that follows is to be chunked.
pub fn write_response<B>(
    out: &mut Vec<u8>,
    response: &Response<B>,
    ended: bool,
    to_head: bool,
) -> Result<bool, BadResponse> {
    let (status, fields) = (response.status().as_u16(), response.headers());
    if status == 101 || status > 599 {
        return Err(BadResponse::Status);
    }
    write_status(out, status);
    // gRPC announces trailers by its type alone, and only a chunked body can carry them.
    let sized = fields.contains_key(CONTENT_LENGTH) && (ended || !is_grpc(fields));
    for (name, value) in fields {
        if *name == CONTENT_LENGTH && !sized {
            continue;
        }
        if name != "trailer" && Known::of(name.as_str()).is_hop_by_hop() {
            return Err(BadResponse::Malformed);
        }
        write_field(out, name.as_str(), value);
    }
    let has_body = !to_head && status >= 200 && status != 204 && status != 304;
    let chunked = has_body && !ended && !sized;
    if chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    } else if has_body && !sized {
        out.extend_from_slice(b"Content-Length: 0\r\n");
    }
    // The stream carries one answer.
    out.extend_from_slice(if status < 200 { b"\r\n".as_slice() } else { b"Connection: close\r\n\r\n" });
    Ok(chunked)
}

/// Writes the head with which a service's 2xx to an extended CONNECT is told to a client of HTTP/1.1.
pub fn write_switch<B>(out: &mut Vec<u8>, response: &Response<B>, protocol: &str, accept: &str) {
    write_status(out, 101);
    for (name, value) in response.headers() {
        if !Known::of(name.as_str()).is_hop_by_hop()
            && *name != CONTENT_LENGTH
            && name != "sec-websocket-accept"
        {
            write_field(out, name.as_str(), value);
        }
    }
    out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
    out.extend_from_slice(protocol.as_bytes());
    out.extend_from_slice(b"\r\nSec-WebSocket-Accept: ");
    out.extend_from_slice(accept.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}

fn write_status(out: &mut Vec<u8>, code: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(StatusCode::from_u16(code).as_ref().map_or("", StatusCode::as_str).as_bytes());
    out.push(b' ');
    out.extend_from_slice(status::reason(code).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn is_grpc(fields: &HeaderMap) -> bool {
    let value = fields.get(http::header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    value.starts_with(b"application/grpc")
}

/// A request head in HTTP/2's form, for a service that speaks it. A switch of protocols becomes an extended
/// CONNECT; its `:protocol` is the caller's to set.
pub fn request(head: &RequestHead<'_>, https: bool) -> Result<Request<()>, BadRequest> {
    let authority = head.authority.map_or("", |authority| authority.text);
    let mut parts = uri::Parts::default();
    parts.scheme = Some(if https { uri::Scheme::HTTPS } else { uri::Scheme::HTTP });
    parts.authority = Some(authority.parse().map_err(|_| BadRequest::Target)?);
    parts.path_and_query = Some(in_uri(head.target.path_and_query).parse().map_err(|_| BadRequest::Target)?);
    let uri = Uri::from_parts(parts).map_err(|_| BadRequest::Target)?;
    let method = if head.upgrade.is_some() {
        Method::CONNECT
    } else {
        Method::from_bytes(head.method.as_bytes()).map_err(|_| BadRequest::Malformed)?
    };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_2;
    let fields = request.headers_mut();
    fields.reserve(head.fields().len());
    for field in head.fields() {
        let known = Known::of(field.name);
        let lost = match known {
            Known::Host => true,
            Known::ContentLength => head.upgrade.is_some() || head.framing == RequestFraming::None,
            Known::Other => head.upgrade.is_some() && field.name.eq_ignore_ascii_case("sec-websocket-key"),
            known => known.is_hop_by_hop(),
        };
        if !lost {
            append(fields, known, field.name, field.value).ok_or(BadRequest::Malformed)?;
        }
    }
    if head.takes_trailers {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(request)
}

/// A target with the bytes encoded that no URI may hold and that HTTP/1 services are used to: clients write them into
/// queries.
fn in_uri(target: &str) -> Cow<'_, str> {
    if !target.contains(['"', '<', '>']) {
        return Cow::Borrowed(target);
    }
    Cow::Owned(target.replace('"', "%22").replace('<', "%3C").replace('>', "%3E"))
}

/// An answer's head in HTTP/2's form. 101 becomes the 200 of RFC 8441 §5.
pub fn response(head: &ResponseHead<'_>) -> Result<Response<()>, BadResponse> {
    let switched = head.status == 101;
    let mut response = Response::new(());
    *response.status_mut() =
        StatusCode::from_u16(if switched { 200 } else { head.status }).map_err(|_| BadResponse::Status)?;
    *response.version_mut() = http::Version::HTTP_2;
    let fields = response.headers_mut();
    fields.reserve(head.fields().len());
    for field in head.fields() {
        let known = Known::of(field.name);
        let lost =
            known.is_hop_by_hop() || switched && field.name.eq_ignore_ascii_case("sec-websocket-accept");
        if !lost {
            append(fields, known, field.name, field.value).ok_or(BadResponse::Malformed)?;
        }
    }
    // gRPC's answers that are trailers alone have no length of their own.
    if head.length == Some(0) && is_grpc(fields) {
        fields.remove(CONTENT_LENGTH);
    }
    Ok(response)
}

/// Trailer lines, as a chunked body ends with them, in HTTP/2's form.
pub fn trailers(lines: &[u8]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(line.get(..colon)?).ok()?;
        append(&mut fields, Known::Other, name, line.get(colon + 1..)?.trim_ascii())?;
    }
    Some(fields)
}

/// Writes trailers as the lines behind a chunked body.
pub fn write_trailers(out: &mut Vec<u8>, trailers: &HeaderMap) {
    for (name, value) in trailers {
        write_field(out, name.as_str(), value);
    }
}

/// The names that most heads have, ready made: the `http` crate takes several times as long to read one, and for those
/// that it does not know it allocates.
fn name_of(known: Known, name: &str) -> Option<HeaderName> {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
    const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
    const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    match known {
        Known::ContentLength => Some(CONTENT_LENGTH),
        Known::Via => Some(VIA),
        Known::ForwardedFor => Some(FORWARDED_FOR),
        Known::ForwardedHost => Some(FORWARDED_HOST),
        Known::ForwardedPort => Some(FORWARDED_PORT),
        Known::ForwardedProto => Some(FORWARDED_PROTO),
        Known::Other => other_name(name),
        _ => None,
    }
}

/// The same of names that mean nothing to the gateway. By length and first letter, as [`Known::of`].
fn other_name(name: &str) -> Option<HeaderName> {
    const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
    const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
    const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
    const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
    let first = name.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
    let likely = match (name.len(), first) {
        (4, b'd') => header::DATE,
        (4, b'e') => header::ETAG,
        (4, b'v') => header::VARY,
        (6, b'a') => header::ACCEPT,
        (6, b's') => header::SERVER,
        (8, b'l') => header::LOCATION,
        (10, b's') => header::SET_COOKIE,
        (10, b'u') => header::USER_AGENT,
        (11, b'g') => GRPC_STATUS,
        (12, b'c') => header::CONTENT_TYPE,
        (12, b'g') => GRPC_MESSAGE,
        (13, b'c') => header::CACHE_CONTROL,
        (13, b'g') => GRPC_ENCODING,
        (13, b'l') => header::LAST_MODIFIED,
        (15, b'a') => header::ACCEPT_ENCODING,
        (16, b'c') => header::CONTENT_ENCODING,
        (20, b'g') => GRPC_ACCEPT_ENCODING,
        _ => return None,
    };
    name.eq_ignore_ascii_case(likely.as_str()).then_some(likely)
}

fn append(fields: &mut HeaderMap, known: Known, name: &str, value: &[u8]) -> Option<()> {
    let name = match name_of(known, name) {
        Some(name) => name,
        None => HeaderName::from_bytes(name.as_bytes()).ok()?,
    };
    let value = HeaderValue::from_bytes(value).ok()?;
    fields.try_append(name, value).ok()?;
    Some(())
}
