//! Certificates from a CA: ordered, kept, renewed, and what happens when that fails. The CA is pebble.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use common::pebble::Pebble;
use common::tls::{connect, get, provider, tls};
use common::{config, start_any};
use haechi_core::{Generation, SystemClock};
use haechi_gateway::{AcmeStatus, Gateway};
use haechi_route::config::{Acme, Challenge, GatewayConfig, HostPattern, Listener, Tls};
use haechi_testkit::{Client, Service};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Long enough that nothing is renewed meanwhile.
const MONTHS: u64 = 90 * 86_400;

fn listener(tls: Option<Tls>) -> Listener {
    Listener { tls, ..Listener::plain(([127, 0, 0, 1], 0).into()) }
}

/// A listener with TLS, and a plain one that only redirects. Nothing is ordered yet.
fn listening(service: &Service) -> GatewayConfig {
    let mut config = config(&[service.address]);
    config.listeners.insert("web".into(), listener(Some(tls(&[]))));
    config.listeners.insert("plain".into(), Listener { redirect_to_https: Some(443), ..listener(None) });
    config
}

async fn start(config: GatewayConfig) -> (Gateway, SocketAddr, SocketAddr) {
    let gateway = start_any(SystemClock::start(), config).await;
    let at = gateway.local_addrs();
    (gateway, at["web"], at["plain"])
}

/// The same with certificates that are ordered.
fn ordering(
    service: &Service,
    pebble: &Pebble,
    storage: &Path,
    names: &[&str],
    challenge: Challenge,
) -> GatewayConfig {
    let mut config = listening(service);
    let acme = Acme {
        directory: pebble.directory.clone(),
        contact: vec!["mailto:ops@shop.example".into()],
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        challenge,
        storage: storage.to_owned(),
        ca: vec![pebble.ca.file()],
    };
    config.listeners.get_mut("web").unwrap().tls.as_mut().unwrap().acme = Some(acme);
    config
}

async fn trusting(pebble: &Pebble) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pebble.root().await.as_bytes()).unwrap()).unwrap();
    let config =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // A session that is resumed tells of the certificate that it began with.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Waits until a name is in this state.
async fn reaches(gateway: &Gateway, name: &str, state: &str) -> AcmeStatus {
    loop {
        let status = gateway.status().await.acme;
        if let Some(known) = status.into_iter().find(|known| known.name == name && known.state == state) {
            return known;
        }
    }
}

/// Connects as soon as there is a certificate, and returns it.
async fn served(address: SocketAddr, client: &Arc<ClientConfig>, name: &str) -> Vec<u8> {
    loop {
        if let Ok(mut stream) = connect(address, client, name).await {
            assert!(get(&mut stream, name, "hi").await.unwrap().starts_with("HTTP/1.1 200"));
            return stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        }
    }
}

#[tokio::test]
async fn certificates_are_ordered_in_handshakes_and_survive_a_restart() {
    let (service, storage) = (Service::text("hi").await, tempfile::tempdir().unwrap());
    let storage = storage.path().join("acme");
    let (gateway, web, plain) = start(listening(&service)).await;
    let pebble = Pebble::start(plain.port(), web.port(), MONTHS).await;
    let client = trusting(&pebble).await;
    assert!(connect(web, &client, "a.example").await.is_err(), "no certificate, no handshake");

    let names = ["a.example", "b.example"];
    let config = ordering(&service, &pebble, &storage, &names, Challenge::TlsAlpn01);
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    let mut first = Vec::new();
    for name in names {
        first.push(served(web, &client, name).await);
        let status = reaches(&gateway, name, "valid").await;
        assert_eq!((status.challenge, status.failures), ("tls-alpn-01", 0));
        let end = status.not_after.unwrap();
        // Two thirds of its lifetime, up to a thirtieth earlier; or within a day of that, as pebble's window says.
        assert!((28 * 86_400..34 * 86_400).contains(&(end - status.next)), "{status:?}");
    }
    let metrics = gateway.metrics();
    assert!(metrics.contains("haechi_acme_orders_total{result=\"issued\"} 2"), "{metrics}");
    assert!(
        metrics.contains("haechi_acme_challenges_answered_total{challenge=\"tls-alpn-01\"}"),
        "{metrics}"
    );
    assert_eq!(gateway.status().await.problems, [""; 0]);
    let folder = std::fs::read_dir(&storage).unwrap().next().unwrap().unwrap().path();
    for file in std::fs::read_dir(&folder).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "keys are for their owner alone");
    }

    // Another process waits for as long as this one orders; it serves what is there.
    let (other, other_web, _) = start(config.clone()).await;
    assert_eq!(served(other_web, &client, "a.example").await, first[0]);
    assert!(reaches(&other, "a.example", "waiting").await.why.contains("another process"));
    gateway.drain(std::time::Duration::ZERO).await;
    reaches(&other, "b.example", "valid").await;
    assert_eq!(served(other_web, &client, "b.example").await, first[1]);
    assert!(
        !other.metrics().contains("haechi_acme_orders_total{result=\"issued\"} 1"),
        "nothing is ordered again"
    );

    // The CA is gone: what is there is served on.
    let _ca = pebble.end();
    other.drain(std::time::Duration::ZERO).await;
    let (_last, last_web, _) = start(config).await;
    assert_eq!(served(last_web, &client, "a.example").await, first[0]);
}

