//! Peers that stall, smuggle or switch too early, and requests that a change of configuration overtakes.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{config, name, start};
use haechi_core::{Clock as _, Generation, ManualClock};
use haechi_gateway::{Gateway, Options};
use haechi_route::config::{Balance, GatewayConfig};
use haechi_testkit::{Client, Connection, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

#[tokio::test]
async fn an_upload_that_stalls_after_it_began_is_408() {
    let service = Service::start(|mut connection: Connection| async move {
        let head = connection.head().await.unwrap();
        connection.count(head);
        connection.closed().await;
    })
    .await;
    let mut config = config(&[service.address]);
    config.routes[0].timeouts.idle = Duration::from_millis(50);
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n").await;
    // The head is with the service, so what follows is streamed.
    service.wait_for(1).await;
    client.send("x").await;
    assert_eq!(client.response().await.unwrap().status(), 408);
}

#[tokio::test]
async fn no_tunnel_opens_for_protocols_that_carry_requests() {
    let service = Service::text("plain").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for protocol in ["h2c", "H2C", "HTTP/2.0", "websocket, h2c", "TLS/1.2"] {
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"))
            .await;
        assert_eq!(client.response().await.unwrap().text(), "plain");
    }
    for request in service.requests() {
        assert_eq!((request.field("upgrade"), request.field("connection")), (None, None));
    }
}

#[tokio::test]
async fn a_length_is_written_anew_both_ways() {
    let service = Service::start(|mut connection: Connection| async move {
        connection.request().await.unwrap();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length:\t \t2 \t\r\n\r\nok").await;
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\ncontent-length:\t \t5 \t\r\n\r\nhello").await;
    assert_eq!(client.response().await.unwrap().text(), "ok");
    assert!(String::from_utf8_lossy(client.seen()).contains("\r\nContent-Length: 2\r\n"));
    let received = String::from_utf8_lossy(&service.received()[0]).into_owned();
    assert!(received.contains("\r\nContent-Length: 5\r\n"), "{received}");
    assert!(!received.contains('\t'), "{received}");
}

#[tokio::test]
async fn a_switch_before_the_request_is_whole_is_502() {
    let service = Service::start(|mut connection: Connection| async move {
        connection.head().await.unwrap();
        connection.send("HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").await;
        connection.closed().await;
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 9\r\n\r\n";
    client.send(head).await;
    let response = client.response().await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(response.field("proxy-status"), Some("haechi; error=http_upgrade_failed"));
    assert_eq!(response.field("connection"), Some("close"));
}

#[tokio::test]
async fn a_request_under_way_still_finds_another_endpoint_when_its_service_was_changed() {
    let (changed, begun) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let script = || {
        let (changed, begun) = (changed.clone(), begun.clone());
        move |mut connection: Connection| {
            let (changed, begun) = (changed.clone(), begun.clone());
            async move {
                connection.request().await.unwrap();
                if begun.fetch_add(1, Ordering::Relaxed) == 0 {
                    // The first to get it dies after the change.
                    changed.notified().await;
                    return connection.reset();
                }
                connection.reply("second").await;
            }
        }
    };
    let (a, b) = (Service::start(script()).await, Service::start(script()).await);
    let mut config = config(&[a.address, b.address]);
    let (gateway, address) = start(config.clone()).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::select! { () = a.wait_for(1) => {}, () = b.wait_for(1) => {} }
    config.services.get_mut(&name("app")).unwrap().balance = Balance::P2c;
    gateway.apply(config, Generation(2)).await.unwrap();
    changed.notify_one();
    assert_eq!(client.response().await.unwrap().text(), "second");
    assert_eq!((a.requests().len(), b.requests().len()), (1, 1));
}

const LARGE: usize = 16 << 20;

/// What the slow reader takes every ten seconds: the kernel, left alone, would hide that for longer than the idle
/// bound.
const PART: usize = 64 << 10;

/// Waits until the gateway's worker looked at its connections: it answers commands in turn with them.
async fn settle(gateway: &Gateway) {
    for _ in 0..3 {
        gateway.status().await;
    }
}

/// A service that answers with more than any kernel buffers.
async fn large() -> Service {
    Service::start(|mut connection: Connection| async move {
        connection.request().await.unwrap();
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")).await;
        connection.send(vec![b'x'; LARGE]).await;
        connection.closed().await;
    })
    .await
}

/// Connects with a small receive buffer and asks for the answer.
async fn small_window(address: std::net::SocketAddr) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream
}

/// The gateway's clock moves only when told, so the reader is as slow as the test says.
async fn with_manual_clock(config: GatewayConfig) -> (Gateway, std::net::SocketAddr, Arc<ManualClock>) {
    let clock = ManualClock::at(0);
    let options =
        Options { config, generation: Generation(1), workers: 1, clock: clock.clone(), subscriber: None };
    let gateway = Gateway::start(options).await.unwrap();
    let address = gateway.local_addrs()["web"];
    (gateway, address, clock)
}

#[tokio::test]
async fn a_slow_but_steady_reader_gets_all_of_a_large_answer() {
    let service = large().await;
    let (gateway, address, clock) = with_manual_clock(config(&[service.address])).await;
    let mut stream = small_window(address).await;
    let mut left = LARGE;
    let mut buffer = vec![0; PART];
    while left > 0 {
        let mut part = PART.min(left);
        while part > 0 {
            let count = stream.read(&mut buffer[..part]).await.unwrap();
            assert!(count > 0, "cut with {left} bytes left: {}", gateway.metrics());
            (part, left) = (part - count, left - count);
        }
        settle(&gateway).await;
        clock.advance(Duration::from_secs(10));
    }
    assert!(clock.now().since(haechi_core::Instant::ZERO) > Duration::from_mins(30));
}

#[tokio::test]
async fn a_reader_that_trickles_is_cut_and_counted() {
    let service = large().await;
    let (gateway, address, clock) = with_manual_clock(config(&[service.address])).await;
    let mut stream = small_window(address).await;
    let mut byte = [0; 1];
    let strike = "haechi_limit_strikes_total{limit=\"min_rate\"} 1\n";
    while !gateway.metrics().contains(strike) {
        stream.read_exact(&mut byte).await.unwrap();
        clock.advance(Duration::from_secs(1));
        settle(&gateway).await;
    }
}

#[tokio::test]
async fn an_upload_that_trickles_is_408() {
    let service = Service::frozen().await;
    let (gateway, address, clock) = with_manual_clock(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
    let strike = "haechi_limit_strikes_total{limit=\"min_rate\"} 1\n";
    let mut sent = 0;
    while !gateway.metrics().contains(strike) {
        client.send("x").await;
        sent += 1;
        clock.advance(Duration::from_secs(1));
        settle(&gateway).await;
    }
    assert!(sent > 50, "a byte a second is enough for a while");
    assert_eq!(client.response().await.unwrap().status(), 408);
}
