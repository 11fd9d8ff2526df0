//! Response heads: what is taken, and what is refused and why.
#![allow(clippy::unwrap_used)]

use haechi_http::{BadResponse, HeadLimits, HeadSlots, ResponseFraming, ResponseHead, Version};

fn parse(head: &[u8], to_head: bool) -> Result<Option<(u16, ResponseFraming, bool)>, BadResponse> {
    let mut slots = HeadSlots::new();
    let head = ResponseHead::parse(head, &mut slots, &HeadLimits::default(), to_head)?;
    Ok(head.map(|head| (head.status, head.framing, head.keep_alive)))
}

#[test]
fn malformed_answers_are_refused() {
    use BadResponse::{
        BareLineFeed, ContentLength, LookAlike, Malformed, NominatesFraming, Status, TransferEncoding,
        TwoFramings, Version,
    };
    for (head, why) in [
        ("nonsense\r\n\r\n", Version),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", Malformed),
        ("\nHTTP/1.1 200 OK\r\n\r\n", Malformed),
        (" HTTP/1.1 200 OK\r\n\r\n", Version),
        ("HTTP/1.1  200 OK\r\n\r\n", Malformed),
        ("HTTP/1.1 20 OK\r\n\r\n", Malformed),
        ("HTTP/1.1 2000 OK\r\n\r\n", Malformed),
        ("HTTP/1.1 +20 OK\r\n\r\n", Malformed),
        ("HTTP/1.1 OK\r\n\r\n", Malformed),
        ("HTTP/1.1\t200 OK\r\n\r\n", Version),
        ("HTTP/1.1 200 O\u{0}K\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\n X: y\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\nX: \u{0}\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Malformed),
        ("HTTP/1.1 200 OK\r\n: y\r\n\r\n", Malformed),
        ("HTTP/2.0 200 OK\r\n\r\n", Version),
        ("HTTP/1.2 200 OK\r\n\r\n", Version),
        ("http/1.1 200 OK\r\n\r\n", Version),
        ("ICY 200 OK\r\n\r\n", Version),
        ("HTTP/1.1 099 Low\r\n\r\n", Status),
        ("HTTP/1.1 600 High\r\n\r\n", Status),
        ("HTTP/1.1 999 High\r\n\r\n", Status),
        ("HTTP/1.1 200 OK\n\n", BareLineFeed),
        ("HTTP/1.1 200 OK\nX: y\r\n\r\n", BareLineFeed),
        ("HTTP/1.1 200 OK\r\nX: y\n\r\n", BareLineFeed),
        ("HTTP/1.1 200 OK\r\nX: y\r\n\n", BareLineFeed),
        ("HTTP/1.1 200\n\r\n", BareLineFeed),
        ("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", TwoFramings),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", TransferEncoding),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", TransferEncoding),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncoding,
        ),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding),
        ("HTTP/1.1 200 OK\r\nTransfer_Encoding: chunked\r\n\r\n", LookAlike),
        ("HTTP/1.1 200 OK\r\nContent_Length: 1\r\n\r\n", LookAlike),
        ("HTTP/1.1 200 OK\r\nConnection: content-length\r\n\r\n", NominatesFraming),
    ] {
        assert_eq!(parse(head.as_bytes(), false), Err(why), "{head:?}");
    }
}

#[test]
fn framing_follows_status_method_and_fields() {
    use ResponseFraming::{Chunked, Length, None, UntilClose};
    for (head, to_head, framing, kept) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, Length(5), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, None, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", false, Chunked, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, None, true),
        ("HTTP/1.1 200 OK\r\n\r\n", false, UntilClose, false),
        ("HTTP/1.1 200 OK\r\n\r\n", true, None, true),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, None, true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, None, true),
        ("HTTP/1.1 100 Continue\r\n\r\n", false, None, true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, Length(0), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, Length(0), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", false, Length(0), true),
        ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, Length(0), true),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, Length(0), true),
    ] {
        let (_, found, keep_alive) = parse(head.as_bytes(), to_head).unwrap().unwrap();
        assert_eq!((found, keep_alive), (framing, kept), "{head:?} to_head={to_head}");
    }
}

#[test]
fn an_answers_fields_are_copied_in_ranges() {
    let bytes = b"HTTP/1.1 200 Fine\r\nServer: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\nDate: now\r\n\r\nrest";
    let mut slots = HeadSlots::new();
    let head = ResponseHead::parse(bytes, &mut slots, &HeadLimits::default(), false).unwrap().unwrap();
    assert_eq!((head.reason, head.version), ("Fine", Version::Http11));
    assert_eq!(&bytes[head.len..], b"rest");
    let mut out = Vec::new();
    head.copy_fields(&mut out, |field, known| !known.is_hop_by_hop() && !head.nominated.has(field.name));
    assert_eq!(out, b"Server: x\r\nDate: now\r\n");
}

#[test]
fn an_endless_head_is_refused() {
    let limits = HeadLimits { head_bytes: 100, ..HeadLimits::default() };
    let mut slots = HeadSlots::new();
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(100));
    let parsed = ResponseHead::parse(head.as_bytes(), &mut slots, &limits, false);
    assert_eq!(parsed.unwrap_err(), BadResponse::HeadTooLarge);
}
