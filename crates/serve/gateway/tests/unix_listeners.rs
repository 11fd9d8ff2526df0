//! Listeners at Unix sockets.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use common::unix::{Client, at};
use common::{config, start};
use haechi_core::{Generation, SystemClock};
use haechi_gateway::{Drained, Gateway, Options};
use haechi_route::config::{GatewayConfig, ProxyFrom};
use haechi_testkit::Service;

/// A configuration whose only listener is at this path.
fn only(service: &Service, path: &Path) -> GatewayConfig {
    let mut config = config(&[service.address]);
    config.listeners.clear();
    config.listeners.insert("unix".into(), at(path, 0o600));
    config
}

fn options(config: GatewayConfig, workers: usize) -> Options {
    let clock = SystemClock::start();
    Options { config, generation: Generation(1), workers, clock, subscriber: None }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Open connections of each worker.
fn of_workers(gateway: &Gateway) -> Vec<usize> {
    let metrics = gateway.metrics();
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("haechi_worker_connections{"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_socket_is_made_served_renamed_and_removed() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let path = folder.path().join("web.sock");
    let mut config = config(&[service.address]);
    config.listeners.insert("unix".into(), at(&path, 0o600));
    let (gateway, _) = start(config.clone()).await;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(gateway.listens()["unix"].to_string(), format!("unix:{}", path.display()));
    assert_eq!(gateway.local_addrs().len(), 1);
    let mut kept = Client::connect(&path).await;
    for _ in 0..20 {
        assert_eq!(kept.get("").await, "hi");
        assert_eq!(Client::connect(&path).await.get("").await, "hi");
    }
    assert_eq!(kept.get("X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Port: 443\r\n").await, "hi");
    let requests = service.requests();
    assert_eq!(requests[0].field("x-forwarded-for"), Some("unknown"));
    assert_eq!(requests[0].field("x-forwarded-port"), None);
    let last = requests.last().unwrap();
    assert_eq!(last.field("x-forwarded-for"), Some("192.0.2.9, unknown"));
    assert_eq!(last.field("x-forwarded-port"), Some("443"));
    // Another name, other permissions, and the same socket.
    config.listeners.remove("unix");
    config.listeners.insert("other".into(), at(&path, 0o640));
    let waiting = Client::connect(&path).await;
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    assert_eq!(mode(&path), 0o640);
    for mut client in [waiting, Client::connect(&path).await] {
        assert_eq!(client.get("").await, "hi");
    }
    config.listeners.remove("other");
    let mut waiting = Client::connect(&path).await;
    gateway.apply(config.clone(), Generation(3)).await.unwrap();
    assert!(!path.exists());
    assert_eq!(waiting.get("").await, "hi", "what the kernel accepted is served");
    assert_eq!(kept.get("").await, "hi", "and so is what was open");
    config.listeners.insert("unix".into(), at(&path, 0o600));
    gateway.apply(config, Generation(4)).await.unwrap();
    drop((kept, waiting));
    assert_eq!(gateway.drain(Duration::from_secs(60)).await, Drained { cut: 0 });
    assert!(!path.exists());
}

#[tokio::test]
async fn one_that_can_not_be_had_changes_nothing() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let (new, taken) = (folder.path().join("a.sock"), folder.path().join("b.sock"));
    std::fs::write(&taken, "mine").unwrap();
    let config = config(&[service.address]);
    let (gateway, address) = start(config.clone()).await;
    let mut wrong = config.clone();
    wrong.listeners.insert("a".into(), at(&new, 0o600));
    wrong.listeners.insert("b".into(), at(&taken, 0o600));
    let error = gateway.apply(wrong, Generation(2)).await.unwrap_err().to_string();
    assert!(error.contains("b.sock") && error.contains("no socket"), "{error}");
    assert!(!new.exists() && std::fs::read_to_string(&taken).unwrap() == "mine");
    assert_eq!(haechi_testkit::Client::connect(address).await.get("/").await.text(), "hi");
}

#[tokio::test]
async fn all_workers_serve_what_one_of_them_accepts() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let path = folder.path().join("web.sock");
    let gateway = Gateway::start(options(only(&service, &path), 3)).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut client = Client::connect(&path).await;
        assert_eq!(client.get("").await, "hi");
        clients.push(client);
    }
    let counts = of_workers(&gateway);
    assert_eq!(counts.iter().sum::<usize>(), 60);
    assert!(counts.iter().all(|count| *count >= 15), "{counts:?}");
    for client in &mut clients {
        assert_eq!(client.get("").await, "hi");
    }
    // These have sent a request when the drain begins; some are accepted by then, some wait in the kernel.
    drop(clients);
    let mut late = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(&path).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        late.push(client);
    }
    let drained = tokio::spawn(async move { gateway.drain(Duration::from_secs(60)).await });
    for client in &mut late {
        assert_eq!(client.answer().await.1, b"hi");
    }
    drop(late);
    assert_eq!(drained.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_proxy_in_front_says_who_asks_and_its_clients_are_bounded_by_their_addresses() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let path = folder.path().join("web.sock");
    let mut config = only(&service, &path);
    config.limits.connections_per_address = 1;
    let gateway = Gateway::start(options(config.clone(), 1)).await.unwrap();
    let mut both = [Client::connect(&path).await, Client::connect(&path).await];
    for client in &mut both {
        assert_eq!(client.get("").await, "hi", "what has no address has no bound for each");
    }
    config.listeners.get_mut("unix").unwrap().proxy_protocol = Some(ProxyFrom::default());
    gateway.apply(config, Generation(2)).await.unwrap();
    let header = "PROXY TCP4 203.0.113.9 198.51.100.7 50000 443\r\n";
    let mut first = Client::connect(&path).await;
    first.send(header).await;
    assert_eq!(first.get("").await, "hi");
    let request = service.requests().pop().unwrap();
    assert_eq!(request.field("x-forwarded-for"), Some("203.0.113.9"));
    assert_eq!(request.field("x-forwarded-port"), Some("443"));
    let mut second = Client::connect(&path).await;
    second.send(header).await;
    assert!(second.closed().await);
    let mut without = Client::connect(&path).await;
    without.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(without.closed().await);
}

