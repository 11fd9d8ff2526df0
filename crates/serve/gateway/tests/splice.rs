//! Large bodies, which go through a pipe inside the kernel.
#![allow(clippy::unwrap_used)]

mod common;

use common::{config, start};
use haechi_gateway::Gateway;
use haechi_testkit::{Client, Connection, Service};

const LARGE: usize = 3 << 20;

/// Bytes of which no part looks like another.
fn pattern(seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    })
    .take(LARGE)
    .collect()
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = gateway.metrics();
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Answers with the request's body, or with a large one, and sends more than it announced.
async fn echo_and_poison() -> Service {
    Service::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let body = if request.body.is_empty() { pattern(7) } else { request.body };
            let mut answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            answer.extend_from_slice(&body);
            answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
            connection.send(answer).await;
        }
    })
    .await
}

fn upload(body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

#[tokio::test]
async fn large_bodies_arrive_to_the_byte_and_nothing_behind_them_does() {
    let service = echo_and_poison().await;
    let (gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for seed in [1, 2, 3] {
        assert!(client.get("/").await.body == pattern(7));
        let body = pattern(seed);
        // What follows the body is the next request, and must not go with it.
        let mut both = upload(&body);
        both.extend_from_slice(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(both).await;
        let answer = client.response().await.unwrap();
        assert!(client.response().await.unwrap().body == pattern(7));
        assert!(answer.body == body);
    }
    let requests = service.requests();
    assert_eq!(requests.iter().filter(|request| request.target() == "/next").count(), 3);
    assert!(metric(&gateway, "haechi_spliced_bytes_total") > 6 * LARGE as u64);
}

#[tokio::test]
async fn without_pipes_bodies_are_copied_and_that_is_counted() {
    let service = echo_and_poison().await;
    let mut config = config(&[service.address]);
    config.limits.pipes = 0;
    let (gateway, address) = start(config).await;
    assert!(Client::connect(address).await.get("/").await.body == pattern(7));
    assert_eq!(metric(&gateway, "haechi_spliced_bytes_total"), 0);
    assert_eq!(metric(&gateway, "haechi_limit_strikes_total{limit=\"pipes\"}"), 1);
}

#[tokio::test]
async fn a_large_answer_that_ends_early_is_cut_visibly() {
    let service = Service::start(|mut connection: Connection| async move {
        connection.request().await.unwrap();
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")).await;
        connection.send(&pattern(7)[..LARGE / 2]).await;
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    assert!(Client::connect(address).await.try_get("/").await.is_none());
}

#[tokio::test]
async fn an_upload_whose_client_leaves_ends_at_the_service_too() {
    let service = Service::start(|mut connection: Connection| async move {
        let head = connection.head().await.unwrap();
        connection.count(head.clone());
        assert!(connection.body(&head).await.is_none());
        connection.count(head);
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send(&upload(&pattern(7))[..LARGE / 2]).await;
    service.wait_for(1).await;
    drop(client);
    service.wait_for(2).await;
}
