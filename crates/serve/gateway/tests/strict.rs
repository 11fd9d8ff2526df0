//! Requests that two parsers could read differently, judged by the bytes that the service received.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{config, start};
use haechi_testkit::{Client, Service, parse_messages};

/// Sends bytes and then a good request on the same connection. Whatever happens, the service must have seen only
/// whole requests, and never one for `/smuggled`.
async fn judge(bytes: &[u8]) -> u16 {
    let service = Service::text("ok").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send(bytes).await;
    client.send("GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let status = client.response().await.map_or(0, |response| response.status());
    // Another client, on a connection to the service that may be the same, gets its own answer.
    assert_eq!(Client::connect(address).await.get("/other").await.text(), "ok");
    for received in service.received() {
        let (messages, rest) = parse_messages(&received).await;
        assert!(
            rest.is_empty(),
            "a piece of a request reached the service: {:?}",
            String::from_utf8_lossy(&rest)
        );
        for message in messages {
            assert!(!message.target().contains("smuggled"), "{message:?}");
            assert!(
                message.field("content-length").is_none() || message.field("transfer-encoding").is_none()
            );
            assert!(message.field("host").is_some());
        }
    }
    status
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    for fields in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 0\r\nContent-Length: 37",
        "Content-Length: 0\r\nContent-Length: 0",
        "Content-Length: 0, 37",
        "Content-Length: +37",
        "Content-Length: -1",
        "Content-Length: 0x25",
        "Content-Length: 18446744073709551616",
        "Content-Length: 36893488147419103234",
        "Content-Length : 0",
        "Content-Length\t: 0",
        " Content-Length: 0",
        "X: y\r\n Content-Length: 37",
        "Content-Length:\r\n 37",
        "Content_Length: 37",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;x=y",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding:\n chunked",
        "Connection: content-length\r\nContent-Length: 37",
        "Connection: transfer-encoding\r\nTransfer-Encoding: chunked",
        "X: a\nContent-Length: 37",
        "X: a\rContent-Length: 37",
        "X: a\0b",
        "Host: b",
        "Expect: 200-maybe",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{SMUGGLED}");
        let status = judge(request.as_bytes()).await;
        assert!((400..=599).contains(&status), "{fields:?} was answered {status}");
    }
}

#[tokio::test]
async fn broken_chunks_never_become_requests() {
    for body in [
        "0\n\r\n",
        "0\r\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "+0\r\n\r\n",
        "0x0\r\n\r\n",
        "0 \r\n\r\n",
        " 0\r\n\r\n",
        "10000000000000000\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
        "0\r\nContent-Length: 37\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nHost: b\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nX: a\nY: b\r\n\r\n",
        "1\nx\n0\n\n",
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}");
        let status = judge(request.as_bytes()).await;
        assert_eq!(status, 400, "{body:?}");
    }
}

#[tokio::test]
async fn strange_request_lines_are_refused() {
    for (line, status) in [
        ("GET / HTTP/1.1 ", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("GET / HTTP/1.2", 505),
        ("GET / HTTP/2.0", 505),
        ("GET / http/1.1", 400),
        ("GET /", 400),
        ("G@T / HTTP/1.1", 400),
        ("CONNECT a:443 HTTP/1.1", 501),
        ("GET a HTTP/1.1", 400),
        ("GET http://b/ HTTP/1.1", 400),
        ("GET http://u@a/ HTTP/1.1", 400),
        ("GET https://a/ HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET /#x HTTP/1.1", 400),
        ("GET /../x HTTP/1.1", 400),
        ("GET /%2e%2e/x HTTP/1.1", 400),
        ("GET /a%2fb HTTP/1.1", 400),
        ("GET /a%00 HTTP/1.1", 400),
        ("GET /\u{e9} HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 204),
        ("GET http://a/ HTTP/1.1", 200),
        ("GET http://A:80 HTTP/1.1", 200),
    ] {
        assert_eq!(judge(format!("{line}\r\nHost: a\r\n\r\n").as_bytes()).await, status, "{line:?}");
    }
}

#[tokio::test]
async fn limits_strike_and_are_counted() {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.head_bytes = 1000;
    config.limits.headers = 10;
    config.limits.target_bytes = 200;
    config.limits.body_bytes = 100;
    config.limits.chunk_extra_bytes = 50;
    config.limits.head_timeout = Duration::from_millis(50);
    config.limits.keep_alive = Duration::from_millis(100);
    let (gateway, address) = start(config).await;
    let long = "x".repeat(300);
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}{long}{long}{long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(20)), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n{long}"), 413),
        (format!("{chunked}12c\r\n{long}\r\n0\r\n\r\n"), 413),
        (format!("{chunked}1;{long}\r\nx\r\n0\r\n\r\n"), 400),
        (format!("{chunked}0\r\nX: {long}\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\nHo".to_owned(), 408),
    ] {
        let mut client = Client::connect(address).await;
        client.send(&request).await;
        let response = client.response().await.unwrap();
        assert_eq!((response.status(), response.field("connection")), (status, Some("close")), "{request:?}");
    }
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/").await.status(), 200);
    assert!(idle.rest().await.is_empty());
    let metrics = gateway.metrics();
    for (limit, count) in [
        ("head_bytes", 2),
        ("target_bytes", 1),
        ("body_bytes", 2),
        ("chunk_extra_bytes", 2),
        ("head_timeout", 1),
        ("keep_alive", 1),
    ] {
        let line = format!("haechi_limit_strikes_total{{limit=\"{limit}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn a_full_gateway_accepts_again_when_there_is_a_place() {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.connections = 2;
    let (_gateway, address) = start(config).await;
    let (mut a, mut b) = (Client::connect(address).await, Client::connect(address).await);
    a.get("/").await;
    b.get("/").await;
    let mut waiting = Client::connect(address).await;
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drop(a);
    assert_eq!(waiting.response().await.unwrap().text(), "ok");
    assert_eq!(b.get("/").await.text(), "ok");
}
