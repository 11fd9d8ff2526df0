//! Services at Unix sockets.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::unix::{self, at, forward, service_at};
use common::{config, name, start, start_any};
use haechi_core::{Address, SystemClock};
use haechi_gateway::Gateway;
use haechi_route::config::{GatewayConfig, Layer4, Layer4Route, ListenerProtocol, Protocol, ProxyVersion};
use haechi_testkit::{Client, Connection, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const LARGE: usize = 3 << 20;

/// Bytes of which no part looks like another.
fn pattern(seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(LARGE).collect()
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = gateway.metrics();
    let sum = metrics.lines().filter(|line| line.starts_with(name)).map(|line| {
        let value = line.rsplit(' ').next().unwrap();
        value.parse::<u64>().unwrap()
    });
    sum.sum()
}

fn unix(path: &Path) -> Address {
    Address::unix(path.to_owned())
}

fn to(addresses: &[Address]) -> GatewayConfig {
    let mut config = config(&[]);
    config.services.insert(name("app"), service_at(addresses));
    config
}

/// Answers each request with its body, on a connection that is kept.
async fn echo() -> Service {
    Service::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let mut answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()).into_bytes();
            answer.extend_from_slice(&request.body);
            connection.send(answer).await;
        }
    })
    .await
}

#[tokio::test]
async fn requests_share_a_kept_connection_and_host_is_one_that_may_stand_there() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let path = folder.path().join("app.sock");
    let _forward = forward(&path, service.address);
    let (gateway, address) = start(to(&[unix(&path)])).await;
    let mut client = Client::connect(address).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "hi");
    }
    assert_eq!((service.connections(), service.requests().len()), (1, 20));
    assert_eq!(service.requests()[0].field("host"), Some("localhost"));
    let status = serde_json::to_value(gateway.status().await).unwrap();
    let endpoint = &status["services"]["app"]["endpoints"][format!("unix:{}", path.display())];
    assert_eq!((&endpoint["state"], &endpoint["requests"]), (&"admitting".into(), &20.into()));
}

#[tokio::test]
async fn large_bodies_arrive_to_the_byte_with_unix_sockets_on_both_sides() {
    let (folder, service) = (tempfile::tempdir().unwrap(), echo().await);
    let (web, app) = (folder.path().join("web.sock"), folder.path().join("app.sock"));
    let _forward = forward(&app, service.address);
    let mut config = to(&[unix(&app)]);
    config.listeners.insert("unix".into(), at(&web, 0o600));
    let (gateway, address) = start(config).await;
    let upload = |body: &[u8]| {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let mut client = unix::Client::connect(&web).await;
    for seed in [1, 2, 3] {
        let body = pattern(seed);
        // What follows the body is the next request, and must not go with it.
        client.send([upload(&body), upload(b"next")].concat()).await;
        assert!(client.answer().await.1 == body);
        assert_eq!(client.answer().await.1, b"next");
    }
    assert_eq!(service.connections(), 1);
    // Of six bodies, in two directions each, some part may have been copied.
    assert!(metric(&gateway, "haechi_spliced_bytes_total") > 4 * LARGE as u64);
    let mut client = Client::connect(address).await;
    let body = pattern(4);
    client.send(upload(&body)).await;
    assert!(client.response().await.unwrap().body == body, "from one kind of socket to the other");
}

#[tokio::test]
async fn a_service_that_restarts_is_found_again_and_one_that_is_gone_costs_no_request() {
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::text("hi").await);
    let (a, b) = (folder.path().join("a.sock"), folder.path().join("b.sock"));
    let first = forward(&a, service.address);
    let _second = forward(&b, service.address);
    let (gateway, address) = start(to(&[unix(&a), unix(&b)])).await;
    let mut client = Client::connect(address).await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    for round in 0..4 {
        for _ in 0..10 {
            assert_eq!(client.get("/").await.text(), "hi");
            client.send(post).await;
            assert_eq!(client.response().await.unwrap().text(), "hi");
        }
        match round {
            // Killed: its file stays, and nobody listens.
            0 => first.abort(),
            1 => std::fs::remove_file(&a).unwrap(),
            _ => {}
        }
        if round == 0 {
            while UnixStream::connect(&a).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(service.requests().iter().filter(|request| request.method() == "POST").count(), 40);
    assert!(metric(&gateway, "haechi_ejections_total") > 0);
    // Alone, and gone for a moment.
    let (gateway, address) = start(to(&[unix(&a)])).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/").await.status(), 502);
    let _again = forward(&a, service.address);
    assert_eq!(client.get("/").await.text(), "hi");
    drop(gateway);
}

#[tokio::test]
async fn a_full_queue_is_waited_for_as_it_is_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = UnixStream::connect(&path).await {
        waiting.push(stream);
    }
    let (gateway, address) = start(to(&[unix(&path)])).await;
    let mut client = Client::connect(address).await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    while metric(&gateway, "haechi_connects_total") == 0 {
        tokio::task::yield_now().await;
    }
    drop(waiting);
    let listener =
        UnixListener::from_std(std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket)));
    let listener = listener.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        // Those before it were closed.
        if stream.read_buf(&mut request).await.unwrap() > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
            break;
        }
    }
    assert_eq!(client.response().await.unwrap().text(), "hi");
    assert_eq!(metric(&gateway, "haechi_retries_total"), 0);
}

