//! Heads and bodies that are malformed or too large.

use haechi_testkit::h3::{frame, section};

use crate::common::h3::{Saw, say, see};
use crate::{DATA, Fields, GET, HEADERS, MESSAGE_ERROR, POST, Setting, head};

/// Heads that must not reach the service: fields instead of those of `GET`, or beside them.
const TABLE: &[(&str, Fields, Fields)] = &[
    ("no method", &[(":scheme", "https"), (":path", "/x"), (":authority", "a")], &[]),
    ("no path", &[(":method", "GET"), (":scheme", "https"), (":authority", "a")], &[]),
    ("no scheme", &[(":method", "GET"), (":path", "/x"), (":authority", "a")], &[]),
    ("no authority", &[(":method", "GET"), (":scheme", "https"), (":path", "/x")], &[]),
    ("nothing at all", &[], &[]),
    (
        "no real scheme",
        &[(":method", "GET"), (":scheme", "h ttp"), (":path", "/x"), (":authority", "a")],
        &[],
    ),
    ("an empty path", &[(":method", "GET"), (":scheme", "https"), (":path", ""), (":authority", "a")], &[]),
    (
        "an empty authority",
        &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "")],
        &[],
    ),
    (
        "an absolute path",
        &[(":method", "GET"), (":scheme", "https"), (":path", "https://b/"), (":authority", "a")],
        &[],
    ),
    ("a fragment", &[(":method", "GET"), (":scheme", "https"), (":path", "/x#y"), (":authority", "a")], &[]),
    (
        "a space in the path",
        &[(":method", "GET"), (":scheme", "https"), (":path", "/x y"), (":authority", "a")],
        &[],
    ),
    (
        "a line end in the path",
        &[(":method", "GET"), (":scheme", "https"), (":path", "/x\r\nb: c"), (":authority", "a")],
        &[],
    ),
    (
        "a star that is no OPTIONS",
        &[(":method", "GET"), (":scheme", "https"), (":path", "*"), (":authority", "a")],
        &[],
    ),
    ("user info", &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "b@a")], &[]),
    (
        "a method that is none",
        &[(":method", "G T"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    ("CONNECT", &[(":method", "CONNECT"), (":authority", "a:1")], &[]),
    ("a path twice", GET, &[(":path", "/y")]),
    (
        "a method twice",
        &[(":method", "GET"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        "an authority twice",
        &[(":authority", "b"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        "a late pseudo field",
        &[(":method", "GET"), (":scheme", "https"), ("x", "y"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        "an unknown pseudo field",
        &[(":x", "y"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        ":status in a request",
        &[(":status", "200"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        ":protocol that was not offered",
        &[
            (":protocol", "websocket"),
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", "a"),
        ],
        &[],
    ),
    ("another host", GET, &[("host", "b")]),
    ("two hosts", GET, &[("host", "a"), ("host", "a")]),
    ("a name in upper case", GET, &[("Name", "x")]),
    ("a name with a space", GET, &[("na me", "x")]),
    ("a name with a colon", GET, &[("na:me", "x")]),
    ("an empty name", GET, &[("", "x")]),
    ("a value with a line end", GET, &[("x", "y\r\nz: z")]),
    ("a value with a line feed", GET, &[("x", "y\nz")]),
    ("a value with nothing", GET, &[("x", "y\0z")]),
    ("a value behind a space", GET, &[("x", " y")]),
    ("a value before a tab", GET, &[("x", "y\t")]),
    ("connection", GET, &[("connection", "x")]),
    ("keep-alive", GET, &[("keep-alive", "1")]),
    ("proxy-connection", GET, &[("proxy-connection", "close")]),
    ("upgrade", GET, &[("upgrade", "websocket")]),
    ("transfer-encoding", POST, &[("transfer-encoding", "chunked")]),
    ("a look-alike", POST, &[("content_length", "3")]),
    ("a length that is none", POST, &[("content-length", "0x")]),
    ("a signed length", POST, &[("content-length", "+0")]),
    ("two lengths", POST, &[("content-length", "0"), ("content-length", "0")]),
    ("another expectation", POST, &[("expect", "nothing")]),
];

#[tokio::test]
async fn malformed_heads_are_refused() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    for (what, fields, more) in TABLE {
        let saw = say(&connection, &head(&[*fields, *more].concat())).await;
        assert!(matches!(saw, Saw::Status(400 | 417 | 501)), "{what}: {saw:?}");
    }
    assert_eq!(setting.service.requests().len(), 0);
    // None of them harmed the connection.
    assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
}

#[tokio::test]
async fn bodies_are_as_long_as_they_say() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    let sized = |length: &'static str| head(&[POST, &[("content-length", length)]].concat());
    for (what, bytes) in [
        ("shorter", [sized("3"), frame(DATA, b"ab")].concat()),
        ("longer", [sized("3"), frame(DATA, b"abcGET / HTTP/1.1\r\n\r\n")].concat()),
        ("longer by a frame", [sized("3"), frame(DATA, b"abc"), frame(DATA, b"d")].concat()),
        ("none", sized("3")),
        ("one where there is none", [sized("0"), frame(DATA, b"a")].concat()),
    ] {
        let saw = say(&connection, &bytes).await;
        // Some was answered before the end of its body was seen.
        assert!(matches!(saw, Saw::Reset(MESSAGE_ERROR) | Saw::Status(200)), "{what}: {saw:?}");
    }
    for seen in setting.service.requests() {
        assert!(matches!(seen.text().as_str(), "" | "abc"), "{seen:?}");
    }
    let good = [sized("3"), frame(DATA, b"ab"), frame(DATA, b""), frame(DATA, b"c")].concat();
    assert_eq!(say(&connection, &good).await, Saw::Status(200));
    assert_eq!(setting.service.requests().last().unwrap().text(), "abc");
}

#[tokio::test]
async fn heads_and_fields_are_bounded() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    let long = "x".repeat(40_000);
    assert_eq!(say(&connection, &head(&[GET, &[("x", &long)]].concat())).await, Saw::Status(431));
    // A few bytes that stand for many: 5,000 times a field of the static table.
    let bomb = [section(GET), vec![0xc0 | 0x29; 5_000]].concat();
    assert_eq!(say(&connection, &frame(HEADERS, &bomb)).await, Saw::Status(431));
    assert_eq!(say(&connection, &head(&[GET, &[("x", "y"); 101]].concat())).await, Saw::Status(431));
    let target = format!("/{}", "x".repeat(20_000));
    let fields = [(":method", "GET"), (":scheme", "https"), (":path", &target), (":authority", "a")];
    assert_eq!(say(&connection, &head(&fields)).await, Saw::Status(414));
    // One that never comes whole.
    let (mut send, receive) = connection.open_bi().await.unwrap();
    send.write_all(&[1, 0xbf, 0xff, 0xff, 0xff]).await.unwrap();
    assert_eq!(see(receive).await, Saw::Status(431));
    assert_eq!(setting.service.requests().len(), 0);
    let metrics = setting.gateway.metrics();
    assert!(metrics.contains("haechi_limit_strikes_total{limit=\"head_bytes\"} 2"), "{metrics}");
}
