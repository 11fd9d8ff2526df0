//! HTTP/2 from clients and to services: all four pairs of versions carry the same messages.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::h2::{ask, connect, get, post, read_answer, write};
use common::{config, start};
use haechi_route::config::{Filter, GatewayConfig, Protocol};
use haechi_testkit::{Client, Service};
use http::{HeaderMap, Response};

/// A service that says what it got, with trailers.
async fn echo() -> std::net::SocketAddr {
    common::h2::service(h2::server::Builder::new(), |request, mut respond| async move {
        let (head, mut stream) = request.into_parts();
        let Ok((body, trailers)) = common::h2::read(&mut stream).await else { return };
        let said = format!(
            "{} {} {:?} {}",
            head.method,
            head.uri,
            trailers.get("x-sum").map(|value| value.to_str().unwrap()),
            String::from_utf8_lossy(&body)
        );
        let response = Response::builder().header("x-via", head.headers["via"].clone()).body(()).unwrap();
        let mut stream = respond.send_response(response, false).unwrap();
        write(&mut stream, said.into(), false).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-done", "yes".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
    })
    .await
}

fn speaks_h2(mut config: GatewayConfig) -> GatewayConfig {
    for service in config.services.values_mut() {
        service.protocol = Protocol::Http2;
    }
    config
}

#[tokio::test]
async fn a_connection_to_a_service_is_closed_when_it_carried_nothing_for_too_long() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = speaks_h2(config(&[listener.local_addr().unwrap()]));
    for service in config.services.values_mut() {
        service.connections.idle_timeout = Duration::from_millis(1);
    }
    let ended = tokio::spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
        }
    });
    let (_gateway, address) = start(config).await;
    assert_eq!(Client::connect(address).await.get("/").await.status(), 200);
    ended.await.unwrap();
}

#[tokio::test]
async fn many_streams_of_one_connection_reach_a_service_of_http1() {
    let service = Service::text("hello").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let send = connect(address).await;
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..50 {
        let mut send = send.clone();
        asked.spawn(async move { ask(&mut send, get(&format!("/a?b={number}")), None).await.unwrap() });
    }
    for answer in asked.join_all().await {
        assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
        assert_eq!(answer.field("connection"), None);
    }
    let request = service.requests().remove(0);
    assert!(request.target().starts_with("/a?b="));
    assert_eq!(request.field("x-forwarded-host"), Some("test.example"));
    assert_eq!((request.field("via"), request.field("te")), (Some("2.0 haechi"), None));
}