#[tokio::test]
async fn the_file_of_http_01_comes_before_redirects_and_names_come_from_routes() {
    let (service, storage) = (Service::text("hi").await, tempfile::tempdir().unwrap());
    let (gateway, web, plain) = start(listening(&service)).await;
    let pebble = Pebble::start(plain.port(), web.port(), MONTHS).await;
    let client = trusting(&pebble).await;
    let mut config = ordering(&service, &pebble, storage.path(), &[], Challenge::Http01);
    config.routes[0].matches.host = Some(HostPattern::Exact("shop.example".into()));
    gateway.apply(config, Generation(2)).await.unwrap();
    served(web, &client, "shop.example").await;
    let status = reaches(&gateway, "shop.example", "valid").await;
    assert_eq!(status.challenge, "http-01");
    let metrics = gateway.metrics();
    let answered = "haechi_acme_challenges_answered_total{challenge=\"http-01\"} ";
    let answered = metrics.lines().find_map(|line| line.strip_prefix(answered)).unwrap();
    assert!(answered.parse::<u64>().unwrap() > 0);
    // What nobody waits for is redirected like everything else.
    let mut plain = Client::connect(plain).await;
    assert_eq!(plain.get("/.well-known/acme-challenge/unknown").await.status(), 308);
}

#[tokio::test]
async fn a_name_that_fails_costs_no_other_and_is_not_tried_over_and_over() {
    let (service, storage) = (Service::text("hi").await, tempfile::tempdir().unwrap());
    let (gateway, web, plain) = start(listening(&service)).await;
    let pebble = Pebble::start(plain.port(), web.port(), MONTHS).await;
    let client = trusting(&pebble).await;
    let names = ["good.example", "missing.example"];
    let config = ordering(&service, &pebble, storage.path(), &names, Challenge::TlsAlpn01);
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    served(web, &client, "good.example").await;
    let failing = reaches(&gateway, "missing.example", "failing").await;
    assert_eq!((failing.failures, failing.not_after), (1, None));
    assert!(failing.why.contains("missing.example"), "{failing:?}");
    let problems = gateway.status().await.problems;
    assert!(problems[0].contains("no new certificate for missing.example"), "{problems:?}");
    assert!(gateway.metrics().contains("haechi_acme_failures{name=\"missing.example\""));
    gateway.drain(std::time::Duration::ZERO).await;

    // A restart doesn't forget it.
    let (again, ..) = start(config.clone()).await;
    let still = reaches(&again, "missing.example", "failing").await;
    assert_eq!((still.failures, still.next), (1, failing.next));
    // Other settings are tried at once.
    let mut config = config;
    for listener in config.listeners.values_mut() {
        if let Some(acme) = listener.tls.as_mut().and_then(|tls| tls.acme.as_mut()) {
            acme.challenge = Challenge::Http01;
        }
    }
    again.apply(config, Generation(2)).await.unwrap();
    while !reaches(&again, "missing.example", "failing").await.why.contains("http-01") {}
}

#[tokio::test]
async fn a_certificate_is_renewed_and_no_connection_notices() {
    let (service, storage) = (Service::text("hi").await, tempfile::tempdir().unwrap());
    let (gateway, web, plain) = start(listening(&service)).await;
    let pebble = Pebble::start(plain.port(), web.port(), 20).await;
    let client = trusting(&pebble).await;
    let config = ordering(&service, &pebble, storage.path(), &["a.example"], Challenge::TlsAlpn01);
    gateway.apply(config, Generation(2)).await.unwrap();
    let first = served(web, &client, "a.example").await;
    let mut open = connect(web, &client, "a.example").await.unwrap();
    while served(web, &client, "a.example").await == first {}
    get(&mut open, "a.example", "hi").await.unwrap();
    assert_eq!(gateway.generation(), Generation(2), "without a reload");
}

#[tokio::test]
async fn a_ca_that_is_not_there_is_a_problem_and_nothing_else() {
    let (service, storage) = (Service::text("hi").await, tempfile::tempdir().unwrap());
    let pebble = Pebble::start(1, 1, MONTHS).await;
    let config = ordering(&service, &pebble, storage.path(), &["a.example"], Challenge::TlsAlpn01);
    let _ca = pebble.end();
    let (gateway, _, plain) = start(config).await;
    let failing = reaches(&gateway, "a.example", "failing").await;
    assert!(failing.why.contains("error sending request"), "{failing:?}");
    assert_eq!(Client::connect(plain).await.get("/").await.status(), 308);
}
