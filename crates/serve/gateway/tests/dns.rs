//! Services that are reached by name.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::Ipv4Addr;

use common::{config, name};
use haechi_core::{Generation, SystemClock};
use haechi_gateway::{Gateway, Options};
use haechi_route::config::{Endpoints, GatewayConfig};
use haechi_testkit::{Client, NameServer, Says, Service};
use tokio::net::TcpListener;

const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

async fn on(address: Ipv4Addr, port: u16, text: &'static str) -> Service {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    Service::on(listener, move |mut connection| async move {
        while connection.request().await.is_some() {
            connection.reply(text).await;
        }
    })
}

fn by_name(port: u16) -> GatewayConfig {
    let mut config = config(&[]);
    config.services.get_mut(&name("app")).unwrap().endpoints =
        Endpoints::Dns { host: "app.test".into(), port };
    config
}

fn options(config: GatewayConfig) -> Options {
    Options { config, generation: Generation(1), workers: 1, clock: SystemClock::start(), subscriber: None }
}

#[tokio::test]
async fn a_name_that_moves_is_followed_and_its_connections_with_it() {
    let first = on(FIRST, 0, "first").await;
    let _second = on(SECOND, first.address.port(), "second").await;
    let server = NameServer::start(Says::Addresses(vec![FIRST], 1)).await;
    let gateway =
        Gateway::start_resolving_at(options(by_name(first.address.port())), server.address).await.unwrap();
    let mut client = Client::connect(gateway.local_addrs()["web"]).await;
    // It accepts before the name is known, and answers 503 until then.
    while client.get("/").await.text() != "first" {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        first.requests()[0].field("host"),
        Some(format!("app.test:{}", first.address.port()).as_str())
    );
    server.say(Says::Addresses(vec![SECOND], 1));
    while client.get("/").await.text() != "second" {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "second");
    }
}

#[tokio::test]
async fn a_resolver_that_fails_changes_nothing() {
    let service = on(FIRST, 0, "first").await;
    let server = NameServer::start(Says::Addresses(vec![FIRST], 0)).await;
    let gateway =
        Gateway::start_resolving_at(options(by_name(service.address.port())), server.address).await.unwrap();
    let mut client = Client::connect(gateway.local_addrs()["web"]).await;
    while client.get("/").await.text() != "first" {
        tokio::task::yield_now().await;
    }
    for says in [Says::Error(2), Says::Error(3), Says::Addresses(Vec::new(), 0), Says::Silence] {
        let is_silence = says == Says::Silence;
        let before = server.say(says);
        // When it asks again, it has taken in the first answer. Silence has none to be taken in.
        server.asked(before + if is_silence { 1 } else { 2 }).await;
        assert_eq!(client.get("/").await.text(), "first");
    }
}

#[tokio::test]
async fn the_gateway_starts_without_a_resolver_and_finds_the_service_later() {
    let service = on(FIRST, 0, "first").await;
    let server = NameServer::start(Says::Error(2)).await;
    let gateway =
        Gateway::start_resolving_at(options(by_name(service.address.port())), server.address).await.unwrap();
    let mut client = Client::connect(gateway.local_addrs()["web"]).await;
    assert_eq!(client.get("/").await.status(), 503);
    server.say(Says::Addresses(vec![FIRST], 1));
    while client.get("/").await.status() != 200 {
        tokio::task::yield_now().await;
    }
}
