//! TLS to services: verified, reused, and cut answers are seen.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use common::tls::{Ca, pem, server, service};
use common::{config, name, start};
use haechi_core::Generation;
use haechi_route::config::{GatewayConfig, ServiceTls};
use haechi_testkit::{Client, Service};

const HI: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn over_tls(address: SocketAddr, tls: ServiceTls) -> GatewayConfig {
    let mut config = config(&[address]);
    config.services.get_mut(&name("app")).unwrap().tls = Some(tls);
    config
}

fn trusting(ca: &Ca) -> ServiceTls {
    ServiceTls { ca: vec![ca.file()], server_name: Some("app.example".into()), ..ServiceTls::default() }
}

#[tokio::test]
async fn a_verified_connection_is_reused() {
    let ca = Ca::new("ca");
    let (address, connections) = service(server(&ca.issue(&["app.example"], 1), None), HI).await;
    let (_gateway, web) = start(over_tls(address, trusting(&ca))).await;
    let mut client = Client::connect(web).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), "hi");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_address_must_be_in_the_certificate_where_no_name_is_given() {
    let ca = Ca::new("ca");
    let by_address = |ca: &Ca| ServiceTls { server_name: None, ..trusting(ca) };
    let (address, _) = service(server(&ca.issue(&["127.0.0.1"], 1), None), HI).await;
    let (_gateway, web) = start(over_tls(address, by_address(&ca))).await;
    assert_eq!(Client::connect(web).await.get("/").await.text(), "hi");
    let (address, _) = service(server(&ca.issue(&["app.example"], 1), None), HI).await;
    let (_gateway, web) = start(over_tls(address, by_address(&ca))).await;
    assert_eq!(Client::connect(web).await.get("/").await.status(), 502);
}

#[tokio::test]
async fn a_certificate_of_a_stranger_gets_no_request() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let own = other.issue(&["app.example"], 1);
    let (address, connections) = service(server(&own, None), HI).await;
    let mut config = over_tls(address, trusting(&ca));
    let (gateway, web) = start(config.clone()).await;
    let mut client = Client::connect(web).await;
    let answer = client.get("/").await;
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.field("proxy-status"), Some("haechi; error=tls_certificate_error"));
    assert_eq!(connections.load(Ordering::Relaxed), 0);
    // Without verification it is taken, on a connection of its own.
    config.services.get_mut(&name("app")).unwrap().tls =
        Some(ServiceTls { verify: false, ..ServiceTls::default() });
    gateway.apply(config, Generation(2)).await.unwrap();
    assert_eq!(client.get("/").await.text(), "hi");
}

#[tokio::test]
async fn a_ca_that_changes_on_disk_is_trusted() {
    let (ca, next) = (Ca::new("ca"), Ca::new("next"));
    let (address, _) = service(server(&next.issue(&["app.example"], 1), None), HI).await;
    let mut config = over_tls(address, trusting(&ca));
    config.services.get_mut(&name("app")).unwrap().ejection.enabled = false;
    let (_gateway, web) = start(config).await;
    let mut client = Client::connect(web).await;
    assert_eq!(client.get("/").await.status(), 502);
    std::fs::copy(next.file(), ca.file()).unwrap();
    while client.get("/").await.status() != 200 {}
}

#[tokio::test]
async fn a_service_that_asks_for_a_certificate_gets_the_gateway_s() {
    let ca = Ca::new("ca");
    let (address, _) = service(server(&ca.issue(&["app.example"], 1), Some(&ca)), HI).await;
    let own: PathBuf = ca.write("own.pem", &["gateway.example"], 2);
    let with = ServiceTls { certificate: Some(pem(&own)), ..trusting(&ca) };
    let (_gateway, web) = start(over_tls(address, with)).await;
    assert_eq!(Client::connect(web).await.get("/").await.text(), "hi");
    let (_gateway, web) = start(over_tls(address, trusting(&ca))).await;
    assert_eq!(Client::connect(web).await.get("/").await.status(), 502);
}

#[tokio::test]
async fn an_answer_that_ends_without_a_goodbye_is_cut() {
    let ca = Ca::new("ca");
    // Its end is the connection's, and anybody can close that.
    let cut = b"HTTP/1.0 200 OK\r\n\r\nhalf of it";
    let (address, _) = service(server(&ca.issue(&["app.example"], 1), None), cut).await;
    let (_gateway, web) = start(over_tls(address, trusting(&ca))).await;
    let mut client = Client::connect(web).await;
    assert_eq!(client.try_get("/").await, None, "{:?}", String::from_utf8_lossy(client.seen()));
    assert!(client.seen().starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_service_without_tls_is_no_tls_service() {
    let ca = Ca::new("ca");
    let plain = Service::text("hi").await;
    let (_gateway, web) = start(over_tls(plain.address, trusting(&ca))).await;
    let answer = Client::connect(web).await.get("/").await;
    assert_eq!(answer.field("proxy-status"), Some("haechi; error=connection_timeout"), "it waits for a head");
}
