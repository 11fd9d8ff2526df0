//! Clients of HTTP/2 that ask for much on many streams and take none of it: what is held for them is bounded, others are
//! served, and once they take it all of it is there.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use common::frames::{Frames, field, frame};
use common::{config, route, start};
use haechi_gateway::Gateway;
use haechi_route::config::{Action, Files, GatewayConfig, Symlinks};
use haechi_testkit::{Client, Service};

/// Streams of the client.
const STREAMS: u32 = 100;

/// Bytes of each answer.
const LENGTH: usize = 200_000;

/// What the connection may hold of them.
const LIMIT: u32 = 256 << 10;

/// What a stream may have beyond that, with its frames: what was handed over, and what waits behind it.
const LITTLE: usize = 10 << 10;

/// What one read, or one stream's part of the frame layer, may go beyond the limit.
const OVERSHOOT: usize = 128 << 10;

/// An initial window (RFC 9113 §6.5.2).
fn window(bytes: u32) -> Vec<u8> {
    frame(4, 0, 0, &[&[0, 4][..], &bytes.to_be_bytes()].concat())
}

/// As wide a window of the connection as may be.
fn widen() -> Vec<u8> {
    frame(8, 0, 0, &((1_u32 << 31) - 1 - 65_535).to_be_bytes())
}

fn request(stream: u32) -> Vec<u8> {
    let path = format!("/{stream}");
    let head = [(":method", "GET"), (":scheme", "http"), (":path", path.as_str()), (":authority", "a")];
    let block: Vec<u8> = head.iter().flat_map(|(name, value)| field(name, value)).collect();
    frame(1, 5, stream, &block)
}

