//! HTTP/3 from clients, spoken by the `h3` crate.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::h3::{NAME, Saw, ask, connect, quic, read_answer, request, speaks_h3};
use common::tls::{Ca, serial_of};
use common::{config, service, start};
use haechi_core::Generation;
use haechi_route::config::{GatewayConfig, Http3, Protocol};
use haechi_testkit::{Service, h3 as wire};
use http::HeaderMap;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

/// A connection closed because nothing more is to be said (RFC 9114 §8.1).
const NO_ERROR: u64 = 0x100;

/// A request that was not looked at.
const REQUEST_REJECTED: u64 = 0x10b;

#[tokio::test]
async fn requests_reach_a_service_of_http1() {
    let (ca, service) = (Ca::new("ca"), Service::text("hello").await);
    let (gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let (_connection, send) = connect(&ca, address).await;
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..50 {
        let mut send = send.clone();
        asked.spawn(
            async move { ask(&mut send, request("GET", &format!("/a?b={number}")), None).await.unwrap() },
        );
    }
    for answer in asked.join_all().await {
        assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
        assert_eq!((answer.field("connection"), answer.field("alt-svc")), (None, None));
    }
    let seen = service.requests().remove(0);
    assert!(seen.target().starts_with("/a?b="));
    assert_eq!((seen.field("x-forwarded-proto"), seen.field("via")), (Some("https"), Some("3.0 haechi")));
    assert_eq!(
        (seen.field("transfer-encoding"), seen.field("x-forwarded-host")),
        (None, Some("test.example"))
    );
    let metrics = gateway.metrics();
    assert!(metrics.contains("\nhaechi_http3_requests_total 50\n"), "{metrics}");
    assert!(metrics.contains("\nhaechi_http3_connections 1\n"), "{metrics}");
}

#[tokio::test]
async fn bodies_are_framed_anew() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let (_gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let (_connection, mut send) = connect(&ca, address).await;
    ask(&mut send, request("POST", "/chunked"), Some("one body".into())).await.unwrap();
    let mut sized = request("POST", "/sized");
    sized.headers_mut().insert("content-length", "3".parse().unwrap());
    ask(&mut send, sized, Some("abc".into())).await.unwrap();
    let head = ask(&mut send, request("HEAD", "/head"), None).await.unwrap();
    assert_eq!((head.status(), head.field("content-length"), head.body.len()), (200, Some("2"), 0));
    let seen: Vec<_> = service
        .requests()
        .iter()
        .map(|seen| {
            (
                seen.field("transfer-encoding").map(str::to_owned),
                seen.field("content-length").map(str::to_owned),
                seen.text(),
            )
        })
        .collect();
    let expected = [
        (Some("chunked".to_owned()), None, "one body".to_owned()),
        (None, Some("3".to_owned()), "abc".to_owned()),
        (None, None, String::new()),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_gateways_own_answers() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.routes[0].matches.path = Some(haechi_route::config::PathPattern::Prefix("/known".into()));
    let (_gateway, address) = start(config).await;
    let (_connection, mut send) = connect(&ca, address).await;
    let missing = ask(&mut send, request("GET", "/other"), None).await.unwrap();
    assert_eq!((missing.status(), missing.field("content-type")), (404, Some("text/plain; charset=utf-8")));
    let missing = ask(&mut send, request("HEAD", "/other"), None).await.unwrap();
    assert_eq!((missing.status(), missing.body.len()), (404, 0));
    // A body that nobody wanted doesn't harm the connection.
    let missing = ask(&mut send, request("POST", "/other"), Some("body".into())).await.unwrap();
    assert_eq!(missing.status(), 404);
    let other = http::Request::get("https://other.example/known").body(()).unwrap();
    assert_eq!(ask(&mut send, other, None).await.unwrap().status(), 200);
    assert_eq!(ask(&mut send, request("GET", "/known"), None).await.unwrap().text(), "ok");
}

async fn over_tcp(ca: &Ca, address: std::net::SocketAddr) -> String {
    let mut stream = common::tls::connect(address, &ca.client(None), NAME).await.unwrap();
    common::tls::get(&mut stream, NAME, "ok").await.unwrap()
}

#[tokio::test]
async fn answers_over_tcp_announce_it() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.listeners.get_mut("web").unwrap().http3 =
        Some(Http3 { port: Some(443), max_age: Duration::from_secs(60) });
    let (_gateway, address) = start(config.clone()).await;
    let answer = over_tcp(&ca, address).await;
    assert!(answer.contains("\r\nAlt-Svc: h3=\":443\"; ma=60\r\n"), "{answer}");
    config.listeners.get_mut("web").unwrap().http3 = Some(Http3::default());
    let (_gateway, address) = start(config).await;
    let answer = over_tcp(&ca, address).await;
    let expected = format!("\r\nAlt-Svc: h3=\":{}\"; ma=86400\r\n", address.port());
    assert!(answer.contains(&expected), "{answer}");
}

/// A service of HTTP/2 that says what it got, with trailers.
async fn echo() -> std::net::SocketAddr {
    common::h2::service(h2::server::Builder::new(), |request, mut respond| async move {
        let (head, mut stream) = request.into_parts();
        let Ok((body, trailers)) = common::h2::read(&mut stream).await else { return };
        let sum = trailers.get("x-sum").map(|value| value.to_str().unwrap().to_owned());
        let said = format!("{} {} {sum:?} {}", head.method, head.uri.path(), body.len());
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        common::h2::write(&mut stream, said.into(), false).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-done", "yes".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
    })
    .await
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let ca = Ca::new("ca");
    let mut config = speaks_h3(config(&[echo().await]), &ca);
    for service in config.services.values_mut() {
        service.protocol = Protocol::Http2;
    }
    let (_gateway, address) = start(config).await;
    let (_connection, mut send) = connect(&ca, address).await;
    let mut asked = request("POST", "/t");
    asked.headers_mut().insert("te", "trailers".parse().unwrap());
    let mut stream = send.send_request(asked).await.unwrap();
    stream.send_data("body".into()).await.unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    stream.send_trailers(trailers).await.unwrap();
    stream.finish().await.unwrap();
    let answer = read_answer(&mut stream).await.unwrap();
    assert_eq!(answer.text(), "POST /t Some(\"42\") 4");
    assert_eq!(answer.trailers.get("x-done").unwrap(), "yes");
    // A client that did not say so gets none.
    let answer = ask(&mut send, request("GET", "/"), None).await.unwrap();
    assert!(answer.trailers.is_empty());
}

#[tokio::test]
async fn a_large_body_goes_both_ways_through_small_windows() {
    const SIZE: usize = 3 << 20;
    let ca = Ca::new("ca");
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len());
            connection.send([head.as_bytes(), &request.body].concat()).await;
        }
    })
    .await;
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.limits.http3_window = 64 << 10;
    config.limits.http3_connection_window = 64 << 10;
    let (_gateway, address) = start(config).await;
    let (_connection, mut send) = connect(&ca, address).await;
    let body: Bytes = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let answer = ask(&mut send, request("POST", "/"), Some(body.clone())).await.unwrap();
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
}