#[tokio::test]
async fn bodies_are_framed_anew_for_a_service_of_http1() {
    let service = Service::text("ok").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut send = connect(address).await;
    ask(&mut send, post("/chunked"), Some(b"one body")).await.unwrap();
    let mut sized = post("/sized");
    sized.headers_mut().insert("content-length", "3".parse().unwrap());
    ask(&mut send, sized, Some(b"abc")).await.unwrap();
    ask(&mut send, post("/empty"), None).await.unwrap();
    let requests = service.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| (request.field("transfer-encoding"), request.field("content-length"), request.text()))
        .collect();
    let expected = [
        (Some("chunked"), None, "one body".to_owned()),
        (None, Some("3"), "abc".to_owned()),
        (None, Some("0"), String::new()),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn cookies_are_one_field_in_http1() {
    let service = Service::text("ok").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut request = get("/");
    for crumb in ["a=1", "b=2"] {
        request.headers_mut().append("cookie", crumb.parse().unwrap());
    }
    ask(&mut connect(address).await, request, None).await.unwrap();
    assert_eq!(service.requests().remove(0).field("cookie"), Some("a=1; b=2"));
}

#[tokio::test]
async fn there_is_room_for_what_is_added_to_the_most_fields() {
    // With the line of its length an answer has as many fields as a service may send, or one more.
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            let cookies = if request.target() == "/most" { 127 } else { 128 };
            let fields = (0..cookies).map(|number| format!("Set-Cookie: c{number}=a\r\n"));
            let fields = fields.collect::<Vec<_>>().concat();
            connection.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok")).await;
        }
    })
    .await;
    let counts = common::h2::service(h2::server::Builder::new(), |request, mut respond| async move {
        let set = request.headers().keys().filter(|name| name.as_str().starts_with("x-set-")).count();
        let sent = request.headers().keys().filter(|name| name.as_str().starts_with("x-sent-")).count();
        let response = Response::builder().header("x-counted", format!("{set} {sent}")).body(()).unwrap();
        respond.send_response(response, true).unwrap();
    })
    .await;
    let mut config = config(&[service.address]);
    config.limits.headers = 128;
    config.services.insert(common::name("counts"), common::service(&[counts]));
    let to_counts = speaks_h2(config.clone()).services[&common::name("counts")].clone();
    config.services.insert(common::name("counts"), to_counts);
    let names = (0..Filter::SET_FIELDS).map(|number| format!("x-set-{number}"));
    let set =
        |kind: fn(String, String) -> Filter| names.clone().map(move |name| kind(name, "a".into())).collect();
    config.routes[0].filters = set(Filter::SetResponseHeader);
    let mut route =
        common::route("counts", Some(haechi_route::config::PathPattern::Exact("/count".into())), &[]);
    route.filters = set(Filter::SetRequestHeader);
    route.action = haechi_route::config::Action::Service(common::name("counts"));
    config.routes.push(route);
    let (_gateway, address) = start(config).await;
    let mut old = Client::connect(address).await;
    let mut send = connect(address).await;
    let new = ask(&mut send, get("/most"), None).await.unwrap();
    for (status, set) in [(new.status(), new.field("x-set-31").map(str::to_owned)), {
        let answer = old.get("/most").await;
        (answer.status(), answer.field("x-set-31").map(str::to_owned))
    }] {
        assert_eq!((status, set.as_deref()), (200, Some("a")));
    }
    let sent = (0..127).map(|number| format!("X-Sent-{number}: a\r\n")).collect::<Vec<_>>().concat();
    old.send(format!("GET /count HTTP/1.1\r\nHost: a\r\n{sent}\r\n")).await;
    assert_eq!(old.response().await.unwrap().field("x-counted"), Some("32 127"));
    // What is too much is too much in both versions.
    assert_eq!(ask(&mut send, get("/more"), None).await.unwrap().status(), 502);
    assert_eq!(old.get("/more").await.status(), 502);
}

#[tokio::test]
async fn a_client_of_http1_reaches_a_service_of_http2() {
    let (_gateway, address) = start(speaks_h2(config(&[echo().await]))).await;
    let mut client = Client::connect(address).await;
    client.send("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").await;
    let answer = client.response().await.unwrap();
    assert_eq!(answer.field("x-via"), Some("1.1 haechi"));
    assert!(answer.text().starts_with("POST http://127.0.0.1:"), "{}", answer.text());
    assert!(answer.text().ends_with("/a?b None abc"), "{}", answer.text());
    assert!(client.get("/c").await.text().ends_with("/c None "));
}

