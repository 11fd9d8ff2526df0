//! Request heads: what is taken, and what is refused and why.
#![allow(clippy::unwrap_used)]

use haechi_http::{BadRequest, HeadLimits, HeadSlots, RequestFraming, RequestHead, Version};

/// The refusal of a head, or nothing if it is taken.
fn refusal(head: &[u8]) -> Option<BadRequest> {
    let mut slots = HeadSlots::new();
    match RequestHead::parse(head, &mut slots, &HeadLimits::default()) {
        Ok(Some(_)) => None,
        Ok(None) => panic!("incomplete: {:?}", String::from_utf8_lossy(head)),
        Err(refusal) => Some(refusal),
    }
}

fn with_line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\n\r\n").into_bytes()
}

fn with_fields(fields: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n").into_bytes()
}

#[test]
fn malformed_request_lines_are_refused() {
    use BadRequest::{Connect, Host, HostMismatch, Malformed, Target, Version};
    for (line, why) in [
        ("GET", Malformed),
        ("GET /", Malformed),
        ("GET / ", Malformed),
        (" GET / HTTP/1.1", Malformed),
        ("GET  / HTTP/1.1", Malformed),
        ("GET /  HTTP/1.1", Malformed),
        ("GET / HTTP/1.1 ", Malformed),
        ("GET / HTTP/1.1\t", Malformed),
        ("GET\t/ HTTP/1.1", Malformed),
        ("GET /a b HTTP/1.1", Malformed),
        ("G(T / HTTP/1.1", Malformed),
        ("GE\u{0}T / HTTP/1.1", Malformed),
        ("GET /\u{0} HTTP/1.1", Malformed),
        ("GET /\u{7f} HTTP/1.1", Malformed),
        ("GET / HTTP", Malformed),
        ("GET / HTTP/1", Malformed),
        ("GET / HTTP/11", Malformed),
        ("GET / HTTP/1.10", Malformed),
        ("GET / http/1.1", Malformed),
        ("GET / ICY/1.1", Malformed),
        ("GET / HTTP/0.9", Version),
        ("GET / HTTP/1.2", Version),
        ("GET / HTTP/2.0", Version),
        ("PRI * HTTP/2.0", Version),
        ("CONNECT a:80 HTTP/1.1", Connect),
        ("CONNECT / HTTP/1.1", Connect),
        ("GET a HTTP/1.1", Target),
        ("GET a:80 HTTP/1.1", Target),
        ("GET * HTTP/1.1", Target),
        ("GET ?a HTTP/1.1", Target),
        ("GET /#a HTTP/1.1", Target),
        ("GET /?a#b HTTP/1.1", Target),
        ("GET /\u{e9} HTTP/1.1", Target),
        ("GET https://a/ HTTP/1.1", Target),
        ("GET ftp://a/ HTTP/1.1", Target),
        ("GET http:/a HTTP/1.1", Target),
        ("GET http://a?b HTTP/1.1", Target),
        ("GET http:// HTTP/1.1", Host),
        ("GET http:///a HTTP/1.1", Host),
        ("GET http://u@a/ HTTP/1.1", Host),
        ("GET http://u:p@a/ HTTP/1.1", Host),
        ("GET http://a:99999/ HTTP/1.1", Host),
        ("GET http://b/ HTTP/1.1", HostMismatch),
        ("GET http://a:81/ HTTP/1.1", HostMismatch),
    ] {
        assert_eq!(refusal(&with_line(line)), Some(why), "{line:?}");
    }
}

