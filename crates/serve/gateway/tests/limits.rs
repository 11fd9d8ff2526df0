//! Bounds on what a client may send, and on how many.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{config, start};
use haechi_testkit::{Client, Service};

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