#[tokio::test]
async fn a_service_that_reads_nothing_stops_the_client() {
    let ca = Ca::new("ca");
    let service = Service::start(|mut connection| async move {
        connection.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let (_gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let (_connection, mut send) = connect(&ca, address).await;
    let mut stream = send.send_request(request("POST", "/")).await.unwrap();
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let mut sent = 0;
    // Until nothing is taken for a while that is long enough for all to have been taken.
    while tokio::time::timeout(Duration::from_secs(1), stream.send_data(piece.clone())).await.is_ok() {
        sent += piece.len();
        // Most of it is in the kernel's buffers between the gateway and the service.
        assert!(sent < 24 << 20, "{sent} bytes left the client");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_to_the_service() {
    let ca = Ca::new("ca");
    let (told, mut ended) = mpsc::unbounded_channel();
    let service = Service::start(move |mut connection| {
        let told = told.clone();
        async move {
            let Some(_) = connection.request().await else { return };
            told.send("asked").unwrap();
            // The end of the connection: no second request comes.
            assert!(connection.head().await.is_none());
            told.send("gone").unwrap();
        }
    })
    .await;
    let (gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let (connection, mut send) = connect(&ca, address).await;
    // By stopping the stream.
    let mut stream = send.send_request(request("GET", "/a")).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(ended.recv().await, Some("asked"));
    stream.stop_sending(h3::error::Code::H3_REQUEST_CANCELLED);
    assert_eq!(ended.recv().await, Some("gone"));
    // By leaving altogether.
    let mut stream = send.send_request(request("GET", "/b")).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(ended.recv().await, Some("asked"));
    connection.close(0x100_u32.into(), b"");
    assert_eq!(ended.recv().await, Some("gone"));
    let metrics = gateway.metrics();
    assert!(metrics.contains("haechi_clients_gone_total{route=\"all\"} "), "{metrics}");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_reset() {
    let ca = Ca::new("ca");
    let service = Service::start(|mut connection| async move {
        let Some(_) = connection.request().await else { return };
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    })
    .await;
    let (_gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let (_connection, mut send) = connect(&ca, address).await;
    ask(&mut send, request("GET", "/"), None).await.unwrap_err();
}

#[tokio::test]
async fn a_request_is_retried_on_another_endpoint() {
    let (ca, good) = (Ca::new("ca"), Service::text("ok").await);
    let dead = Service::refusing();
    let mut config = config(&[dead]);
    config.services.insert(common::name("app"), service(&[dead, good.address]));
    let (_gateway, address) = start(speaks_h3(config, &ca)).await;
    let (_connection, mut send) = connect(&ca, address).await;
    for _ in 0..4 {
        let answer = ask(&mut send, request("POST", "/"), Some("small".into())).await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    }
    assert!(good.requests().iter().all(|request| request.text() == "small"));
}

/// A service that answers when it is told to.
async fn patient() -> (Service, mpsc::UnboundedSender<()>) {
    let (answer, answers) = mpsc::unbounded_channel::<()>();
    let answers = std::sync::Arc::new(tokio::sync::Mutex::new(answers));
    let service = Service::start(move |mut connection| {
        let answers = answers.clone();
        async move {
            while connection.request().await.is_some() {
                if answers.lock().await.recv().await.is_none() {
                    return;
                }
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await;
            }
        }
    })
    .await;
    (service, answer)
}

/// Both versions, and HTTP/1.1 for what differs there: docs/decisions/0107-http3.md.
#[tokio::test]
async fn http2_and_http3_take_the_same_schemes_and_queries() {
    let (ca, service) = (Ca::new("ca"), Service::text("hello").await);
    let (_gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let connection = quic(&ca, None, address).await.unwrap();
    let (_gateway, plain) = common::start(config(&[service.address])).await;
    for (scheme, path, taken) in [
        ("https", "/a", true),
        ("http", "/a", true),
        ("https", "/a?b=%22", true),
        ("https", "/a?b=\"", false),
    ] {
        let head = [(":method", "GET"), (":scheme", scheme), (":path", path), (":authority", "a")];
        let saw = common::h3::say(&connection, &wire::frame(1, &wire::section(&head))).await;
        assert_eq!(saw == Saw::Status(200), taken, "{scheme} {path}: {saw:?}");
        // The frame layer of HTTP/2, of which a well made client is one half, has the same parser.
        let uri = format!("{scheme}://a{path}").parse::<http::Uri>();
        assert_eq!(uri.is_ok(), taken, "{scheme} {path}");
        if let Ok(uri) = uri {
            let mut request = common::h2::get("/");
            *request.uri_mut() = uri;
            let mut send = common::h2::connect(plain).await;
            assert_eq!(common::h2::ask(&mut send, request, None).await.unwrap().status(), 200);
        }
        let mut old = haechi_testkit::Client::connect(plain).await;
        assert_eq!(old.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_drain_lets_streams_end_and_takes_no_more() {
    let (ca, (service, answer)) = (Ca::new("ca"), patient().await);
    let (gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let connection = quic(&ca, None, address).await.unwrap();
    let head = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")];
    let head = wire::frame(1, &wire::section(&head));
    let (mut send, receive) = connection.open_bi().await.unwrap();
    send.write_all(&head).await.unwrap();
    send.finish().unwrap();
    service.wait_for(1).await;
    let drain = tokio::spawn(async move { gateway.drain(Duration::from_secs(20)).await });
    // GOAWAY for all streams but the first one comes behind the settings.
    let mut control = connection.accept_uni().await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(&[7, 1, 4]) {
        let mut byte = [0];
        control.read_exact(&mut byte).await.unwrap();
        said.push(byte[0]);
    }
    assert_eq!(common::h3::say(&connection, &head).await, Saw::Reset(REQUEST_REJECTED));
    answer.send(()).unwrap();
    assert_eq!(common::h3::see(receive).await, Saw::Status(200));
    match connection.closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => {
            assert_eq!(close.error_code.into_inner(), NO_ERROR);
        }
        other => panic!("{other}"),
    }
    assert_eq!(drain.await.unwrap().cut, 0);
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn a_configuration_opens_and_closes_it() {
    let (ca, (service, answer)) = (Ca::new("ca"), patient().await);
    let with = speaks_h3(config(&[service.address]), &ca);
    let mut without = with.clone();
    without.listeners.get_mut("web").unwrap().http3 = None;
    let (gateway, address) = start(with.clone()).await;
    let (_connection, mut send) = connect(&ca, address).await;
    let mut stream = send.send_request(request("GET", "/")).await.unwrap();
    stream.finish().await.unwrap();
    service.wait_for(1).await;
    let at = |config: &GatewayConfig| {
        let mut config = config.clone();
        config.listeners.get_mut("web").unwrap().listen = "127.0.0.1:0".parse().unwrap();
        config
    };
    gateway.apply(at(&without), Generation(2)).await.unwrap();
    // Who comes now is refused, who was there is served.
    quic(&ca, None, address).await.unwrap_err();
    // Wanted again while the old connection still ends: it waits for the port.
    gateway.apply(at(&with), Generation(3)).await.unwrap();
    answer.send(()).unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().text(), "late");
    answer.send(()).unwrap();
    loop {
        let Ok(connection) = quic(&ca, None, address).await else { continue };
        let (mut driver, mut send) = h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
        tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
        assert_eq!(ask(&mut send, request("GET", "/"), None).await.unwrap().text(), "late");
        break;
    }
}

fn serial(connection: &quinn::Connection) -> u8 {
    let chain = connection.peer_identity().unwrap();
    serial_of(&chain.downcast::<Vec<CertificateDer<'static>>>().unwrap()[0])
}

#[tokio::test]
async fn a_certificate_that_changes_on_disk_is_live() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let (gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let (old, mut send) = connect(&ca, address).await;
    assert_eq!(serial(&old), 1);
    ca.write("a.pem", &[NAME], 2);
    while serial(&quic(&ca, None, address).await.unwrap()) != 2 {}
    assert_eq!(gateway.generation(), Generation(1), "without a reload");
    assert_eq!(ask(&mut send, request("GET", "/"), None).await.unwrap().text(), "ok");
}

#[tokio::test]
async fn listeners_that_change_names_go_on() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    let (gateway, address) = start(config.clone()).await;
    let mut listener = config.listeners.remove("web").unwrap();
    listener.listen = address.into();
    config.listeners.insert("other".to_owned(), listener);
    gateway.apply(config, Generation(2)).await.unwrap();
    loop {
        // Until the port is free.
        let Ok(connection) = quic(&ca, None, address).await else { continue };
        let (mut driver, mut send) = h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
        tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
        assert_eq!(ask(&mut send, request("GET", "/"), None).await.unwrap().text(), "ok");
        break;
    }
    let answer = over_tcp(&ca, address).await;
    assert!(answer.contains("\r\nAlt-Svc: h3="), "{answer}");
}

#[tokio::test]
async fn a_client_whose_address_changes_goes_on() {
    let (ca, (service, answer)) = (Ca::new("ca"), patient().await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    // Nobody but the one who knows the connection may get its packets.
    config.workers = 2;
    let (_gateway, address) = start(config).await;
    let endpoint = common::h3::endpoint(&ca, None);
    let connection = endpoint.connect(address, NAME).unwrap().await.unwrap();
    let (mut driver, mut send) = h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    let mut stream = send.send_request(request("GET", "/")).await.unwrap();
    stream.finish().await.unwrap();
    service.wait_for(1).await;
    endpoint.rebind(std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap()).unwrap();
    let mut other = send.send_request(request("GET", "/after")).await.unwrap();
    other.finish().await.unwrap();
    service.wait_for(2).await;
    answer.send(()).unwrap();
    answer.send(()).unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().text(), "late");
    assert_eq!(read_answer(&mut other).await.unwrap().text(), "late");
}
