//! Bounds on what a client may send, and on how many.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{config, start};
use haechi_core::{Generation, SystemClock};
use haechi_gateway::{Gateway, Options};
use haechi_testkit::{Client, Service};
use tokio::sync::Notify;

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
        ("head_bytes", 1),
        ("headers", 1),
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
async fn when_places_run_out_the_idlest_connection_gives_way() {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.connections = 2;
    let (gateway, address) = start(config).await;
    let (mut idlest, mut idle) = (Client::connect(address).await, Client::connect(address).await);
    idlest.get("/").await;
    idle.get("/").await;
    let mut new = Client::connect(address).await;
    assert_eq!(new.get("/").await.text(), "ok");
    assert!(idlest.rest().await.is_empty());
    assert_eq!(idle.get("/").await.text(), "ok");
    assert!(gateway.metrics().contains("haechi_limit_strikes_total{limit=\"connections\"} 1\n"));
}

#[tokio::test]
async fn idle_connections_to_services_are_bounded_over_all_services() {
    let (one, two) = (Service::text("one").await, Service::text("two").await);
    let mut config = config(&[one.address, two.address]);
    config.limits.idle_connections = 1;
    let gateway = Gateway::start(Options {
        config,
        generation: Generation(1),
        workers: 1,
        clock: SystemClock::start(),
        subscriber: None,
    })
    .await
    .unwrap();
    let mut client = Client::connect(gateway.local_addrs()["web"]).await;
    client.get("/").await;
    client.get("/").await;
    // Each endpoint has one; the older is closed when they are next looked through.
    let struck = "haechi_limit_strikes_total{limit=\"idle_connections\"} 1\n";
    while !gateway.metrics().contains(struck) {
        tokio::task::yield_now().await;
    }
    assert!(gateway.metrics().contains("haechi_idle_connections{service=\"app\"} 1\n"));
    assert_eq!(client.get("/").await.status(), 200);
}

#[tokio::test]
async fn connections_that_sent_nothing_or_half_a_head_give_way_too() {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.connections = 2;
    let (_gateway, address) = start(config).await;
    let (mut silent, mut slow) = (Client::connect(address).await, Client::connect(address).await);
    slow.send("GET / HTTP/1.1\r\nHo").await;
    let mut kept = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(address).await;
        assert_eq!(client.get("/").await.text(), "ok");
        kept.push(client);
    }
    assert!(silent.rest().await.is_empty());
    assert!(slow.rest().await.is_empty());
}

#[tokio::test]
async fn a_connection_that_had_an_answer_stays_while_others_never_sent_a_request() {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.connections = 3;
    let (_gateway, address) = start(config).await;
    let mut good = Client::connect(address).await;
    good.get("/").await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Client::connect(address).await);
    }
    // The first to come are the first to go, once all of them were accepted.
    for client in &mut silent[..18] {
        assert!(client.rest().await.is_empty());
    }
    assert_eq!(good.get("/").await.text(), "ok");
}

#[tokio::test]
async fn connections_with_a_request_in_flight_never_give_way() {
    let go = Arc::new(Notify::new());
    let script = go.clone();
    let service = Service::start(move |mut connection| {
        let go = script.clone();
        async move {
            while connection.request().await.is_some() {
                go.notified().await;
                connection.reply("done").await;
            }
        }
    })
    .await;
    let mut config = config(&[service.address]);
    config.limits.connections = 2;
    let (_gateway, address) = start(config).await;
    let mut clients = [Client::connect(address).await, Client::connect(address).await];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    service.wait_for(2).await;
    let mut waiting = Client::connect(address).await;
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    go.notify_one();
    go.notify_one();
    for client in &mut clients {
        assert_eq!(client.response().await.unwrap().text(), "done");
    }
    service.wait_for(3).await;
    go.notify_one();
    assert_eq!(waiting.response().await.unwrap().text(), "done");
}

#[tokio::test]
async fn a_worker_without_connections_of_its_own_gets_places_from_the_others() {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.connections = 4;
    let options = Options {
        config,
        generation: Generation(1),
        workers: 3,
        clock: SystemClock::start(),
        subscriber: None,
    };
    let gateway = Gateway::start(options).await.unwrap();
    let address = gateway.local_addrs()["web"];
    let mut kept = Vec::new();
    for _ in 0..60 {
        let mut client = Client::connect(address).await;
        assert_eq!(client.get("/").await.text(), "ok");
        kept.push(client);
    }
    assert!(gateway.status().await.connections <= 4 + 3);
}

#[tokio::test]
async fn an_address_has_as_many_connections_as_it_may_and_no_more() {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.connections_per_address = 2;
    let (gateway, address) = start(config).await;
    let (mut a, mut b) = (Client::connect(address).await, Client::connect(address).await);
    a.get("/").await;
    b.get("/").await;
    assert!(Client::connect(address).await.rest().await.is_empty());
    assert_eq!(a.get("/").await.text(), "ok");
    drop(a);
    while gateway.status().await.connections > 1 {}
    assert_eq!(Client::connect(address).await.get("/").await.text(), "ok");
    let metrics = gateway.metrics();
    assert!(metrics.contains("haechi_limit_strikes_total{limit=\"connections_per_address\"} 1\n"));
}

#[tokio::test]
async fn what_a_client_sends_ahead_is_read_up_to_a_bound_and_all_of_it_answered() {
    let go = Arc::new(Notify::new());
    let script = go.clone();
    let service = Service::start(move |mut connection| {
        let go = script.clone();
        async move {
            let first = connection.request().await.unwrap();
            go.notified().await;
            connection.reply(first.target()).await;
            while let Some(request) = connection.request().await {
                connection.reply(request.target()).await;
            }
        }
    })
    .await;
    let mut config = config(&[service.address]);
    config.limits.pipelined_bytes = 100;
    let (gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
    service.wait_for(1).await;
    for number in 0..20 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    }
    let strike = "haechi_limit_strikes_total{limit=\"pipelined_bytes\"} 1\n";
    while !gateway.metrics().contains(strike) {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    assert_eq!(client.response().await.unwrap().text(), "/first");
    for number in 0..20 {
        assert_eq!(client.response().await.unwrap().text(), format!("/{number}"));
    }
}
