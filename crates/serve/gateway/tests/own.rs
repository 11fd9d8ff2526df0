//! Answers from the configuration, and redirects.
#![allow(clippy::unwrap_used)]

mod common;

use common::{config, route, start};
use haechi_route::config::{
    Action, Filter, GatewayConfig, PathPattern, Redirect, RedirectPath, Respond, Scheme,
};
use haechi_testkit::Client;

fn answering(path: &str, action: Action) -> GatewayConfig {
    let mut config = config(&[]);
    let mut route = route("own", Some(PathPattern::Prefix(path.into())), &[]);
    route.action = action;
    config.routes = vec![route];
    config
}

fn redirect(status: u16) -> Redirect {
    Redirect { status, scheme: None, host: None, port: None, path: RedirectPath::Keep }
}

#[tokio::test]
async fn an_answer_has_the_fields_and_the_body_it_was_given() {
    let mut config = answering(
        "",
        Action::Respond(Respond {
            status: 503,
            content_type: "text/html".into(),
            headers: vec![("retry-after".into(), "60".into()), ("x-drop".into(), "1".into())],
            body: "<h1>back soon</h1>".into(),
        }),
    );
    config.routes[0].filters = vec![
        Filter::SetResponseHeader("x-set".into(), "2".into()),
        Filter::RemoveResponseHeader("x-drop".into()),
    ];
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    let answer = client.get("/").await;
    assert_eq!((answer.status(), answer.text().as_str()), (503, "<h1>back soon</h1>"));
    assert_eq!((answer.field("content-type"), answer.field("retry-after")), (Some("text/html"), Some("60")));
    assert_eq!((answer.field("x-set"), answer.field("x-drop")), (Some("2"), None));
    // HEAD tells the length and sends nothing, so the next answer on the connection is where it belongs.
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.response_to("HEAD").await.unwrap();
    assert_eq!((head.field("content-length"), head.text().as_str()), (Some("18"), ""));
    assert_eq!(client.response().await.unwrap().text(), "<h1>back soon</h1>");
}

#[tokio::test]
async fn a_status_without_content_tells_of_none() {
    let (_gateway, address) = start(answering("", Action::Respond(Respond::text(204, "")))).await;
    let mut client = Client::connect(address).await;
    for _ in 0..2 {
        let answer = client.get("/").await;
        assert_eq!(
            (answer.status(), answer.field("content-length"), answer.field("content-type")),
            (204, None, None)
        );
    }
}

#[tokio::test]
async fn a_body_larger_than_the_sockets_buffers_arrives_whole() {
    let body = "0123456789abcdef".repeat(1 << 16);
    let (_gateway, address) = start(answering("", Action::Respond(Respond::text(200, body.clone())))).await;
    let mut client = Client::connect(address).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), body);
    }
}

#[tokio::test]
async fn a_redirect_keeps_the_query_and_takes_the_filters_path() {
    let mut to = redirect(308);
    to.scheme = Some(Scheme::Https);
    to.path = RedirectPath::Prefix { from: "/v1".into(), to: "/v2".into() };
    let mut config = answering("/old", Action::Redirect(to));
    config.routes[0].filters = vec![Filter::RewritePrefix { from: "/old".into(), to: "/v1".into() }];
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    let answer = client.get("/old/a%20b/c?x=1&y=%0d%0a").await;
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.field("location"), Some("https://test.example/v2/a%20b/c?x=1&y=%0d%0a"));
    assert_eq!(answer.field("content-length"), Some("0"));
}

#[tokio::test]
async fn a_redirect_never_leads_to_a_host_that_a_path_names() {
    let (_gateway, address) = start(answering("", Action::Redirect(redirect(302)))).await;
    for (target, wanted) in [
        ("//evil.example/a", Some("/evil.example/a")),
        ("///evil.example", Some("/evil.example")),
        ("/a//b", Some("/a/b")),
        ("/\\evil.example", None),
        ("/%5cevil.example", None),
        ("/%2f%2fevil.example", None),
        ("/x%0d%0aset-cookie:a", None),
    ] {
        let mut client = Client::connect(address).await;
        let answer = client.get(target).await;
        assert_eq!(answer.field("location"), wanted, "{target}");
        assert_eq!(answer.status(), if wanted.is_some() { 302 } else { 400 }, "{target}");
    }
}

#[tokio::test]
async fn http_1_0_without_a_host_is_not_sent_nowhere() {
    let mut to = redirect(301);
    to.scheme = Some(Scheme::Https);
    let (_gateway, address) = start(answering("", Action::Redirect(to))).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status(), 400);
}
