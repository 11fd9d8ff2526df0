//! TCP passed on unread: bytes, ends and cuts of both sides, endpoints that refuse, routes that come and go.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use common::{name, service, start_any};
use haechi_core::{Generation, RouteName, SystemClock};
use haechi_gateway::{Drained, Gateway, Options};
use haechi_route::config::{
    AccessLog, GatewayConfig, Layer4, Layer4Route, Listener, ListenerProtocol, LogFormat, ProxyFrom,
    ProxyVersion,
};
use haechi_testkit::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn listener(kind: Layer4) -> Listener {
    Listener { protocol: ListenerProtocol::Layer4(kind), ..Listener::plain(([127, 0, 0, 1], 0).into()) }
}

fn route(text: &str, listener: &str) -> Layer4Route {
    Layer4Route::new(RouteName::new(text).unwrap(), Layer4::Tcp, listener.to_owned(), name("app"))
}

/// A listener `tcp` whose connections go to these endpoints.
fn config(endpoints: &[SocketAddr]) -> GatewayConfig {
    let mut config = GatewayConfig::default();
    config.listeners.insert("tcp".into(), listener(Layer4::Tcp));
    config.services.insert(name("app"), service(endpoints));
    config.layer4.push(route("db", "tcp"));
    config
}

async fn start(config: GatewayConfig) -> (Gateway, SocketAddr) {
    let gateway = start_any(SystemClock::start(), config).await;
    let address = gateway.local_addrs()["tcp"];
    (gateway, address)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Both ends of a connection through the gateway, which passed on a byte already.
async fn pair(gateway: SocketAddr, service: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(gateway).await.unwrap();
    let (mut served, _) = service.accept().await.unwrap();
    served.write_all(b"!").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'!');
    (client, served)
}

/// Waits until the gateway's metrics hold this line.
async fn metric(gateway: &Gateway, line: &str) {
    let wanted = format!("{line}\n");
    while !gateway.metrics().contains(&wanted) {
        tokio::task::yield_now().await;
    }
}

async fn cut(stream: &mut TcpStream) {
    let error = stream.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// A new connection is reset, perhaps before its client learns that it was made.
async fn cut_off(gateway: SocketAddr) {
    match TcpStream::connect(gateway).await {
        Ok(mut client) => cut(&mut client).await,
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn an_end_is_passed_on_and_the_other_direction_goes_on() {
    let (service, address) = listen().await;
    let (gateway, address) = start(config(&[address])).await;
    let (mut client, mut served) = pair(address, &service).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    served.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    // The answer begins after the client said that nothing more comes.
    for _ in 0..3 {
        served.write_all(b"answer ").await.unwrap();
        let mut piece = [0; 7];
        client.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"answer ");
    }
    drop(served);
    assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
    metric(&gateway, "haechi_layer4_ended_total{route=\"db\",end=\"whole\"} 1").await;
    metric(&gateway, "haechi_layer4_bytes_total{route=\"db\",to=\"service\"} 8").await;
    metric(&gateway, "haechi_layer4_bytes_total{route=\"db\",to=\"client\"} 22").await;
    metric(&gateway, "haechi_layer4_open{route=\"db\"} 0").await;
}

#[tokio::test]
async fn the_service_may_speak_first() {
    let (service, address) = listen().await;
    let (_gateway, address) = start(config(&[address])).await;
    let (mut client, mut served) = pair(address, &service).await;
    served.write_all(b"220 ready\r\n").await.unwrap();
    let mut greeting = [0; 11];
    client.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"220 ready\r\n");
}

/// Bytes that show when one is lost, doubled or out of order.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn large_flows_in_both_directions_at_once_arrive_whole_and_are_not_copied() {
    let (service, address) = listen().await;
    let (gateway, address) = start(config(&[address])).await;
    let (client, served) = pair(address, &service).await;
    let (up, down) = (pattern(1, 16 << 20), pattern(2, 16 << 20));
    let exchange = |stream: TcpStream, send: Vec<u8>| {
        tokio::spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let sending = tokio::spawn(async move {
                writer.write_all(&send).await.unwrap();
                writer.shutdown().await.unwrap();
            });
            let mut got = Vec::new();
            reader.read_to_end(&mut got).await.unwrap();
            sending.await.unwrap();
            got
        })
    };
    let (at_client, at_service) = (exchange(client, up.clone()), exchange(served, down.clone()));
    assert!(at_client.await.unwrap() == down);
    assert!(at_service.await.unwrap() == up);
    let metrics = gateway.metrics();
    let spliced = metrics.lines().find_map(|line| line.strip_prefix("haechi_spliced_bytes_total "));
    assert!(spliced.unwrap().parse::<u64>().unwrap() > 1 << 20, "{metrics}");
}

