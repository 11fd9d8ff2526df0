//! Heads and bodies that are malformed.

use haechi_testkit::{Client, Service};

use crate::common::frames::{Frames, Saw, field, frame};
use crate::common::{config, start};
use crate::{END, OPEN};

type Fields = &'static [(&'static str, &'static str)];

/// Requests that must not reach the service as anything but what they are. `None` says that it must not get any.
const TABLE: &[(&str, Fields, Option<&str>)] = &[
    (
        "a good one",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/ok"), (":authority", "a")],
        Some("/ok"),
    ),
    ("no method", &[(":scheme", "http"), (":path", "/x"), (":authority", "a")], None),
    ("no path", &[(":method", "GET"), (":scheme", "http"), (":authority", "a")], None),
    ("no scheme", &[(":method", "GET"), (":path", "/x"), (":authority", "a")], None),
    ("no authority", &[(":method", "GET"), (":scheme", "http"), (":path", "/x")], None),
    ("an empty path", &[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")], None),
    (
        "a path twice",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":path", "/y"), (":authority", "a")],
        None,
    ),
    (
        "a method twice",
        &[(":method", "GET"), (":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")],
        None,
    ),
    (
        "an authority twice",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), (":authority", "b")],
        None,
    ),
    (
        "a late pseudo field",
        &[(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/x"), (":authority", "a")],
        None,
    ),
    (
        "an unknown pseudo field",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), (":x", "y")],
        None,
    ),
    (
        ":status in a request",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), (":status", "200")],
        None,
    ),
    (
        ":protocol without CONNECT",
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            (":protocol", "websocket"),
        ],
        None,
    ),
    ("CONNECT", &[(":method", "CONNECT"), (":authority", "a:80")], None),
    (
        "an unknown :protocol",
        &[
            (":method", "CONNECT"),
            (":protocol", "connect-udp"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
        ],
        None,
    ),
    (
        "a space in the path",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x HTTP/1.1"), (":authority", "a")],
        None,
    ),
    (
        "a request in the path",
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/ HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled"),
            (":authority", "a"),
        ],
        None,
    ),
    (
        "a path without a slash",
        &[(":method", "GET"), (":scheme", "http"), (":path", "x"), (":authority", "a")],
        None,
    ),
    (
        "an absolute path",
        &[(":method", "GET"), (":scheme", "http"), (":path", "http://a/x"), (":authority", "a")],
        None,
    ),
    (
        "a star with GET",
        &[(":method", "GET"), (":scheme", "http"), (":path", "*"), (":authority", "a")],
        None,
    ),
    (
        "a method with a space",
        &[(":method", "GET /smuggled"), (":scheme", "http"), (":path", "/x"), (":authority", "a")],
        None,
    ),
    (
        "a method with a line end",
        &[(":method", "GET / HTTP/1.1\r\nX: "), (":scheme", "http"), (":path", "/x"), (":authority", "a")],
        None,
    ),
    (
        "an authority with a line end",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a\r\nX: y")],
        None,
    ),
    (
        "an authority with userinfo",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "u@a")],
        None,
    ),
    (
        "an authority with a path",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a/b")],
        None,
    ),
    (
        "host beside another authority",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("host", "b")],
        None,
    ),
    (
        "host twice",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), ("host", "a"), ("host", "a")],
        None,
    ),
    (
        "host alone",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/host"), ("host", "a")],
        Some("/host"),
    ),
    (
        "an upper-case name",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("X-Upper", "y")],
        None,
    ),
    (
        "a colon in a name",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("x: y", "z")],
        None,
    ),
    (
        "a space in a name",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("x y", "z")],
        None,
    ),
    (
        "an empty name",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("", "z")],
        None,
    ),
    (
        "a line end in a name",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("x\r\ny", "z")],
        None,
    ),
    (
        "a line end in a value",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("x", "y\r\nz: 1")],
        None,
    ),
    (
        "a line feed in a value",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("x", "y\nz: 1")],
        None,
    ),
    (
        "NUL in a value",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("x", "y\0z")],
        None,
    ),
    (
        "connection",
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("connection", "close"),
        ],
        None,
    ),
    (
        "keep-alive",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("keep-alive", "1")],
        None,
    ),
    (
        "proxy-connection",
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("proxy-connection", "close"),
        ],
        None,
    ),
    (
        "upgrade",
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("upgrade", "websocket"),
        ],
        None,
    ),
    (
        "te that is not trailers",
        &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ("te", "gzip")],
        None,
    ),
    (
        "transfer-encoding",
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("transfer-encoding", "chunked"),
        ],
        None,
    ),
    (
        "a look-alike",
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("content_length", "3"),
        ],
        None,
    ),
    (
        "a length and no body",
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("content-length", "3"),
        ],
        None,
    ),
    (
        "a length that is none",
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("content-length", "0x"),
        ],
        None,
    ),
    (
        "a signed length",
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("content-length", "+0"),
        ],
        None,
    ),
    (
        "two lengths",
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("content-length", "0"),
            ("content-length", "0"),
        ],
        None,
    ),
    (
        "a list of lengths",
        &[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("content-length", "0, 0"),
        ],
        None,
    ),
    (
        "expect",
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("expect", "200-maybe"),
        ],
        None,
    ),
];

/// What the service got: whole requests, and not a byte besides.
fn targets(service: &Service) -> Vec<String> {
    let requests = service.requests();
    let heads: usize = service.received().iter().map(|bytes| count(bytes, b"HTTP/1.1\r\n")).sum();
    assert_eq!(heads, requests.len(), "a piece of a request: {:?}", service.received());
    requests.iter().map(|request| request.target().to_owned()).collect()
}

fn count(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|window| *window == part).count()
}

#[tokio::test]
async fn what_is_malformed_reaches_no_service() {
    for (name, fields, expected) in TABLE {
        let service = Service::text("ok").await;
        let (_gateway, address) = start(config(&[service.address])).await;
        let mut client = Frames::connect(address).await;
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        client.send(&frame(1, END, 1, &block)).await;
        let saw = client.until(1).await;
        let status = if let Saw::Status(status) = saw { status } else { 0 };
        let seen = targets(&service);
        assert_eq!(seen, expected.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(), "{name}");
        assert_eq!(status == 200, expected.is_some(), "{name}: {saw:?}");
        // Others are served.
        assert_eq!(Client::connect(address).await.get("/next").await.text(), "ok", "{name}");
    }
}

#[tokio::test]
async fn a_body_that_differs_from_its_length_is_never_whole() {
    for (length, body) in [("3", &b"ab"[..]), ("3", b"abcd"), ("0", b"a")] {
        let service = Service::text("ok").await;
        let (_gateway, address) = start(config(&[service.address])).await;
        let mut client = Frames::connect(address).await;
        let head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/x"),
            (":authority", "a"),
            ("content-length", length),
        ];
        let block: Vec<u8> = head.iter().flat_map(|(name, value)| field(name, value)).collect();
        // In one piece: a byte too many that comes late finds a request that was whole, and is with the service.
        client.send(&[frame(1, OPEN, 1, &block), frame(0, 1, 1, body)].concat()).await;
        assert!(!matches!(client.until(1).await, Saw::Status(200)), "{length} {body:?}");
        assert!(service.requests().is_empty(), "{:?}", service.requests());
    }
}
