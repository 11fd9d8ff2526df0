//! What a client of HTTP/2 can say wrongly or too often, written frame by frame, and judged by what the service
//! received and by how others are served meanwhile.
#![allow(clippy::unwrap_used)]

mod common;

use common::frames::{Frames, Saw, field, frame};
use common::{config, start};
use haechi_route::config::Protocol;
use haechi_testkit::{Client, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const END: u8 = 0x1 | 0x4;
const OPEN: u8 = 0x4;

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

#[tokio::test]
async fn every_stream_that_was_opened_is_served_whatever_came_between_and_with_it() {
    let service = Service::text("ok").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Frames::connect(address).await;
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    let post: Vec<u8> = post.iter().flat_map(|(name, value)| field(name, value)).collect();
    let (mut piece, mut good) = (Vec::new(), Vec::new());
    for first in (1..100).step_by(10) {
        piece.extend(request(first, END));
        // HEADERS that begin no stream: trailers, and a head that is refused by the frame layer.
        piece.extend(frame(1, OPEN, first + 2, &post));
        piece.extend(frame(0, 0, first + 2, b"body"));
        piece.extend(frame(1, END, first + 2, &field("x-end", "yes")));
        piece.extend(frame(1, END, first + 4, &field(":method", "GET")));
        // A head in two frames, and a stream that is given up at once.
        let (front, rest) = post.split_at(9);
        piece.extend(frame(1, 1, first + 6, front));
        piece.extend(frame(9, OPEN, first + 6, rest));
        piece.extend(request(first + 8, END));
        piece.extend(frame(3, 0, first + 8, &[0, 0, 0, 8]));
        good.extend([first, first + 2, first + 6]);
    }
    client.send(&piece).await;
    assert_eq!(client.unanswered(good).await, Vec::<u32>::new());
    // The same, cut where it hurts.
    let request = [request(101, END), request(103, END)].concat();
    for cut in [3, request.len() / 2, request.len() / 2 + 9] {
        let mut client = Frames::connect(address).await;
        client.send(&request[..cut]).await;
        assert_eq!(Client::connect(address).await.get("/").await.text(), "ok");
        client.send(&request[cut..]).await;
        assert!(client.unanswered(vec![101, 103]).await.is_empty(), "{cut}");
    }
}

/// Sends `flood` until the gateway sends the client away, and checks that others are served.
async fn flood(prelude: &[u8], flood: impl Fn(u32) -> Vec<u8>, limits: &[&str]) {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.http2_control_frames = 500;
    config.limits.http2_resets = 100;
    let (gateway, address) = start(config).await;
    let mut client = Frames::connect(address).await;
    client.send(prelude).await;
    let mut sent = 0;
    while sent < 200_000 && client.try_send(&flood(sent)).await {
        sent += 1;
    }
    assert!(sent < 200_000, "{limits:?} did not strike");
    assert_eq!(Client::connect(address).await.get("/").await.text(), "ok");
    let metrics = gateway.metrics();
    let counted =
        |limit: &&str| metrics.contains(&format!("haechi_limit_strikes_total{{limit=\"{limit}\"}} 1"));
    assert!(limits.iter().any(counted), "{limits:?}: {metrics}");
}

fn request(stream: u32, flags: u8) -> Vec<u8> {
    let head = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    let block: Vec<u8> = head.iter().flat_map(|(name, value)| field(name, value)).collect();
    frame(1, flags, stream, &block)
}

#[tokio::test]
async fn floods_of_frames_that_only_make_work_are_sent_away() {
    flood(&[], |_| frame(6, 0, 0, b"12345678"), &["http2_control_frames"]).await;
    flood(&[], |_| frame(4, 0, 0, b""), &["http2_control_frames"]).await;
    flood(&[], |_| frame(2, 0, 3, &[0, 0, 0, 0, 1]), &["http2_control_frames"]).await;
    flood(&[], |_| frame(0xee, 0, 0, b"x"), &["http2_control_frames"]).await;
    flood(&[], |_| frame(8, 0, 0, &[0, 0, 0, 1]), &["http2_control_frames"]).await;
}

#[tokio::test]
async fn floods_of_resets_are_sent_away() {
    let reset = |number: u32| {
        let stream = 2 * number + 1;
        [request(stream, END), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    };
    flood(&[], reset, &["http2_resets"]).await;
}

#[tokio::test]
async fn a_head_without_end_and_empty_frames_are_sent_away() {
    // Whichever notices first: the frame layer, by memory, or the stock of frames that carry nothing.
    let either = &["http2_frames", "http2_control_frames"];
    let open = request(1, 0);
    flood(&open, |_| frame(9, 0, 1, &field("x", "y").repeat(20)), either).await;
    flood(&request(1, OPEN), |_| frame(0, 0, 1, b""), either).await;
}

/// Nobody may push to us (RFC 9113 §6.6, §8.4), whatever became of the stream.
#[tokio::test]
async fn a_client_that_pushes_is_sent_away() {
    const PROTOCOL_ERROR: u32 = 1;
    let service = Service::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").await;
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let promise = |stream| frame(5, OPEN, stream, &[&[0, 0, 0, 2][..], &field(":method", "GET")].concat());
    let mut client = Frames::connect(address).await;
    client.send(&request(1, OPEN)).await;
    client.send(&promise(1)).await;
    assert_eq!(client.goaway().await, Some(PROTOCOL_ERROR));
    let mut client = Frames::connect(address).await;
    client.send(&request(1, END)).await;
    // The gateway resets the stream, since no service ends the body.
    client.until_reset(1).await;
    client.send(&promise(1)).await;
    assert_eq!(client.goaway().await, Some(PROTOCOL_ERROR));
}

#[tokio::test]
async fn a_service_that_pushes_is_given_up() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut config = config(&[listener.local_addr().unwrap()]);
    config.services.values_mut().for_each(|service| service.protocol = Protocol::Http2);
    let pushes = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let promise = frame(5, OPEN, 1, &[&[0, 0, 0, 2][..], &field(":method", "GET")].concat());
            let answer = frame(1, END, 1, &[0x88]);
            // Once the request is there.
            let mut room = [0; 1024];
            let mut came = Vec::new();
            while !came.windows(5).any(|bytes| bytes == [1, END, 0, 0, 0]) {
                let count = stream.read(&mut room).await.unwrap();
                came.extend_from_slice(&room[..count]);
            }
            stream.write_all(&[frame(4, 0, 0, &[]), promise, answer].concat()).await.unwrap();
            // The gateway hangs up.
            while matches!(stream.read(&mut room).await, Ok(1..)) {}
        }
    });
    let (_gateway, address) = start(config).await;
    assert_eq!(Client::connect(address).await.get("/").await.status(), 502);
    pushes.abort();
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_no_more_than_a_window() {
    let service = Service::start(|mut connection| async move {
        while connection.request().await.is_some() {
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20)).await;
            let mut sent: u64 = 0;
            let piece = vec![b'x'; 64 << 10];
            // Until the gateway takes no more for a while that is long enough for it to have taken all.
            while let Ok(Ok(count)) =
                tokio::time::timeout(std::time::Duration::from_millis(500), connection.stream.write(&piece))
                    .await
            {
                sent += count as u64;
            }
            SENT.store(sent, std::sync::atomic::Ordering::Relaxed);
            STUCK.notify_one();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Frames::connect(address).await;
    client.send(&request(1, END)).await;
    // Nothing is read, and the window is never widened.
    STUCK.notified().await;
    let sent = SENT.load(std::sync::atomic::Ordering::Relaxed);
    // Most of it is in the kernel's buffers between the gateway and the service.
    assert!(sent < 24 << 20, "{sent} bytes left the service");
}

static SENT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
static STUCK: tokio::sync::Notify = tokio::sync::Notify::const_new();