#[tokio::test]
async fn a_cut_of_either_side_is_a_cut_for_the_other() {
    let (service, address) = listen().await;
    let (gateway, address) = start(config(&[address])).await;
    let (mut client, served) = pair(address, &service).await;
    served.set_zero_linger().unwrap();
    drop(served);
    cut(&mut client).await;
    metric(&gateway, "haechi_layer4_ended_total{route=\"db\",end=\"service_cut\"} 1").await;
    let (client, mut served) = pair(address, &service).await;
    client.set_zero_linger().unwrap();
    drop(client);
    cut(&mut served).await;
    metric(&gateway, "haechi_layer4_ended_total{route=\"db\",end=\"client_cut\"} 1").await;
}

#[tokio::test]
async fn a_service_that_leaves_early_has_its_last_words_heard() {
    let (service, address) = listen().await;
    let (gateway, address) = start(config(&[address])).await;
    let (mut client, mut served) = pair(address, &service).await;
    served.write_all(b"too long; goodbye").await.unwrap();
    drop(served);
    // It learns by a reset that nobody reads this, and that must not reach the client before the words.
    while client.write_all(&[7; 4096]).await.is_ok() {
        if gateway.metrics().contains("haechi_layer4_ended_total{route=\"db\",end=\"whole\"} 1\n") {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut words = [0; 17];
    client.read_exact(&mut words).await.unwrap();
    assert_eq!(&words, b"too long; goodbye");
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_passed_over_and_ejected() {
    let (service, alive) = listen().await;
    let (gateway, address) = start(config(&[Service::refusing(), alive])).await;
    for _ in 0..6 {
        let (mut client, mut served) = pair(address, &service).await;
        served.write_all(b"x").await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 1);
    }
    metric(&gateway, "haechi_ejections_total{service=\"app\"} 1").await;
    metric(&gateway, "haechi_retries_total{service=\"app\"} 1").await;
    metric(&gateway, "haechi_in_flight{service=\"app\"} 0").await;
}

#[tokio::test]
async fn a_client_for_whom_there_is_nobody_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    for format in [LogFormat::Json, LogFormat::Text] {
        let path = folder.path().join(format!("{format:?}.log"));
        let endpoint = Service::refusing();
        let mut config = config(&[endpoint]);
        config.access_log = Some(AccessLog { path: Some(path.clone()), format });
        let (gateway, address) = start(config).await;
        cut_off(address).await;
        metric(&gateway, "haechi_layer4_ended_total{route=\"db\",end=\"not_connected\"} 1").await;
        gateway.drain(Duration::from_secs(10)).await;
        let line = std::fs::read_to_string(&path).unwrap();
        if format == LogFormat::Json {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&line["protocol"], &line["listener"]), (&"tcp".into(), &"tcp".into()));
            assert_eq!((&line["route"], &line["end"]), (&"db".into(), &"not_connected".into()));
            assert_eq!(line["failed"][0]["endpoint"], endpoint.to_string());
            assert_eq!(line["failed"][0]["error"], "connection_refused");
        } else {
            let failed = format!("failed={endpoint}/connection_refused end=not_connected\n");
            assert!(
                line.contains(" 127.0.0.1 \"tcp tcp\" - - 0 db app ") && line.ends_with(&failed),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn more_connections_than_the_service_takes_are_cut_off() {
    let (service, address) = listen().await;
    let mut config = config(&[address]);
    config.services.get_mut(&name("app")).unwrap().connections.in_flight = 1;
    let (gateway, address) = start(config).await;
    let first = pair(address, &service).await;
    cut_off(address).await;
    metric(&gateway, "haechi_in_flight_limit_strikes_total{service=\"app\"} 1").await;
    drop(first);
    metric(&gateway, "haechi_in_flight{service=\"app\"} 0").await;
    pair(address, &service).await;
}

#[tokio::test]
async fn a_quiet_tunnel_ends() {
    let (service, address) = listen().await;
    let mut config = config(&[address]);
    config.layer4[0].idle_timeout = Duration::from_millis(50);
    let (gateway, address) = start(config).await;
    let (mut client, mut served) = pair(address, &service).await;
    cut(&mut client).await;
    cut(&mut served).await;
    metric(&gateway, "haechi_limit_strikes_total{limit=\"tunnel_idle\"} 1").await;
}

#[tokio::test]
async fn tunnels_live_on_through_changes_and_end_when_their_route_is_gone() {
    let (service, address) = listen().await;
    let mut config = config(&[address]);
    config.listeners.insert("other".into(), listener(Layer4::Tcp));
    config.layer4.push(route("other", "other"));
    config.limits.tunnel_drain = Duration::from_millis(50);
    let (gateway, address) = start(config.clone()).await;
    let other = gateway.local_addrs()["other"];
    let (mut client, mut served) = pair(address, &service).await;
    let (mut kept, mut kept_served) = pair(other, &service).await;
    // Neither another bound nor another service concerns what is open.
    config.layer4[0].idle_timeout = Duration::from_secs(7);
    config.services.insert(name("next"), common::service(&[address]));
    config.layer4[0].service = name("next");
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    client.write_all(b"still here").await.unwrap();
    let mut seen = [0; 10];
    served.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"still here");
    config.layer4.remove(0);
    config.listeners.remove("tcp");
    gateway.apply(config, Generation(3)).await.unwrap();
    cut(&mut client).await;
    cut(&mut served).await;
    metric(&gateway, "haechi_limit_strikes_total{limit=\"tunnel_drain\"} 1").await;
    kept.write_all(b"still here").await.unwrap();
    kept_served.read_exact(&mut seen).await.unwrap();
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_listener_without_a_route_and_one_that_takes_another_kind_serve_nobody() {
    let mut config = config(&[Service::refusing()]);
    config.layer4.clear();
    let (gateway, address) = start(config).await;
    cut_off(address).await;
    metric(&gateway, "haechi_layer4_refused_total{reason=\"no_route\"} 1").await;
}

#[tokio::test]
async fn draining_waits_for_tunnels_until_its_deadline() {
    let (service, address) = listen().await;
    let (gateway, address) = start(config(&[address])).await;
    let (client, served) = pair(address, &service).await;
    let (drained, ()) = tokio::join!(gateway.drain(Duration::from_secs(60)), async {
        tokio::task::yield_now().await;
        drop((client, served));
    });
    assert_eq!(drained, Drained { cut: 0 });

    let (service, address) = listen().await;
    let (gateway, address) = start(config(&[address])).await;
    let (mut client, _served) = pair(address, &service).await;
    assert_eq!(gateway.drain(Duration::from_millis(20)).await, Drained { cut: 1 });
    assert_ne!(client.read(&mut [0; 16]).await.ok(), Some(1));
}

#[tokio::test]
async fn another_process_takes_the_sockets_and_the_tunnels_stay_with_the_old_one() {
    let (service, address) = listen().await;
    let config = config(&[address]);
    let (old, address) = start(config.clone()).await;
    let (mut client, mut served) = pair(address, &service).await;
    let clock = SystemClock::start();
    let options = Options { config, generation: Generation(1), workers: 1, clock, subscriber: None };
    let new = Gateway::take_over(options, old.listening().await.unwrap()).await.unwrap();
    new.accept().await.unwrap();
    assert_eq!(new.local_addrs()["tcp"], address);
    let retiring = tokio::spawn(async move { old.retire(Duration::from_secs(60), Duration::ZERO).await });
    for _ in 0..20 {
        pair(address, &service).await;
    }
    client.write_all(b"old").await.unwrap();
    let mut seen = [0; 3];
    served.read_exact(&mut seen).await.unwrap();
    drop((client, served));
    assert_eq!(retiring.await.unwrap(), Drained { cut: 0 });
    pair(address, &service).await;
}

#[tokio::test]
async fn who_asks_is_taken_from_a_proxy_and_told_to_the_service() {
    let (service, address) = listen().await;
    let mut config = config(&[address]);
    config.listeners.get_mut("tcp").unwrap().proxy_protocol = Some(ProxyFrom { networks: Vec::new() });
    config.services.get_mut(&name("app")).unwrap().proxy_protocol = Some(ProxyVersion::V1);
    let (_gateway, address) = start(config).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let sent = b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 5432\r\nhello";
    client.write_all(sent).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut served, _) = service.accept().await.unwrap();
    let mut seen = Vec::new();
    served.read_to_end(&mut seen).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(sent));
}