#[tokio::test]
async fn http_2_and_other_protocols_pass_from_gateway_to_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inner.sock");
    let service = Service::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            if request.field("upgrade").is_none() {
                connection.reply("hi").await;
                continue;
            }
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
            connection.send(head).await;
            let (mut read, mut write) = connection.stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            return;
        }
    })
    .await;
    let mut inner = config(&[service.address]);
    inner.listeners.insert("unix".into(), at(&path, 0o600));
    let (_inner, _) = start(inner).await;
    let mut outer = to(&[unix(&path)]);
    let (_plain, address) = start(outer.clone()).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status(), 101);
    for _ in 0..3 {
        client.send("ping").await;
        let mut echoed = [0; 4];
        client.stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"ping");
    }
    outer.services.get_mut(&name("app")).unwrap().protocol = Protocol::Http2;
    let (gateway, address) = start(outer).await;
    let mut client = Client::connect(address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "hi");
    }
    assert_eq!(metric(&gateway, "haechi_connects_total"), 1);
    let request = service.requests().pop().unwrap();
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1, unknown"));
}

#[tokio::test]
async fn layer_4_passes_on_from_and_to_unix_sockets_and_says_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (edge, app) = (folder.path().join("edge.sock"), folder.path().join("app.sock"));
    let service = UnixListener::bind(&app).unwrap();
    let mut config = to(&[unix(&app)]);
    config.routes.clear();
    config.listeners.clear();
    let protocol = ListenerProtocol::Layer4(Layer4::Tcp);
    config.listeners.insert("edge".into(), haechi_route::config::Listener { protocol, ..at(&edge, 0o600) });
    let route = haechi_core::RouteName::new("app").unwrap();
    config.layer4.push(Layer4Route::new(route, Layer4::Tcp, "edge".into(), name("app")));
    config.services.get_mut(&name("app")).unwrap().proxy_protocol = Some(ProxyVersion::V1);
    let gateway = start_any(SystemClock::start(), config).await;
    let mut client = UnixStream::connect(&edge).await.unwrap();
    let (mut served, _) = service.accept().await.unwrap();
    let mut header = [0; 15];
    served.read_exact(&mut header).await.unwrap();
    assert_eq!(&header, b"PROXY UNKNOWN\r\n");
    let body = pattern(5);
    let (sent, received) = (body.clone(), body);
    let sending = tokio::spawn(async move {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        back
    });
    let mut seen = Vec::new();
    served.read_to_end(&mut seen).await.unwrap();
    assert!(seen == received);
    served.write_all(b"thanks").await.unwrap();
    drop(served);
    assert_eq!(sending.await.unwrap(), b"thanks");
    assert!(metric(&gateway, "haechi_spliced_bytes_total") > 0);
}
