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

#[tokio::test]
async fn filters_change_fields_and_never_the_framing() {
    let service = Service::start(|mut connection| async move {
        while connection.request().await.is_some() {
            connection.send("HTTP/1.1 200 OK\r\nServer: x\r\nX-Old: 1\r\nContent-Length: 2\r\n\r\nhi").await;
        }
    })
    .await;
    let mut config = config(&[service.address]);
    let set = |name: &str, value: &str| Filter::SetRequestHeader(name.into(), value.into());
    config.routes[0].filters = vec![
        set("X-New", "new"),
        set("X-Forwarded-For", "me"),
        set("Host", "other.example"),
        set("Content-Length", "99"),
        set("Transfer-Encoding", "chunked"),
        set("Bad", "a\r\nX-Injected: 1"),
        Filter::RemoveRequestHeader("X-Secret".into()),
        Filter::RemoveRequestHeader("Content-Length".into()),
        Filter::SetResponseHeader("X-Old".into(), "2".into()),
        Filter::SetResponseHeader("Content-Length".into(), "1".into()),
        Filter::RemoveResponseHeader("server".into()),
    ];
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nx-secret: 1\r\nx-new: old\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    let response = client.response().await.unwrap();
    assert_eq!(
        (response.text().as_str(), response.field("x-old"), response.field("server")),
        ("hi", Some("2"), None)
    );
    let request = service.requests().remove(0);
    assert_eq!((request.text().as_str(), request.field("x-new")), ("abc", Some("new")));
    assert_eq!(
        (request.field("host"), request.field("x-forwarded-for")),
        (Some("other.example"), Some("me"))
    );
    assert_eq!((request.field("x-secret"), request.field("x-injected")), (None, None));
}

#[tokio::test]
async fn forwarded_fields_are_appended_or_left_out() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    let mut silent =
        route("silent", Some(PathPattern::Prefix("/silent".into())), &[Filter::NoForwardedHeaders]);
    silent.filters.push(Filter::KeepHost);
    config.routes.push(silent);
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    for path in ["/", "/silent"] {
        client
            .send(format!(
                "GET {path} HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\
                 Forwarded: for=1.2.3.4\r\nVia: 1.1 edge\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n"
            ))
            .await;
        client.response().await.unwrap();
    }
    let requests = service.requests();
    assert_eq!(requests[0].field("x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
    assert_eq!(requests[0].field("x-forwarded-proto"), Some("https, http"));
    assert_eq!(requests[0].field("x-hop"), None);
    assert_eq!(requests[1].field("host"), Some("shop.example"));
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via"] {
        assert_eq!(requests[1].field(name), None, "{name}");
    }
}
