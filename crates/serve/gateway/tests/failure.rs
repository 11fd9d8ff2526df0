//! Services that fail: what is tried again, and what never is.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use common::{config, impatient, start};
use haechi_testkit::{Client, Message, Service};
use tokio::sync::Notify;

const POST: &str = "POST /order HTTP/1.1\r\nHost: test.example\r\nContent-Length: 3\r\n\r\nabc";

#[tokio::test]
async fn a_refused_connection_is_tried_again_elsewhere_whatever_the_method() {
    let good = Service::text("good").await;
    let (_gateway, address) = start(config(&[Service::refusing(), good.address])).await;
    let mut client = Client::connect(address).await;
    for _ in 0..4 {
        client.send(POST).await;
        assert_eq!(client.response().await.unwrap().text(), "good");
        assert_eq!(client.get("/").await.text(), "good");
    }
    assert_eq!(good.requests().len(), 8);
    assert!(good.requests().iter().filter(|r| r.method() == "POST").all(|r| r.body == b"abc"));
}

#[tokio::test]
async fn a_refusing_endpoint_is_left_out_at_once() {
    let good = Service::text("good").await;
    let refusing = Service::refusing();
    let (gateway, address) = start(config(&[refusing, good.address])).await;
    let mut client = Client::connect(address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    let status = gateway.status().await;
    let service = &status.services[&common::name("app")];
    assert_eq!(service.endpoints[&refusing.into()].state, "rejecting", "{status:?}");
    assert_eq!(service.endpoints[&refusing.into()].requests, 1);
    assert_eq!(service.counts["haechi_retries_total"], 1);
}

#[tokio::test]
async fn when_everything_refuses_the_answer_says_so() {
    let (_gateway, address) = start(config(&[Service::refusing()])).await;
    let mut client = Client::connect(address).await;
    let response = client.get("/").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.field("proxy-status"), Some("haechi; error=connection_refused"));
    assert_eq!(response.text(), "the service refused the connection\n");
    // The connection is kept: nothing is wrong with the client.
    assert_eq!(client.get("/").await.status(), 502);
}

#[tokio::test]
async fn a_service_without_endpoints_is_503() {
    let (_gateway, address) = start(config(&[])).await;
    let response = Client::connect(address).await.get("/").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.field("proxy-status"), Some("haechi; error=destination_unavailable"));
}

#[tokio::test]
async fn a_body_that_came_behind_its_head_is_sent_again_with_it() {
    static HEAD_CAME: Notify = Notify::const_new();
    static FAILED: AtomicBool = AtomicBool::new(false);
    // Whichever gets the request first takes all of it and breaks off.
    let start_one = || {
        Service::start(|mut connection| async move {
            let head = connection.head().await.unwrap();
            HEAD_CAME.notify_one();
            let mut request = head.clone();
            request.body = connection.body(&head).await.unwrap();
            connection.count(request);
            if FAILED.swap(true, SeqCst) { connection.reply("good").await } else { connection.reset() }
        })
    };
    let services = [start_one().await, start_one().await];
    let (_gateway, address) = start(config(&[services[0].address, services[1].address])).await;
    let mut client = Client::connect(address).await;
    client.send("PUT / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    HEAD_CAME.notified().await;
    client.send("3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().text(), "good");
    for service in services {
        assert_eq!(service.requests().remove(0).text(), "abc");
    }
}

/// Answers the first request of each connection, then closes as soon as the second begins to arrive.
async fn closes_on_second() -> Service {
    Service::start(|mut connection| async move {
        if connection.request().await.is_some() {
            connection.reply("first").await;
            if let Some(head) = connection.head().await {
                connection.count(head);
                connection.reset();
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_get_on_a_connection_that_the_service_resets_is_sent_again() {
    let service = closes_on_second().await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "first");
    }
}

#[tokio::test]
async fn a_post_whose_bytes_were_taken_is_never_sent_twice() {
    let service = closes_on_second().await;
    let other = Service::text("other").await;
    let mut config = config(&[service.address, other.address]);
    config.routes[0].retry.attempts = 5;
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    let (mut failed, sent) = (0, 20);
    for number in 0..sent {
        let body = format!("{number:03}");
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nX-Number: {body}\r\nContent-Length: 3\r\n\r\n{body}"
            ))
            .await;
        failed += usize::from(client.response().await.unwrap().status() == 502);
    }
    let mut numbers: Vec<_> = [service.requests(), other.requests()]
        .concat()
        .iter()
        .map(|request| request.field("x-number").unwrap().to_owned())
        .collect();
    numbers.sort();
    let arrived = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), arrived, "a POST arrived twice");
    assert_eq!(arrived, sent, "every POST arrived once");
    assert!(failed > 0, "the script reset some");
}

#[tokio::test]
async fn an_idle_connection_that_the_service_closed_is_not_used() {
    let service = Service::start(|mut connection| async move {
        if connection.request().await.is_some() {
            connection.reply("once").await;
            connection.shutdown().await;
            connection.count(Message::default());
            connection.closed().await;
        }
    })
    .await;
    let (gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for number in 1..=10 {
        client.send(POST).await;
        assert_eq!(client.response().await.unwrap().text(), "once");
        // On loopback the end of the connection is there once the service has sent it.
        service.wait_for(2 * number).await;
    }
    assert_eq!(service.requests().len(), 20);
    assert_eq!(gateway.status().await.services[&common::name("app")].counts["haechi_retries_total"], 0);
}

#[tokio::test]
async fn bytes_behind_an_answer_never_reach_another_request() {
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            let text = request.target().to_owned();
            connection.reply(&text).await;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
        }
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for number in 0..50 {
        let target = format!("/{number}");
        assert_eq!(client.get(&target).await.text(), target);
    }
}

#[tokio::test]
async fn a_frozen_service_is_left_and_its_gets_are_answered_elsewhere() {
    let (frozen, good) = (Service::frozen().await, Service::text("good").await);
    let mut config = config(&[frozen.address, good.address]);
    impatient(&mut config, Duration::from_millis(50));
    let (gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    for _ in 0..6 {
        assert_eq!(client.get("/").await.text(), "good");
    }
    assert_eq!(frozen.requests().len(), 1, "silent once, it is asked no more");
    let status = gateway.status().await;
    let endpoint = &status.services[&common::name("app")].endpoints[&frozen.address.into()];
    assert_eq!(endpoint.state, "rejecting");
    assert!(endpoint.why.contains("answered nobody"), "{}", endpoint.why);
}

#[tokio::test]
async fn a_post_to_a_frozen_service_is_not_sent_again() {
    let (frozen, good) = (Service::frozen().await, Service::text("good").await);
    let mut config = config(&[frozen.address, good.address]);
    impatient(&mut config, Duration::from_millis(50));
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        client.send(POST).await;
        statuses.push(client.response().await.unwrap().status());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 504]);
    assert_eq!(frozen.requests().len() + good.requests().len(), 2);
}

