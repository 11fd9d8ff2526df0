//! Idle connections to services: which are used again, and which requests may be lost on them.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{config, name};
use haechi_core::{Generation, ManualClock};
use haechi_gateway::{Gateway, Options};
use haechi_route::config::GatewayConfig;
use haechi_testkit::{Client, Service};
use tokio::sync::Notify;

const POST: &str = "POST /order HTTP/1.1\r\nHost: test.example\r\nContent-Length: 3\r\n\r\nabc";

/// A gateway of one worker whose time moves only when told.
async fn start(config: GatewayConfig) -> (Gateway, Client, Arc<ManualClock>) {
    let clock = ManualClock::at(0);
    let options =
        Options { config, generation: Generation(1), workers: 1, clock: clock.clone(), subscriber: None };
    let gateway = Gateway::start(options).await.unwrap();
    let client = Client::connect(gateway.local_addrs()["web"]).await;
    (gateway, client, clock)
}

async fn post(client: &mut Client) {
    client.send(POST).await;
    assert_eq!(client.response().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_post_uses_no_connection_that_was_idle_for_a_second() {
    let service = Service::text("ok").await;
    let (_gateway, mut client, clock) = start(config(&[service.address])).await;
    post(&mut client).await;
    clock.advance(Duration::from_millis(999));
    post(&mut client).await;
    assert_eq!(service.connections(), 1);
    clock.advance(Duration::from_millis(1000));
    post(&mut client).await;
    assert_eq!(service.connections(), 2);
    clock.advance(Duration::from_secs(10));
    client.get("/").await;
    assert_eq!(service.connections(), 2, "a GET can be sent again");
}

#[tokio::test]
async fn what_the_service_announces_bounds_every_request() {
    let service = Service::start(|mut connection| async move {
        while connection.request().await.is_some() {
            connection
                .send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=8, max=9\r\nContent-Length: 0\r\n\r\n")
                .await;
        }
    })
    .await;
    let (gateway, mut client, clock) = start(config(&[service.address])).await;
    post(&mut client).await;
    clock.advance(Duration::from_millis(5999));
    post(&mut client).await;
    assert_eq!(service.connections(), 1, "six of eight seconds are safe");
    clock.advance(Duration::from_secs(6));
    client.get("/").await;
    assert_eq!(service.connections(), 2);
    let status = gateway.status().await;
    let reuse = &status.services[&name("app")].endpoints[&service.address.into()].reuse;
    assert_eq!(reuse, "says it closes idle connections after 8s; they are used for 6s");
}

#[tokio::test]
async fn a_get_lost_on_a_closed_connection_costs_no_attempt_of_its_route() {
    let service = Service::start(|mut connection| async move {
        if connection.request().await.is_some() {
            connection.reply("first").await;
            if connection.head().await.is_some() {
                connection.reset();
            }
        }
    })
    .await;
    let mut config = config(&[service.address]);
    config.routes[0].retry.attempts = 1;
    let (gateway, mut client, _clock) = start(config).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "first");
    }
    let counts = &gateway.status().await.services[&name("app")].counts;
    assert_eq!((counts["haechi_stale_attempts_total"], counts["haechi_attempts_total"]), (9, 19));
}

#[tokio::test]
async fn more_requests_in_flight_than_allowed_are_503_at_once() {
    let go = Arc::new(Notify::new());
    let script = go.clone();
    let service = Service::start(move |mut connection| {
        let go = script.clone();
        async move {
            connection.request().await.unwrap();
            go.notified().await;
            connection.reply("done").await;
        }
    })
    .await;
    let mut config = config(&[service.address]);
    config.services.get_mut(&name("app")).unwrap().connections.in_flight = 1;
    let (gateway, mut first, _clock) = start(config).await;
    first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    service.wait_for(1).await;
    let mut second = Client::connect(gateway.local_addrs()["web"]).await;
    let refused = second.get("/").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.field("proxy-status"), Some("haechi; error=connection_limit_reached"));
    go.notify_one();
    assert_eq!(first.response().await.unwrap().text(), "done");
    go.notify_one();
    assert_eq!(second.get("/").await.text(), "done");
    assert!(gateway.metrics().contains("haechi_in_flight_limit_strikes_total{service=\"app\"} 1\n"));
}
