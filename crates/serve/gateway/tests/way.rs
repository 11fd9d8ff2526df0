//! The usual way of a request: match, rewrite, spread, answer.
#![allow(clippy::unwrap_used)]

mod common;

use common::{config, route, start};
use haechi_route::config::{Filter, PathPattern};
use haechi_testkit::{Client, Service};

#[tokio::test]
async fn requests_alternate_between_two_instances() {
    let (a, b) = (Service::text("a").await, Service::text("b").await);
    let (_gateway, address) = start(config(&[a.address, b.address])).await;
    let mut client = Client::connect(address).await;
    let mut texts = Vec::new();
    for _ in 0..6 {
        texts.push(client.get("/").await.text());
    }
    assert!(texts.windows(2).all(|pair| pair[0] != pair[1]), "{texts:?}");
    assert_eq!((a.connections(), b.connections()), (1, 1), "connections are used again");
}

#[tokio::test]
async fn a_stripped_prefix_is_gone_and_told() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    let filters = [Filter::StripPrefix("/hello".into()), Filter::ForwardedPrefix];
    config.routes = vec![route("hello", Some(PathPattern::Prefix("/hello".into())), &filters)];
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/hello/id?x=1").await.text(), "hi");
    assert_eq!(client.get("/other").await.status(), 404);
    let request = service.requests().remove(0);
    assert_eq!(request.target(), "/id?x=1");
    assert_eq!(request.field("host"), Some(service.address.to_string().as_str()));
    assert_eq!(request.field("x-forwarded-prefix"), Some("/hello"));
    assert_eq!(request.field("x-forwarded-host"), Some("test.example"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert_eq!(request.field("x-forwarded-port"), Some(address.port().to_string().as_str()));
    assert_eq!(request.field("via"), Some("1.1 haechi"));
}
