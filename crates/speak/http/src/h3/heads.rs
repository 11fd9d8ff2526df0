//! Heads and trailers between field sections and the forms that HTTP/2 has too.

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};

use super::qpack::{self, BadSection};
use crate::{BadRequest, HeadLimits};

/// Why a head can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHead {
    /// It is no field section. An error of the whole connection (RFC 9204 §6).
    Compression,
    /// It is one, and no request.
    Request(BadRequest),
}

impl From<BadSection> for BadHead {
    fn from(bad: BadSection) -> Self {
        match bad {
            BadSection::Compression => Self::Compression,
            BadSection::TooLarge => Self::Request(BadRequest::HeadTooLarge),
        }
    }
}

impl From<BadRequest> for BadHead {
    fn from(refusal: BadRequest) -> Self {
        Self::Request(refusal)
    }
}

/// Pseudo-fields of a request (RFC 9114 §4.3.1).
#[derive(Default)]
struct Pseudo {
    method: Option<Vec<u8>>,
    scheme: Option<Vec<u8>>,
    authority: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
}

/// Reads a request's head from a field section. To be written on by [`h2::write_request`](crate::h2::write_request),
/// which judges what both versions forbid.
pub fn read_request(section: &[u8], limits: &HeadLimits) -> Result<Request<()>, BadHead> {
    let mut pseudo = Pseudo::default();
    let mut fields = HeaderMap::new();
    let mut each = |name: &[u8], value: &[u8]| -> Result<(), BadHead> {
        if name.first() == Some(&b':') {
            let slot = match name {
                b":method" => &mut pseudo.method,
                b":scheme" => &mut pseudo.scheme,
                b":authority" => &mut pseudo.authority,
                b":path" => &mut pseudo.path,
                _ => return Err(BadRequest::Malformed.into()),
            };
            // Once each, before all fields.
            if slot.is_some() || !fields.is_empty() {
                return Err(BadRequest::Malformed.into());
            }
            *slot = Some(value.to_vec());
            return Ok(());
        }
        if fields.len() >= limits.fields {
            return Err(BadRequest::TooManyFields.into());
        }
        append(&mut fields, name, value).ok_or(BadHead::Request(BadRequest::Malformed))
    };
    qpack::decode(section, limits.head_bytes, &mut each)?;
    Ok(assemble(pseudo, fields)?)
}

fn assemble(pseudo: Pseudo, fields: HeaderMap) -> Result<Request<()>, BadRequest> {
    let method = pseudo.method.ok_or(BadRequest::Malformed)?;
    let method = Method::from_bytes(&method).map_err(|_| BadRequest::Malformed)?;
    if method == Method::CONNECT {
        return Err(BadRequest::Connect);
    }
    // Which one it is says nothing, as in HTTP/2: proxies in front pass on that of their own client. What the service is
    // told is how the connection came.
    if pseudo.scheme.is_none_or(|scheme| Scheme::try_from(&*scheme).is_err()) {
        return Err(BadRequest::Malformed);
    }
    let path = pseudo.path.ok_or(BadRequest::Malformed)?;
    let mut uri = Uri::builder().path_and_query(&*path);
    if let Some(authority) = &pseudo.authority {
        uri = uri.scheme("https").authority(&**authority);
    }
    let uri = uri.build().map_err(|_| BadRequest::Target)?;
    // A fragment would be left out of it.
    if uri.path_and_query().is_none_or(|parsed| parsed.as_str().as_bytes() != path) {
        return Err(BadRequest::Target);
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_3;
    *request.headers_mut() = fields;
    Ok(request)
}

/// Reads trailers from a field section.
pub fn read_trailers(section: &[u8], most: usize) -> Result<HeaderMap, BadHead> {
    let mut fields = HeaderMap::new();
    qpack::decode(section, most, |name, value| {
        append(&mut fields, name, value).ok_or(BadHead::Request(BadRequest::Malformed))
    })?;
    Ok(fields)
}

fn append(fields: &mut HeaderMap, name: &[u8], value: &[u8]) -> Option<()> {
    // Lower case alone (RFC 9114 §4.2), and no value with space around it (RFC 9110 §5.5).
    let name = HeaderName::from_lowercase(name).ok()?;
    if value != value.trim_ascii() {
        return None;
    }
    fields.try_append(name, HeaderValue::from_bytes(value).ok()?).ok()?;
    Some(())
}

/// Writes an answer's head as a field section.
pub fn write_response(out: &mut Vec<u8>, response: &Response<()>) {
    qpack::begin(out);
    qpack::encode(out, ":status", response.status().as_str().as_bytes());
    write_fields(out, response.headers());
}

/// Writes trailers as a field section.
pub fn write_trailers(out: &mut Vec<u8>, trailers: &HeaderMap) {
    qpack::begin(out);
    write_fields(out, trailers);
}

fn write_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        qpack::encode(out, name.as_str(), value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2;

    const LIMITS: HeadLimits = HeadLimits { head_bytes: 4096, fields: 20, target_bytes: 1024 };

    fn section(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        qpack::begin(&mut out);
        for (name, value) in fields {
            qpack::encode(&mut out, name, value.as_bytes());
        }
        out
    }

    #[test]
    fn a_head_becomes_one_of_http1() {
        let section = section(&[
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "shop.example"),
            (":path", "/a?b=c"),
            ("cookie", "a=1"),
            ("x", "y"),
            ("cookie", "b=2"),
        ]);
        let request = read_request(&section, &LIMITS).unwrap();
        let mut out = Vec::new();
        h2::write_request(&mut out, &request, false, None).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("POST /a?b=c HTTP/1.1\r\nHost: shop.example\r\n"), "{text}");
        assert!(text.contains("\r\nCookie: a=1; b=2\r\n"), "{text}");
        assert!(text.ends_with("Transfer-Encoding: chunked\r\n\r\n"), "{text}");
    }

    #[test]
    fn what_was_written_is_read() {
        let mut response = Response::new(());
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response.headers_mut().insert("x", HeaderValue::from_static("y"));
        let mut out = Vec::new();
        write_response(&mut out, &response);
        let mut fields = Vec::new();
        qpack::decode(&out, 1000, |name, value| {
            fields.push([name, value].concat());
            Ok::<_, BadSection>(())
        })
        .unwrap();
        assert_eq!(fields, [b":status418".to_vec(), b"xy".to_vec()]);
    }

    #[test]
    fn trailers_have_no_pseudo_fields() {
        let mut out = Vec::new();
        qpack::begin(&mut out);
        qpack::encode(&mut out, ":status", b"200");
        assert_eq!(read_trailers(&out, 1000), Err(BadHead::Request(BadRequest::Malformed)));
    }
}