#[tokio::test]
async fn what_http2_can_not_say_as_it_came_is_no_fault_of_the_service() {
    let mut config = speaks_h2(config(&[echo().await]));
    config.routes[0].filters.push(Filter::KeepHost);
    let (gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    let answer = client.get("/c?a=\"<b>\"").await;
    assert!(answer.text().ends_with("/c?a=%22%3Cb%3E%22 None "), "{}", answer.text());
    // HTTP/1.0 may do without a Host, HTTP/2 may not do without an authority.
    let mut client = Client::connect(address).await;
    client.send("GET /old HTTP/1.0\r\n\r\n").await;
    let answer = client.response().await.unwrap().text();
    assert!(answer.starts_with("GET http://127.0.0.1:"), "{answer}");
    for _ in 0..8 {
        let mut client = Client::connect(address).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        assert_eq!(client.response().await.unwrap().status(), 502);
    }
    assert!(gateway.metrics().contains("haechi_ejections_total{service=\"app\"} 0\n"));
}

#[tokio::test]
async fn trailers_pass_between_those_who_take_them() {
    let (_gateway, address) = start(speaks_h2(config(&[echo().await]))).await;
    let send = connect(address).await;
    let mut request = post("/t");
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    let (response, mut stream) = send.clone().ready().await.unwrap().send_request(request, false).unwrap();
    write(&mut stream, Bytes::from_static(b"body"), false).await.unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    stream.send_trailers(trailers).unwrap();
    let answer = read_answer(response).await.unwrap();
    assert!(answer.text().ends_with("/t Some(\"42\") body"), "{}", answer.text());
    assert_eq!(answer.trailers.get("x-done").unwrap(), "yes");
    // A client that did not say so gets none.
    let answer = ask(&mut send.clone(), get("/"), None).await.unwrap();
    assert!(answer.trailers.is_empty());
}

#[tokio::test]
async fn a_large_body_goes_both_ways_through_small_windows() {
    const SIZE: usize = 3 << 20;
    let mut config = speaks_h2(config(&[echo().await]));
    config.limits.http2_window = 64 << 10;
    let (_gateway, address) = start(config).await;
    let send = connect(address).await;
    let (response, mut stream) = send.clone().ready().await.unwrap().send_request(post("/"), false).unwrap();
    write(&mut stream, vec![b'x'; SIZE].into(), true).await.unwrap();
    let answer = read_answer(response).await.unwrap();
    assert!(answer.body.ends_with(&vec![b'x'; SIZE]));
}

#[tokio::test]
async fn a_small_body_leaves_no_faster_than_the_services_window_opens() {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(10);
    let service = common::h2::service(builder, |request, mut respond| async move {
        let mut body = request.into_body();
        let (mut all, mut most) = (0, 0);
        while let Some(Ok(piece)) = body.data().await {
            body.flow_control().release_capacity(piece.len()).unwrap();
            (all, most) = (all + piece.len(), most.max(piece.len()));
        }
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        write(&mut stream, format!("{all} in pieces of {most}").into(), true).await.unwrap();
    });
    let (_gateway, address) = start(speaks_h2(config(&[service.await]))).await;
    let mut send = connect(address).await;
    // Until the service's SETTINGS are there, the window is the usual one. They come before its first answer.
    assert_eq!(ask(&mut send, get("/"), None).await.unwrap().text(), "0 in pieces of 0");
    let answer = ask(&mut send, post("/"), Some(&[b'x'; 1000])).await.unwrap();
    assert_eq!(answer.text(), "1000 in pieces of 10");
}

#[tokio::test]
async fn a_head_answer_and_an_error_have_the_right_end() {
    let service = Service::text("hello").await;
    let mut config = config(&[service.address]);
    config.routes[0].matches.path = Some(haechi_route::config::PathPattern::Prefix("/a".into()));
    let (_gateway, address) = start(config).await;
    let mut send = connect(address).await;
    let answer = ask(&mut send, get("/b"), None).await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (404, "no route matches this request\n"));
    assert_eq!(ask(&mut send, get("/a"), None).await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_a_service_refused_to_begin_is_sent_again_even_a_post() {
    let refusing = common::h2::service(h2::server::Builder::new(), |mut request, mut respond| async move {
        // By then all of it went out, much of it after the head.
        common::h2::read(request.body_mut()).await.unwrap();
        respond.send_reset(h2::Reason::REFUSED_STREAM);
    });
    let (_gateway, address) = start(speaks_h2(config(&[refusing.await, echo().await]))).await;
    let mut send = connect(address).await;
    for _ in 0..4 {
        let answer = ask(&mut send, post("/once"), Some(b"abc")).await.unwrap();
        assert!(answer.text().ends_with("/once None abc"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_drain_lets_streams_end_and_no_other_begin() {
    let service = Service::start(|mut connection| async move {
        while connection.request().await.is_some() {
            GO.notified().await;
            connection.reply("late").await;
        }
    })
    .await;
    let (gateway, address) = start(config(&[service.address])).await;
    let mut send = connect(address).await;
    let (response, _) = send.send_request(get("/"), true).unwrap();
    service.wait_for(1).await;
    let draining = tokio::spawn(async move { gateway.drain(std::time::Duration::from_secs(20)).await });
    // The client is told before its stream ends.
    let refused = loop {
        match send.clone().ready().await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.reason(), Some(h2::Reason::NO_ERROR));
    GO.notify_one();
    assert_eq!(read_answer(response).await.unwrap().text(), "late");
    assert_eq!(draining.await.unwrap().cut, 0);
}

static GO: tokio::sync::Notify = tokio::sync::Notify::const_new();