/// A body that differs from stream to stream and from place to place.
fn body(stream: u32, length: usize) -> Vec<u8> {
    let word =
        |i: u64| ((i + u64::from(stream) * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32;
    (0..length as u64 / 4).flat_map(|i| word(i).to_le_bytes()).collect()
}

fn streams() -> Vec<u32> {
    (0..STREAMS).map(|number| 2 * number + 1).collect()
}

async fn service(length: usize, chunked: bool) -> Service {
    Service::start(move |mut connection| async move {
        while let Some(request) = connection.request().await {
            let body = body(request.target()[1..].parse().unwrap_or(0), length);
            let mut answer = Vec::new();
            if chunked {
                answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(10_000) {
                    answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    answer.extend_from_slice(chunk);
                    answer.extend_from_slice(b"\r\n");
                }
                answer.extend_from_slice(b"0\r\n\r\n");
            } else {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                answer.extend_from_slice(head.as_bytes());
                answer.extend_from_slice(&body);
            }
            connection.send(answer).await;
        }
    })
    .await
}

fn bounded(mut config: GatewayConfig) -> GatewayConfig {
    // A quarter of it is the bound on answers.
    config.limits.http2_connection_window = 4 * LIMIT;
    config
}

fn metric(gateway: &Gateway, name: &str) -> usize {
    let metrics = gateway.metrics();
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}

fn held(gateway: &Gateway) -> usize {
    metric(gateway, "haechi_unsent_bytes ")
}

fn strikes(gateway: &Gateway) -> usize {
    metric(gateway, "haechi_limit_strikes_total{limit=\"http2_connection_window\"} ")
}

fn assert_bounded(gateway: &Gateway) {
    let (held, most) = (held(gateway), LIMIT as usize + OVERSHOOT + STREAMS as usize * LITTLE);
    assert!(held <= most, "{held} bytes are held, and {most} may be");
}

/// A client whose windows are closed until it has all heads: what is held of the bodies by then.
async fn windows_that_open_late(gateway: &Gateway, address: SocketAddr) -> BTreeMap<u32, Vec<u8>> {
    let mut client = Frames::connect(address).await;
    client.send(&[window(0), streams().into_iter().flat_map(request).collect()].concat()).await;
    assert!(client.unanswered(streams()).await.is_empty());
    while strikes(gateway) == 0 {
        assert_bounded(gateway);
        tokio::task::yield_now().await;
    }
    // Another client is served, and after that each stream had its turn.
    assert_eq!(Client::connect(address).await.get("/7").await.body, body(7, LENGTH));
    assert_bounded(gateway);
    client.send(&[widen(), window(1 << 20)].concat()).await;
    let bodies = client.bodies(&streams()).await;
    while held(gateway) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(strikes(gateway), 1);
    bodies
}

#[tokio::test]
async fn streams_that_take_nothing_of_a_service_hold_little() {
    for chunked in [false, true] {
        let service = service(LENGTH, chunked).await;
        let (gateway, address) = start(bounded(config(&[service.address]))).await;
        for (stream, got) in windows_that_open_late(&gateway, address).await {
            assert!(got == body(stream, LENGTH), "stream {stream}, {chunked}: {} bytes", got.len());
        }
    }
}

#[tokio::test]
async fn streams_that_take_nothing_of_files_hold_little() {
    let root = tempfile::tempdir().unwrap();
    for stream in streams() {
        std::fs::write(root.path().join(stream.to_string()), body(stream, LENGTH)).unwrap();
    }
    let mut config = bounded(config(&[]));
    let mut files = route("files", None, &[]);
    files.action = Action::Files(Files {
        root: root.path().to_owned(),
        index: Vec::new(),
        fallback: None,
        listing: false,
        precompressed: false,
        cache_control: None,
        hidden: false,
        symlinks: Symlinks::Within,
        types: Vec::new(),
    });
    config.routes = vec![files];
    let (gateway, address) = start(config).await;
    for (stream, got) in windows_that_open_late(&gateway, address).await {
        assert!(got == body(stream, LENGTH), "stream {stream}: {} bytes", got.len());
    }
}

/// A client with wide windows that asks for all at once, and reads nothing.
async fn asks_for_all(address: std::net::SocketAddr) -> Frames {
    let mut client = Frames::connect(address).await;
    client.send(&all()).await;
    client
}

fn all() -> Vec<u8> {
    [widen(), window(1 << 20), streams().into_iter().flat_map(request).collect()].concat()
}

/// Its windows are wide, so all of it may be handed to the frame layer, which has nowhere to put it.
#[tokio::test]
async fn a_client_that_does_not_read_its_socket_holds_little() {
    let service = service(LENGTH, false).await;
    let (gateway, address) = start(bounded(config(&[service.address]))).await;
    let mut client = asks_for_all(address).await;
    while strikes(&gateway) == 0 {
        assert_bounded(&gateway);
        tokio::task::yield_now().await;
    }
    assert_eq!(Client::connect(address).await.get("/7").await.body, body(7, LENGTH));
    assert_bounded(&gateway);
    for (stream, got) in client.bodies(&streams()).await {
        assert!(got == body(stream, LENGTH), "stream {stream}: {} bytes", got.len());
    }
    while held(&gateway) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(strikes(&gateway), 1);
}

/// Windows that shrink while the frame layer has bytes for them (RFC 9113 §6.9.2), a stream that is given up, and a
/// client that leaves: nothing of it stays.
#[tokio::test]
async fn what_is_never_taken_is_let_go_of() {
    let service = service(LENGTH, false).await;
    let (gateway, address) = start(bounded(config(&[service.address]))).await;
    let mut client = asks_for_all(address).await;
    while strikes(&gateway) == 0 {
        tokio::task::yield_now().await;
    }
    client.send(&[window(0), frame(3, 0, 1, &[0, 0, 0, 8])].concat()).await;
    assert_eq!(Client::connect(address).await.get("/7").await.body, body(7, LENGTH));
    assert_bounded(&gateway);
    client.send(&window(1 << 20)).await;
    let rest = &streams()[1..];
    for (stream, got) in client.bodies(rest).await {
        assert!(got == body(stream, LENGTH), "stream {stream}: {} bytes", got.len());
    }
    let mut leaves = Frames::connect(address).await;
    leaves.send(&all()).await;
    while strikes(&gateway) == 1 {
        tokio::task::yield_now().await;
    }
    drop((client, leaves));
    while held(&gateway) > 0 {
        tokio::task::yield_now().await;
    }
}

/// An answer whose body is exactly what the window takes ends without another byte of window.
#[tokio::test]
async fn an_answer_ends_where_the_window_ends() {
    let service = service(64 << 10, true).await;
    let (_gateway, address) = start(bounded(config(&[service.address]))).await;
    let mut client = Frames::connect(address).await;
    let requests: Vec<u8> = streams().into_iter().flat_map(request).collect();
    client.send(&[widen(), window(64 << 10), requests].concat()).await;
    for (stream, got) in client.bodies(&streams()).await {
        assert!(got == body(stream, 64 << 10), "stream {stream}: {} bytes", got.len());
    }
}
