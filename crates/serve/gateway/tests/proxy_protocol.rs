//! The PROXY protocol: from proxies in front, to services behind, and with HAProxy as both.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Stdio;
use std::time::Duration;

use common::tls::{Ca, tls};
use common::{config, name, start};
use haechi_gateway::Gateway;
use haechi_route::config::{AccessLog, GatewayConfig, LogFormat, ProxyFrom, ProxyVersion};
use haechi_testkit::{Client, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const V1: &str = "PROXY TCP4 203.0.113.9 198.51.100.7 50000 443\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";

fn behind_proxy(service: &Service, networks: &[&str]) -> GatewayConfig {
    let mut config = config(&[service.address]);
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    config.listeners.get_mut("web").unwrap().proxy_protocol = Some(ProxyFrom { networks });
    config
}

async fn wait_for(gateway: &Gateway, line: &str) {
    while !gateway.metrics().lines().any(|seen| seen == line) {
        tokio::task::yield_now().await;
    }
}

/// A header of version 2 for the same client as in [`V1`].
fn v2(command: u8) -> Vec<u8> {
    let addresses = [203, 0, 113, 9, 198, 51, 100, 7, 0xC3, 0x50, 0x01, 0xBB];
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11, 0, 12][..], &addresses].concat()
}

#[tokio::test]
async fn services_and_the_log_hear_of_the_client_that_the_header_names() {
    let service = Service::text("hi").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut config = behind_proxy(&service, &["127.0.0.0/8"]);
    config.access_log = Some(AccessLog { path: Some(path.clone()), format: LogFormat::Text });
    let (gateway, address) = start(config).await;
    let headers = [(V1.as_bytes().to_vec(), true), (v2(0x21), true), (v2(0x20), false)];
    for (header, names_client) in headers {
        let mut client = Client::connect(address).await;
        // The header comes in pieces, and what follows it together with its end.
        for byte in &header[..header.len() - 1] {
            client.send([*byte]).await;
        }
        client.send([&header[header.len() - 1..], GET.as_bytes()].concat()).await;
        assert_eq!(client.response().await.unwrap().body, b"hi");
        assert_eq!(client.get("/again").await.body, b"hi");
        let request = service.requests().pop().unwrap();
        let asked = if names_client { "203.0.113.9" } else { "127.0.0.1" };
        let port = if names_client { "443".to_owned() } else { address.port().to_string() };
        assert_eq!(request.field("x-forwarded-for"), Some(asked));
        assert_eq!(request.field("x-forwarded-port"), Some(port.as_str()));
    }
    let metrics = gateway.metrics();
    for line in ["{result=\"proxied\"} 2", "{result=\"local\"} 1", "{result=\"absent\"} 0"] {
        assert!(metrics.contains(&format!("haechi_proxy_headers_total{line}\n")), "{line}");
    }
    gateway.drain(Duration::from_secs(60)).await;
    let log = std::fs::read_to_string(path).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(" 203.0.113.9 ")).count(), 4, "{log}");
}

