//! The one table from failure to answer. Nothing else in the gateway makes an error's answer.

use haechi_http::{BadBody, BadRequest, BadResponse};
use haechi_route::BadPath;

/// Why a request got no answer of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Request(#[from] BadRequest),
    #[error("{0}")]
    Path(#[from] BadPath),
    #[error("{0}")]
    Body(#[from] BadBody),
    #[error("the request's body is larger than allowed")]
    BodyTooLarge,
    #[error("the request's head did not arrive in time")]
    HeadTimeout,
    #[error("the request's body did not arrive in time")]
    BodyTimeout,
    #[error("this port speaks TLS: use https")]
    PlainHttpToTls,
    #[error("this port speaks plain HTTP, not TLS: use http")]
    TlsToPlainHttp,
    #[error("this connection was made for another host; open a new one for this host")]
    Misdirected,
    #[error("no route matches this request")]
    NoRoute,
    #[error("the service has no endpoint that takes requests")]
    NoEndpoint,
    #[error("the service has as many requests in flight as it may")]
    Full,
    #[error("the gateway has no descriptors left for a connection to the service")]
    NoDescriptors,
    #[error("the gateway has no local port left for a connection to the service")]
    NoPort,
    #[error("the service refused the connection")]
    Refused,
    #[error("no connection to the service could be made")]
    Unreachable,
    #[error("the connection to the service was not made in time")]
    ConnectTimeout,
    #[error("no TLS connection to the service could be made")]
    Handshake,
    #[error("the service's certificate is not trusted")]
    Certificate,
    #[error("the service closed the connection before it answered")]
    Closed,
    #[error("the service did not begin to answer in time")]
    FirstByteTimeout,
    #[error("the whole request took longer than its route allows")]
    RequestTimeout,
    #[error("{0}")]
    Response(#[from] BadResponse),
    #[error("the body of the service's answer is malformed: {0}")]
    ResponseBody(BadBody),
    #[error("the service switched protocols without being asked")]
    UnaskedUpgrade,
    #[error("the service switched protocols before it had the whole request")]
    EarlySwitch,
    #[error("what answers this request does not switch protocols")]
    NotSwitched,
    #[error("the request can't be told to the service over HTTP/2")]
    Unsaid,
    #[error("the service sent too many interim answers")]
    TooManyInterim,
    #[error("the client took the answer too slowly")]
    SlowClient,
    #[error("the client left before the answer was whole")]
    ClientGone,
    #[error("the answer could not be compressed")]
    Compression,
    #[error("there is no such file")]
    NoFile,
    #[error("the file may not be read")]
    FileForbidden,
    #[error("the file could not be read")]
    FileUnreadable,
    #[error("the file became shorter while it was sent")]
    FileShrank,
    #[error("the service stopped in the middle of its answer")]
    Truncated,
}

impl Failure {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Request(refusal) => refusal.status(),
            Self::Path(_) | Self::Body(_) | Self::PlainHttpToTls | Self::TlsToPlainHttp => 400,
            Self::BodyTooLarge => 413,
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::NoRoute | Self::NoFile => 404,
            Self::FileForbidden => 403,
            Self::Misdirected => 421,
            Self::FileUnreadable | Self::FileShrank | Self::Compression => 500,
            Self::NoEndpoint | Self::Full | Self::NoDescriptors | Self::NoPort => 503,
            Self::Refused
            | Self::Unreachable
            | Self::Handshake
            | Self::Certificate
            | Self::Closed
            | Self::Response(_)
            | Self::ResponseBody(_)
            | Self::UnaskedUpgrade
            | Self::EarlySwitch
            | Self::NotSwitched
            | Self::Unsaid
            | Self::TooManyInterim
            | Self::Truncated => 502,
            Self::ConnectTimeout | Self::FirstByteTimeout | Self::RequestTimeout => 504,
            // Nobody reads it; the number that nginx made usual, for the log.
            Self::ClientGone | Self::SlowClient => 499,
        }
    }

    /// The error type of RFC 9209 §2.3.
    pub const fn proxy_status(self) -> &'static str {
        match self {
            Self::Request(_)
            | Self::Path(_)
            | Self::Body(_)
            | Self::BodyTooLarge
            | Self::HeadTimeout
            | Self::BodyTimeout
            | Self::PlainHttpToTls
            | Self::TlsToPlainHttp
            | Self::ClientGone
            | Self::SlowClient => "http_request_error",
            Self::NoRoute | Self::Misdirected | Self::NoFile | Self::FileForbidden => "http_request_denied",
            Self::FileUnreadable
            | Self::FileShrank
            | Self::Compression
            | Self::NoDescriptors
            | Self::NoPort
            | Self::Unsaid => "proxy_internal_error",
            Self::NoEndpoint => "destination_unavailable",
            Self::Full => "connection_limit_reached",
            Self::Refused => "connection_refused",
            Self::Unreachable => "destination_ip_unroutable",
            Self::Handshake => "tls_protocol_error",
            Self::Certificate => "tls_certificate_error",
            Self::ConnectTimeout => "connection_timeout",
            Self::Closed => "connection_terminated",
            Self::FirstByteTimeout => "connection_read_timeout",
            Self::RequestTimeout => "http_response_timeout",
            Self::Response(BadResponse::HeadTooLarge | BadResponse::TooManyFields) => {
                "http_response_header_section_size"
            }
            Self::UnaskedUpgrade | Self::EarlySwitch | Self::NotSwitched => "http_upgrade_failed",
            Self::Truncated => "http_response_incomplete",
            Self::Response(_) | Self::ResponseBody(_) | Self::TooManyInterim => "http_protocol_error",
        }
    }

    /// Whether the bytes that follow on the client's connection can't be trusted to begin a request.
    pub const fn poisons_connection(self) -> bool {
        matches!(
            self,
            Self::Request(_)
                | Self::Body(_)
                | Self::BodyTooLarge
                | Self::HeadTimeout
                | Self::BodyTimeout
                | Self::PlainHttpToTls
                | Self::TlsToPlainHttp
                | Self::ClientGone
                | Self::SlowClient
                | Self::Truncated
                | Self::ResponseBody(_)
        )
    }

    /// Writes the answer.
    pub fn write(self, out: &mut Vec<u8>, keep_alive: bool, to_head: bool) {
        write_own(out, self.status(), self.proxy_status(), &format!("{self}\n"), keep_alive, to_head);
    }
}

/// Writes an error's answer.
fn write_own(
    out: &mut Vec<u8>,
    status: u16,
    proxy_status: &str,
    body: &str,
    keep_alive: bool,
    to_head: bool,
) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(digits.format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(haechi_http::status::reason(status).as_bytes());
    out.extend_from_slice(b"\r\nProxy-Status: haechi; error=");
    out.extend_from_slice(proxy_status.as_bytes());
    out.extend_from_slice(b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ");
    out.extend_from_slice(digits.format(body.len()).as_bytes());
    out.extend_from_slice(if keep_alive { b"\r\n\r\n" } else { b"\r\nConnection: close\r\n\r\n" });
    if !to_head {
        out.extend_from_slice(body.as_bytes());
    }
}