#[test]
fn malformed_fields_are_refused() {
    use BadRequest::{
        BareLineFeed, CodingInHttp10, ContentLength, Expect, Host, HostCount, LookAlike, Malformed,
        NominatesFraming, TransferEncoding, TwoFramings, UnknownCoding,
    };
    for (fields, why) in [
        ("X: y", HostCount),
        ("Host: a\r\nHost: a", HostCount),
        ("Host: a\r\nhost: b", HostCount),
        ("Host:", Host),
        ("Host: a b", Host),
        ("Host: a,b", Host),
        ("Host: u@a", Host),
        ("Host: a:", Host),
        ("Host: a:b", Host),
        ("Host: a:80:80", Host),
        ("Host: a:-1", Host),
        ("Host: a/b", Host),
        ("Host: a?b", Host),
        ("Host: [::1", Host),
        ("Host: ::1", Host),
        ("Host: \u{e9}", Host),
        ("Host : a", Malformed),
        (": a", Malformed),
        ("Host", Malformed),
        ("H ost: a", Malformed),
        ("H\u{0}st: a", Malformed),
        ("H(st: a", Malformed),
        ("H\u{e9}st: a", Malformed),
        (" Host: a", Malformed),
        ("\tHost: a", Malformed),
        ("Host: a\r\n X: y", Malformed),
        ("Host: a\r\n\tfolded", Malformed),
        ("Host: a\r\nX: \u{0}", Malformed),
        ("Host: a\r\nX: \u{1}", Malformed),
        ("Host: a\r\nX: \u{7f}", Malformed),
        ("Host: a\r\nX: a\rb", Malformed),
        ("Host: a\nX: y", BareLineFeed),
        ("Host: a\r\nX:\nY: z", BareLineFeed),
        ("Host: a\r\nX: y \nY: z", BareLineFeed),
        ("Host: a\r\nContent-Length: ", ContentLength),
        ("Host: a\r\nContent-Length: +1", ContentLength),
        ("Host: a\r\nContent-Length: -1", ContentLength),
        ("Host: a\r\nContent-Length: 1 1", ContentLength),
        ("Host: a\r\nContent-Length: 1,1", ContentLength),
        ("Host: a\r\nContent-Length: 0x1", ContentLength),
        ("Host: a\r\nContent-Length: 01", ContentLength),
        ("Host: a\r\nContent-Length: 1.0", ContentLength),
        ("Host: a\r\nContent-Length: 18446744073709551616", ContentLength),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 1", ContentLength),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 2", ContentLength),
        ("Host: a\r\nContent_Length: 1", LookAlike),
        ("Host: a\r\nTransfer_Encoding: chunked", LookAlike),
        ("Host: a\r\nTransfer_encoding: x", LookAlike),
        ("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", TwoFramings),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0", TwoFramings),
        ("Host: a\r\nTransfer-Encoding:", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: chunked, gzip", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: gzip, chunked", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: chunked,", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: chunked;q=1", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: xchunked", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip", TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: gzip", UnknownCoding),
        ("Host: a\r\nTransfer-Encoding: identity", UnknownCoding),
        ("Host: a\r\nConnection: host", NominatesFraming),
        ("Host: a\r\nConnection: close, Content-Length", NominatesFraming),
        ("Host: a\r\nConnection: transfer-encoding", NominatesFraming),
        ("Host: a\r\nConnection: a b", NominatesFraming),
        ("Host: a\r\nExpect: 200-ok", Expect),
        ("Host: a\r\nExpect:", Expect),
    ] {
        assert_eq!(refusal(&with_fields(fields)), Some(why), "{fields:?}");
    }
    assert_eq!(refusal(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Some(CodingInHttp10));
    assert_eq!(refusal(b"GET / HTTP/1.1\nHost: a\r\n\r\n"), Some(BareLineFeed));
    assert_eq!(refusal(b"GET / HTTP/1.1\r\nHost: a\r\n\n"), Some(BareLineFeed));
    assert_eq!(refusal(b"GET / HTTP/1.1\r\nHost: a\n\r\n"), Some(BareLineFeed));
    assert_eq!(refusal(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Some(BareLineFeed));
    assert_eq!(refusal(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Some(BareLineFeed));
}

#[test]
fn good_heads_are_read() {
    let mut slots = HeadSlots::new();
    let bytes = b"\r\nPUT http://Shop.Example/a?b HTTP/1.1\r\nhost:shop.example:80 \r\nContent-Length: 5\r\n\
        Expect: 100-Continue\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nX-Empty:\r\nX-Latin: \xe9\r\n\r\nhello";
    let head = RequestHead::parse(bytes, &mut slots, &HeadLimits::default()).unwrap().unwrap();
    assert_eq!((head.method, head.version), ("PUT", Version::Http11));
    assert_eq!((head.target.path(), head.target.query()), ("/a", Some("b")));
    assert_eq!(head.authority.unwrap().text, "Shop.Example");
    assert_eq!(head.framing, RequestFraming::Length(5));
    assert!(head.keep_alive && head.expect_continue && head.upgrade.is_none());
    assert!(head.nominated.has("x-hop") && !head.nominated.has("x-empty"));
    assert_eq!(&bytes[head.len..], b"hello");
    let mut out = Vec::new();
    head.copy_fields(&mut out, |field, _| field.name.starts_with("X-"));
    assert_eq!(out, b"X-Hop: 1\r\nX-Empty:\r\nX-Latin: \xe9\r\n");
    out.clear();
    head.copy_fields(&mut out, |_, _| false);
    assert!(out.is_empty());
}

#[test]
fn whether_a_connection_is_kept_depends_on_version_and_options() {
    for (version, connection, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        let mut slots = HeadSlots::new();
        let head = RequestHead::parse(bytes.as_bytes(), &mut slots, &HeadLimits::default()).unwrap().unwrap();
        assert_eq!(head.keep_alive, kept, "{bytes:?}");
    }
}

#[test]
fn upgrade_needs_connection_and_http_1_1() {
    for (version, connection, upgrade) in
        [("1.1", "upgrade", true), ("1.1", "close", false), ("1.0", "upgrade", false)]
    {
        let bytes = format!(
            "GET / HTTP/{version}\r\nHost: a\r\nConnection: {connection}\r\nUpgrade: websocket\r\n\r\n"
        );
        let mut slots = HeadSlots::new();
        let head = RequestHead::parse(bytes.as_bytes(), &mut slots, &HeadLimits::default()).unwrap().unwrap();
        assert_eq!(head.upgrade.is_some(), upgrade, "{bytes:?}");
    }
}

#[test]
fn heads_are_bounded() {
    let limits = HeadLimits { head_bytes: 200, fields: 3, target_bytes: 50 };
    let refusal = |bytes: &str| {
        let mut slots = HeadSlots::new();
        RequestHead::parse(bytes.as_bytes(), &mut slots, &limits).map(|head| head.is_some())
    };
    let long = "x".repeat(250);
    assert_eq!(refusal("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n"), Ok(true));
    assert_eq!(
        refusal("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\nE: f\r\n\r\n"),
        Err(BadRequest::TooManyFields)
    );
    assert_eq!(refusal(&format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n")), Err(BadRequest::HeadTooLarge));
    assert_eq!(refusal(&format!("GET / HTTP/1.1\r\nX: {long}")), Err(BadRequest::HeadTooLarge));
    assert_eq!(refusal(&format!("GET /{long}")), Err(BadRequest::TargetTooLong));
    assert_eq!(
        refusal(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", &long[..60])),
        Err(BadRequest::TargetTooLong)
    );
    assert_eq!(refusal("GET / HTTP/1.1\r\nHost: a\r\n"), Ok(false));
}