#[tokio::test]
async fn a_connection_without_a_whole_header_is_closed_and_counted() {
    let service = Service::text("hi").await;
    let mut config = behind_proxy(&service, &[]);
    config.limits.handshake_timeout = Duration::from_millis(50);
    let (gateway, address) = start(config).await;
    let long = [&v2(0x21)[..14], &[0xFF, 0xFF]].concat();
    let cases: [(&[u8], &str); 5] = [
        (GET.as_bytes(), "absent"),
        (b"PROXY TCP4 203.0.113.9 198.51.100.7 50000\r\n", "malformed"),
        (&v2(0x2F), "malformed"),
        (&long, "malformed"),
        (b"PROXY TCP4 ", "late"),
    ];
    for (bytes, _) in cases {
        let mut client = Client::connect(address).await;
        client.send(bytes).await;
        assert_eq!(client.rest().await, b"", "{:?}", String::from_utf8_lossy(bytes));
    }
    drop(Client::connect(address).await);
    for (result, count) in [("absent", 1), ("malformed", 3), ("late", 1), ("closed", 1)] {
        wait_for(&gateway, &format!("haechi_proxy_headers_total{{result=\"{result}\"}} {count}")).await;
    }
    for limit in ["proxy_header", "handshake_timeout"] {
        wait_for(&gateway, &format!("haechi_limit_strikes_total{{limit=\"{limit}\"}} 1")).await;
    }
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn who_is_no_proxy_has_no_header_and_cannot_claim_an_address() {
    let service = Service::text("hi").await;
    let (_gateway, address) = start(behind_proxy(&service, &["192.0.2.0/24"])).await;
    assert_eq!(Client::connect(address).await.get("/").await.status(), 200);
    let mut liar = Client::connect(address).await;
    liar.send([V1, GET].concat()).await;
    assert_eq!(liar.response().await.unwrap().status(), 400);
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn connections_are_bounded_by_the_address_that_the_header_names() {
    let service = Service::text("hi").await;
    let mut config = behind_proxy(&service, &[]);
    config.limits.connections_per_address = 1;
    let (gateway, address) = start(config).await;
    let ask = async |header: &str| {
        let mut client = Client::connect(address).await;
        client.send([header, GET].concat()).await;
        let answered = client.response().await.is_some();
        (client, answered)
    };
    let (first, answered) = ask(V1).await;
    assert!(answered);
    assert!(!ask(V1).await.1, "a second one from there");
    assert!(ask("PROXY TCP4 203.0.113.8 198.51.100.7 50000 443\r\n").await.1);
    drop(first);
    wait_for(&gateway, "haechi_client_connections 0").await;
    assert!(ask(V1).await.1, "the first one left");
}

#[tokio::test]
async fn a_tls_handshake_follows_the_header() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let certificate = ca.write("a.pem", &["a.example"], 1);
    let mut config = behind_proxy(&service, &[]);
    config.listeners.get_mut("web").unwrap().tls = Some(tls(&[&certificate]));
    let (_gateway, address) = start(config).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&v2(0x21)).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(ca.client(None));
    let mut stream = connector.connect("a.example".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(service.requests()[0].field("x-forwarded-for"), Some("203.0.113.9"));
}

/// A service that answers with the header that its connection began with.
async fn introduced() -> Service {
    Service::start(|mut connection| async move {
        let mut header = Vec::new();
        while !header.ends_with(b"\n") {
            header.push(connection.stream.read_u8().await.unwrap());
        }
        let header = String::from_utf8(header).unwrap();
        while connection.request().await.is_some() {
            connection.reply(header.trim_end()).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_service_hears_of_each_client_on_connections_of_its_own() {
    let service = introduced().await;
    let mut config = config(&[service.address]);
    config.services.get_mut(&name("app")).unwrap().proxy_protocol = Some(ProxyVersion::V1);
    let (_gateway, address) = start(config).await;
    let (mut a, mut b) = (Client::connect(address).await, Client::connect(address).await);
    for client in [&mut a, &mut b] {
        let from = client.stream.local_addr().unwrap();
        let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", from.port(), address.port());
        for _ in 0..2 {
            assert_eq!(String::from_utf8(client.get("/").await.body).unwrap(), expected);
        }
    }
    assert_eq!(service.connections(), 4, "none is used for another request");
}

#[tokio::test]
async fn what_a_header_said_is_passed_on() {
    let service = introduced().await;
    let mut config = behind_proxy(&service, &[]);
    config.services.get_mut(&name("app")).unwrap().proxy_protocol = Some(ProxyVersion::V1);
    let (_gateway, address) = start(config).await;
    let mut client = Client::connect(address).await;
    client.send([&v2(0x21), GET.as_bytes()].concat()).await;
    let told = client.response().await.unwrap().body;
    assert_eq!(String::from_utf8(told).unwrap(), V1.trim_end());
}

/// HAProxy with this configuration, and where it listens: at `fd@{fd}` in it. The socket is ours, so nobody waits
/// for it to start.
struct HaProxy {
    address: SocketAddr,
    _process: tokio::process::Child,
    _folder: tempfile::TempDir,
}

impl HaProxy {
    fn start(sections: &str) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        rustix::io::fcntl_setfd(listener.as_fd(), rustix::io::FdFlags::empty()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        let defaults =
            "defaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 60s\n";
        let sections = sections.replace("{fd}", &listener.as_raw_fd().to_string());
        std::fs::write(&file, format!("global\n maxconn 100\n{defaults}{sections}")).unwrap();
        let process = tokio::process::Command::new("haproxy")
            .args(["-q", "-db", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("can't run haproxy: {error}; see .ci/install"));
        Self { address: listener.local_addr().unwrap(), _process: process, _folder: folder }
    }
}

#[tokio::test]
async fn haproxy_in_front_says_who_asks_and_asks_for_health() {
    for version in ["", "-v2"] {
        let service = Service::text("hi").await;
        let (gateway, address) = start(behind_proxy(&service, &["127.0.0.1"])).await;
        let haproxy = HaProxy::start(&format!(
            "listen front\n bind fd@{{fd}}\n option httpchk GET /health\n \
             server gateway {address} send-proxy{version} check inter 10ms\n"
        ));
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(haproxy.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // Its checks are connections of its own; of that, version 2 alone has a word.
        let from = |target: &str| {
            let asked = service.requests().into_iter().find(|request| request.target() == target)?;
            asked.field("x-forwarded-for").map(str::to_owned)
        };
        assert_eq!(from("/").as_deref(), Some("127.0.0.2"), "{version}");
        while from("/health").is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(from("/health").as_deref(), Some("127.0.0.1"), "{version}");
        let no_local = gateway.metrics().contains("haechi_proxy_headers_total{result=\"local\"} 0\n");
        assert_eq!(no_local, version.is_empty());
    }
}

#[tokio::test]
async fn haproxy_behind_hears_who_asks() {
    let haproxy = HaProxy::start(
        "frontend back\n bind fd@{fd} accept-proxy\n http-request return status 200 content-type text/plain \
         lf-string \"%[src]:%[src_port] to %[dst]:%[dst_port]\"\n",
    );
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let mut config = config(&[haproxy.address]);
        config.services.get_mut(&name("app")).unwrap().proxy_protocol = Some(version);
        let (_gateway, address) = start(config).await;
        let mut client = Client::connect(address).await;
        let expected = format!("{} to {address}", client.stream.local_addr().unwrap());
        for _ in 0..2 {
            assert_eq!(String::from_utf8(client.get("/").await.body).unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn clients_of_http2_are_introduced_too() {
    let service = introduced().await;
    let mut config = config(&[service.address]);
    config.services.get_mut(&name("app")).unwrap().proxy_protocol = Some(ProxyVersion::V1);
    let (_gateway, address) = start(config).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let from = stream.local_addr().unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = http::Request::get(format!("http://{address}/")).body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    let told = answer.await.unwrap().into_body().data().await.unwrap().unwrap();
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", from.port(), address.port());
    assert_eq!(std::str::from_utf8(&told).unwrap(), expected);
    driving.abort();
}

#[tokio::test]
async fn a_service_that_begins_to_want_headers_gets_no_request_on_an_old_connection() {
    let service = Service::start(|mut connection| async move {
        let mut first = [0; 1];
        let peeked = connection.stream.peek(&mut first).await;
        if peeked.is_ok() && first == *b"P" {
            while connection.stream.read_u8().await.is_ok_and(|byte| byte != b'\n') {}
        }
        while connection.request().await.is_some() {
            connection.reply(if first == *b"P" { "introduced" } else { "anonymous" }).await;
        }
    })
    .await;
    let mut config = config(&[service.address]);
    let (gateway, address) = start(config.clone()).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/").await.body, b"anonymous");
    config.services.get_mut(&name("app")).unwrap().proxy_protocol = Some(ProxyVersion::V1);
    gateway.apply(config.clone(), haechi_core::Generation(2)).await.unwrap();
    assert_eq!(client.get("/").await.body, b"introduced");
    config.services.get_mut(&name("app")).unwrap().proxy_protocol = None;
    gateway.apply(config, haechi_core::Generation(3)).await.unwrap();
    assert_eq!(client.get("/").await.body, b"anonymous");
}