#[tokio::test]
async fn a_socket_goes_to_the_process_that_takes_over_and_its_file_stays() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let (path, gone) = (folder.path().join("web.sock"), folder.path().join("gone.sock"));
    let config = only(&service, &path);
    let mut before = config.clone();
    before.listeners.insert("gone".into(), at(&gone, 0o600));
    let old = Gateway::start(options(before, 2)).await.unwrap();
    let mut kept = Client::connect(&path).await;
    assert_eq!(kept.get("").await, "hi");
    let new = Gateway::take_over(options(config, 3), old.listening().await.unwrap()).await.unwrap();
    let mut waiting = Client::connect(&path).await;
    new.accept().await.unwrap();
    assert!(!gone.exists(), "nobody wants it any more");
    let retiring = tokio::spawn(async move { old.retire(Duration::from_secs(60), Duration::ZERO).await });
    // Whoever of the two took it.
    assert_eq!(waiting.get("").await, "hi");
    for _ in 0..20 {
        assert_eq!(Client::connect(&path).await.get("").await, "hi");
    }
    drop((kept, waiting));
    assert_eq!(retiring.await.unwrap(), Drained { cut: 0 });
    assert!(path.exists());
    assert_eq!(Client::connect(&path).await.get("").await, "hi");
    new.drain(Duration::from_secs(60)).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_a_dead_process_left_is_replaced() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let path = folder.path().join("web.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let gateway = Gateway::start(options(only(&service, &path), 1)).await.unwrap();
    assert_eq!(Client::connect(&path).await.get("").await, "hi");
    let other = Gateway::start(options(only(&service, &path), 1)).await;
    assert!(other.err().unwrap().to_string().contains("another process listens there"));
    assert_eq!(Client::connect(&path).await.get("").await, "hi");
    assert_eq!(mode(&path), 0o600);
    drop(gateway);
}
