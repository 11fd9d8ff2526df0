//! Connections that meet a worker which has more than the others are shared with them.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::config;
use haechi_core::{Generation, SystemClock};
use haechi_gateway::{Drained, Gateway, Options};
use haechi_testkit::{Client, Service};

const WORKERS: usize = 3;

/// Connections of each worker, before the others lose theirs.
const EACH: usize = 20;

/// Open connections of each worker.
fn of_workers(gateway: &Gateway) -> Vec<usize> {
    let metrics = gateway.metrics();
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("haechi_worker_connections{"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
}

fn spread(counts: &[usize]) -> usize {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

/// A gateway of which the first worker has all connections: clients of the others left.
async fn skewed(service: &Service) -> (Gateway, Vec<Client>) {
    let options = Options {
        config: config(&[service.address]),
        generation: Generation(1),
        workers: WORKERS,
        clock: SystemClock::start(),
        subscriber: None,
    };
    let gateway = Gateway::start(options).await.unwrap();
    let mut kept = Vec::new();
    let mut others = Vec::new();
    while kept.len() + others.len() < WORKERS * EACH {
        let before = of_workers(&gateway)[0];
        let client = answered(&gateway).await;
        if of_workers(&gateway)[0] > before { kept.push(client) } else { others.push(client) }
    }
    drop(others);
    while of_workers(&gateway)[1..].iter().any(|count| *count > 0) {
        tokio::task::yield_now().await;
    }
    (gateway, kept)
}

/// A new client whose first request was answered: some worker has its connection.
async fn answered(gateway: &Gateway) -> Client {
    let mut client = Client::connect(gateway.local_addrs()["web"]).await;
    assert_eq!(client.get("/").await.text(), "ok");
    client
}

#[tokio::test]
async fn new_connections_go_to_the_workers_that_have_fewer() {
    let service = Service::text("ok").await;
    let (gateway, mut clients) = skewed(&service).await;
    assert!(spread(&of_workers(&gateway)) >= EACH / 2, "{:?}", of_workers(&gateway));
    while clients.len() < WORKERS * EACH {
        clients.push(answered(&gateway).await);
    }
    let counts = of_workers(&gateway);
    assert_eq!(counts.iter().sum::<usize>(), WORKERS * EACH);
    assert!(spread(&counts) <= 2 + EACH / 8 + 1, "{counts:?}");
    for client in &mut clients {
        assert_eq!(client.get("/").await.text(), "ok");
    }
}

#[tokio::test]
async fn a_drain_loses_none_that_is_being_handed_over() {
    let service = Service::text("ok").await;
    let (gateway, idle) = skewed(&service).await;
    // They leave in the middle of it.
    drop(idle);
    // All have sent their request when the drain begins; some are accepted by then, some wait in the kernel.
    let address = gateway.local_addrs()["web"];
    let mut clients = Vec::new();
    for _ in 0..EACH {
        let mut client = Client::connect(address).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
    }
    let drained = tokio::spawn(async move { gateway.drain(Duration::from_secs(20)).await });
    for client in &mut clients {
        assert_eq!(client.response().await.unwrap().text(), "ok");
    }
    drop(clients);
    assert_eq!(drained.await.unwrap(), Drained { cut: 0 });
}
