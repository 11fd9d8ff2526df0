//! Peers that stall, smuggle or switch too early.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{config, start};
use haechi_testkit::{Client, Connection, Service};

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
        let request = connection.request().await.unwrap();
        connection.count(request);
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