#[tokio::test]
async fn the_bound_for_the_whole_request_holds_over_all_attempts() {
    let (a, b) = (Service::frozen().await, Service::frozen().await);
    let mut config = config(&[a.address, b.address]);
    impatient(&mut config, Duration::from_millis(60));
    config.routes[0].timeouts.request = Duration::from_millis(90);
    let (_gateway, address) = start(config).await;
    let response = Client::connect(address).await.get("/").await;
    assert_eq!(response.status(), 504);
    assert_eq!(response.field("proxy-status"), Some("haechi; error=http_response_timeout"));
}

#[tokio::test]
async fn a_status_is_tried_again_where_the_route_wants_it() {
    let bad = Service::start(|mut connection| async move {
        while connection.request().await.is_some() {
            connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy").await;
        }
    })
    .await;
    let good = Service::text("good").await;
    let mut config = config(&[bad.address, good.address]);
    config.routes[0].retry.statuses = vec![503];
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.text(), "good");
    }
    client.send(POST).await;
    client.response().await.unwrap();
    client.send(POST).await;
    client.response().await.unwrap();
    let posts = [bad.requests(), good.requests()].concat().iter().filter(|r| r.method() == "POST").count();
    assert_eq!(posts, 2);
}

#[tokio::test]
async fn the_budget_bounds_retries_when_everything_fails() {
    let service = Service::start(|mut connection| async move {
        if let Some(request) = connection.head().await {
            connection.count(request);
        }
    })
    .await;
    let other = Service::start(|mut connection| async move {
        if let Some(request) = connection.head().await {
            connection.count(request);
        }
    })
    .await;
    let mut config = config(&[service.address, other.address]);
    let app = config.services.get_mut(&common::name("app")).unwrap();
    app.retry_budget = haechi_route::config::RetryBudget { percent: 20, floor_per_second: 0, burst: 5 };
    let (gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    for _ in 0..40 {
        assert_eq!(client.get("/").await.status(), 502);
    }
    assert_eq!(service.requests().len() + other.requests().len(), 45);
    assert!(gateway.metrics().contains("haechi_retry_budget_exhausted_total{service=\"app\"} 35\n"));
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_to_the_service_with_it() {
    let service = Service::start(|mut connection| async move {
        let head = connection.head().await.unwrap();
        connection.count(head);
        connection.closed().await;
        connection.count(Message::default());
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    service.wait_for(1).await;
    drop(client);
    service.wait_for(2).await;
}
