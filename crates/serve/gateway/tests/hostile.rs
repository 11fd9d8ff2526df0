//! Peers that stall, smuggle or switch too early, and requests that a change of configuration overtakes.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{config, name, start};
use haechi_core::Generation;
use haechi_route::config::Balance;
use haechi_testkit::{Client, Connection, Service};
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
