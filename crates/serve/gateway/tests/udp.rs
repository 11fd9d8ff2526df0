//! UDP passed on unread: each client gets its own answers from one endpoint, endpoints die, sessions end, limits strike,
//! configurations change, another process takes over.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::{name, service, start_any};
use haechi_core::{Clock, Generation, ManualClock, RouteName, SystemClock};
use haechi_gateway::{Drained, Gateway, Options};
use haechi_route::config::{
    AccessLog, GatewayConfig, Layer4, Layer4Route, Listener, ListenerProtocol, LogFormat,
};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

fn listener(listen: &str) -> Listener {
    let protocol = ListenerProtocol::Layer4(Layer4::Udp);
    Listener { protocol, ..Listener::plain(listen.parse().unwrap()) }
}

/// A listener `udp` whose datagrams go to these endpoints.
fn config(endpoints: &[SocketAddr]) -> GatewayConfig {
    let mut config = GatewayConfig::default();
    config.listeners.insert("udp".into(), listener("127.0.0.1:0"));
    config.services.insert(name("app"), service(endpoints));
    let route = RouteName::new("echo").unwrap();
    config.layer4.push(Layer4Route::new(route, Layer4::Udp, "udp".into(), name("app")));
    config
}

async fn start(config: GatewayConfig) -> (Gateway, SocketAddr) {
    let gateway = start_any(SystemClock::start(), config).await;
    let address = gateway.local_addrs()["udp"];
    (gateway, address)
}

async fn start_manual(config: GatewayConfig) -> (Gateway, SocketAddr, Arc<ManualClock>) {
    let clock = ManualClock::at(0);
    let gateway = start_any(clock.clone(), config).await;
    let address = gateway.local_addrs()["udp"];
    (gateway, address, clock)
}

/// Waits until the gateway's metrics hold this line.
async fn metric(gateway: &Gateway, line: &str) {
    let wanted = format!("{line}\n");
    while !gateway.metrics().contains(&wanted) {
        tokio::task::yield_now().await;
    }
}

async fn ended(gateway: &Gateway, end: &str, count: u64) {
    metric(gateway, &format!("haechi_udp_sessions_ended_total{{route=\"echo\",end=\"{end}\"}} {count}"))
        .await;
}

async fn dropped(gateway: &Gateway, reason: &str, count: u64) {
    metric(gateway, &format!("haechi_udp_dropped_total{{route=\"echo\",reason=\"{reason}\"}} {count}")).await;
}

async fn sessions(gateway: &Gateway, count: u64) {
    metric(gateway, &format!("haechi_udp_sessions{{route=\"echo\"}} {count}")).await;
}

/// A service that answers with its name and what it got.
struct Echo {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Echo {
    async fn start(name: &'static str) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (address, own) = (socket.local_addr().unwrap(), socket.clone());
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            while let Ok((count, from)) = own.recv_from(&mut buffer).await {
                let answer = [name.as_bytes(), b" ", &buffer[..count]].concat();
                own.send_to(&answer, from).await.unwrap();
            }
        });
        Self { socket, address, task }
    }

    /// Keeps its port, and refuses what comes there.
    async fn die(self) -> UdpSocket {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        refuse(Arc::into_inner(self.socket).unwrap()).await
    }
}

/// From now on the kernel refuses what comes to the socket: it takes nothing but from an address that sends nothing.
async fn refuse(socket: UdpSocket) -> UdpSocket {
    socket.connect(socket.local_addr().unwrap()).await.unwrap();
    socket
}

/// A client, which takes answers of this address alone.
async fn client(gateway: SocketAddr) -> UdpSocket {
    client_at("127.0.0.1:0", gateway).await
}

async fn client_at(own: &str, gateway: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(own).await.unwrap();
    socket.connect(gateway).await.unwrap();
    socket
}

async fn answer(client: &UdpSocket) -> String {
    let mut buffer = vec![0; 1 << 16];
    let count = client.recv(&mut buffer).await.unwrap();
    String::from_utf8(buffer[..count].to_vec()).unwrap()
}

async fn ask(client: &UdpSocket, question: &str) -> String {
    client.send(question.as_bytes()).await.unwrap();
    answer(client).await
}

#[tokio::test]
async fn each_of_many_clients_gets_its_own_answers_from_one_endpoint() {
    let (one, two) = (Echo::start("one").await, Echo::start("two").await);
    let clock = SystemClock::start();
    let config = config(&[one.address, two.address]);
    let options = Options { config, generation: Generation(1), workers: 2, clock, subscriber: None };
    let gateway = Gateway::start(options).await.unwrap();
    let address = gateway.local_addrs()["udp"];
    let clients = (0..100).map(|number| {
        tokio::spawn(async move {
            let client = client(address).await;
            let first = ask(&client, &format!("{number} hello")).await;
            let (endpoint, rest) = first.split_once(' ').unwrap();
            assert_eq!(rest, format!("{number} hello"));
            for turn in 0..20 {
                let question = format!("{number} {turn}");
                assert_eq!(ask(&client, &question).await, format!("{endpoint} {question}"));
            }
            endpoint == "one"
        })
    });
    let mut at_one = 0;
    for client in clients.collect::<Vec<_>>() {
        at_one += usize::from(client.await.unwrap());
    }
    assert!((30..=70).contains(&at_one), "each worker takes endpoints in turn: {at_one} of 100");
    sessions(&gateway, 100).await;
    for to in ["service", "client"] {
        metric(&gateway, &format!("haechi_udp_datagrams_total{{route=\"echo\",to=\"{to}\"}} 2100")).await;
    }
    let status = gateway.status().await;
    let udp = &status.udp[&RouteName::new("echo").unwrap()];
    assert_eq!((udp.sessions, udp.to_client.datagrams), (100, 2100));
    assert_eq!(udp.dropped.values().sum::<u64>(), 0);
    // The name, a space, and what was sent.
    assert_eq!(udp.to_client.bytes - udp.to_service.bytes, 2100 * 4);
}

#[tokio::test]
async fn the_largest_datagram_and_an_empty_one_pass() {
    let echo = Echo::start("e").await;
    let (_gateway, address) = start(config(&[echo.address])).await;
    let client = client(address).await;
    // The name and a space come on top: 65,507 is the most that IPv4 takes.
    for length in [0, 1, 1472, 1473, 65_505] {
        let question = "x".repeat(length);
        assert_eq!(ask(&client, &question).await, format!("e {question}"));
    }
}

#[tokio::test]
async fn an_answer_comes_from_the_address_that_was_asked() {
    let echo = Echo::start("echo").await;
    let mut config = config(&[echo.address]);
    config.listeners.insert("udp".into(), listener("0.0.0.0:0"));
    let (gateway, address) = start(config).await;
    // One socket that asks two addresses has two sessions; a connected one takes answers of its own address alone.
    let port = address.port();
    for host in ["127.0.0.2", "127.0.0.3"] {
        let client = client(SocketAddr::new(host.parse().unwrap(), port)).await;
        assert_eq!(ask(&client, host).await, format!("echo {host}"));
    }
    let both = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for host in ["127.0.0.2", "127.0.0.3"] {
        both.send_to(host.as_bytes(), (host, port)).await.unwrap();
        let mut buffer = [0; 64];
        let (count, from) = both.recv_from(&mut buffer).await.unwrap();
        assert_eq!(
            (&buffer[..count], from.ip().to_string().as_str()),
            (format!("echo {host}").as_bytes(), host)
        );
    }
    sessions(&gateway, 4).await;
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_left_and_others_take_over() {
    let (one, two) = (Echo::start("one").await, Echo::start("two").await);
    let (gateway, address, clock) = start_manual(config(&[one.address])).await;
    let (asks, listens) = (client(address).await, client(address).await);
    assert_eq!(ask(&asks, "a").await, "one a");
    assert_eq!(ask(&listens, "a").await, "one a");
    let one_address = one.address;
    let refusing = one.die().await;
    gateway.apply(config(&[one_address, two.address]), Generation(2)).await.unwrap();
    // This one is lost, as the endpoint's machine only says afterwards; nobody sends it again.
    asks.send(b"b").await.unwrap();
    ended(&gateway, "refused", 1).await;
    metric(&gateway, "haechi_ejections_total{service=\"app\"} 1").await;
    assert_eq!(ask(&asks, "c").await, "two c");
    // The ejection concerns other clients of that endpoint too, before they lose anything.
    assert_eq!(ask(&listens, "b").await, "two b");
    ended(&gateway, "endpoint_left", 1).await;
    // It comes back: once its time is over a client tries it, and its answer readmits it.
    drop(refusing);
    let again = UdpSocket::bind(one_address).await.unwrap();
    clock.advance(Duration::from_secs(2));
    let tries = client(address).await;
    tries.send(b"d").await.unwrap();
    let mut buffer = [0; 16];
    let (count, from) = again.recv_from(&mut buffer).await.unwrap();
    again.send_to(&buffer[..count], from).await.unwrap();
    assert_eq!(answer(&tries).await, "d");
    metric(&gateway, "haechi_endpoints_admitting{service=\"app\"} 2").await;
}

#[tokio::test]
async fn a_session_ends_when_nothing_comes_either_way() {
    let echo = Echo::start("echo").await;
    let (gateway, address, clock) = start_manual(config(&[echo.address])).await;
    let client = client(address).await;
    assert_eq!(ask(&client, "1").await, "echo 1");
    clock.advance(Duration::from_secs(59));
    assert_eq!(ask(&client, "2").await, "echo 2");
    clock.advance(Duration::from_secs(59));
    assert_eq!(ask(&client, "3").await, "echo 3");
    sessions(&gateway, 1).await;
    clock.advance(Duration::from_secs(60));
    ended(&gateway, "idle", 1).await;
    sessions(&gateway, 0).await;
    metric(&gateway, "haechi_in_flight{service=\"app\"} 0").await;
    assert_eq!(ask(&client, "4").await, "echo 4");
    sessions(&gateway, 1).await;
}

#[tokio::test]
async fn too_many_sessions_make_the_quietest_give_way() {
    let echo = Echo::start("echo").await;
    let mut config = config(&[echo.address]);
    config.limits.udp_sessions = 2;
    let (gateway, address, clock) = start_manual(config).await;
    let (a, b, c) = (client(address).await, client(address).await, client(address).await);
    for client in [&a, &b, &a] {
        ask(client, "hello").await;
        clock.advance(Duration::from_secs(1));
    }
    ask(&c, "hello").await;
    ended(&gateway, "gave_way", 1).await;
    metric(&gateway, "haechi_limit_strikes_total{limit=\"udp_sessions\"} 1").await;
    ask(&a, "still here").await;
    ended(&gateway, "gave_way", 1).await;
    assert_eq!(ask(&b, "back").await, "echo back");
    ended(&gateway, "gave_way", 2).await;
    sessions(&gateway, 2).await;
}

#[tokio::test]
async fn limits_strike_and_nothing_is_answered() {
    let echo = Echo::start("echo").await;
    let mut config = config(&[echo.address]);
    config.limits.connections_per_address = 1;
    let (gateway, address) = start(config.clone()).await;
    let (first, second) = (client(address).await, client(address).await);
    ask(&first, "hello").await;
    second.send(b"hello").await.unwrap();
    dropped(&gateway, "address", 1).await;
    metric(&gateway, "haechi_limit_strikes_total{limit=\"connections_per_address\"} 1").await;
    assert_eq!(ask(&client_at("127.0.0.2:0", address).await, "hi").await, "echo hi");
    config.limits.connections_per_address = 0;
    config.services.get_mut(&name("app")).unwrap().connections.in_flight = 2;
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    second.send(b"hello").await.unwrap();
    dropped(&gateway, "service_full", 1).await;
    config.services.insert(name("none"), service(&[]));
    config.layer4[0].service = name("none");
    gateway.apply(config.clone(), Generation(3)).await.unwrap();
    second.send(b"hello").await.unwrap();
    dropped(&gateway, "no_endpoint", 1).await;
    config.layer4.clear();
    gateway.apply(config, Generation(4)).await.unwrap();
    second.send(b"hello").await.unwrap();
    metric(&gateway, "haechi_layer4_refused_total{reason=\"no_route\"} 1").await;
    assert!(second.try_recv(&mut [0; 16]).is_err());
}

#[tokio::test]
async fn changes_concern_the_sessions_that_they_are_about() {
    let (one, two) = (Echo::start("one").await, Echo::start("two").await);
    let mut config = config(&[one.address]);
    let (gateway, address, clock) = start_manual(config.clone()).await;
    let client = client(address).await;
    assert_eq!(ask(&client, "a").await, "one a");
    // Another bound, another service, another listener: the session goes on.
    config.layer4[0].idle_timeout = Duration::from_secs(90);
    config.listeners.insert("other".into(), listener("127.0.0.1:0"));
    config.services.insert(name("next"), service(&[two.address]));
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    assert_eq!(ask(&client, "b").await, "one b");
    clock.advance(Duration::from_secs(80));
    assert_eq!(ask(&client, "c").await, "one c");
    assert!(gateway.metrics().contains("haechi_udp_sessions_ended_total{route=\"echo\",end=\"idle\"} 0\n"));
    config.layer4[0].service = name("next");
    gateway.apply(config.clone(), Generation(3)).await.unwrap();
    assert_eq!(ask(&client, "d").await, "two d");
    ended(&gateway, "rerouted", 1).await;
    sessions(&gateway, 1).await;
    // Without its listener a session waits for answers that are on their way; then nobody has the port any more.
    config.listeners.remove("udp");
    config.layer4.clear();
    gateway.apply(config, Generation(4)).await.unwrap();
    let refused = loop {
        clock.advance(Duration::from_secs(1));
        match client.send(b"e").await.and_then(|_| client.try_recv(&mut [0; 16])) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::task::yield_now().await,
            refused => break refused.unwrap_err(),
        }
    };
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_listener_that_comes_back_to_its_port_goes_on_while_old_answers_are_due() {
    let (slow, two) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), Echo::start("two").await);
    let mut config = config(&[slow.local_addr().unwrap()]);
    let clock = ManualClock::at(0);
    let options = Options {
        config: config.clone(),
        generation: Generation(1),
        workers: 3,
        clock: clock.clone() as Arc<dyn Clock>,
        subscriber: None,
    };
    let gateway = Gateway::start(options).await.unwrap();
    let address = gateway.local_addrs()["udp"];
    let (waits, mut buffer) = (client(address).await, [0; 16]);
    waits.send(b"before").await.unwrap();
    let (_, of_old) = slow.recv_from(&mut buffer).await.unwrap();
    let (route, at) = (config.layer4.remove(0), listener(&address.to_string()));
    config.listeners.remove("udp");
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    // Twice: it may come and go as often as it likes, also under another name.
    for (generation, back) in [(3, "udp"), (5, "again")] {
        config.listeners.insert(back.into(), at.clone());
        config.services.insert(name("app"), service(&[two.address]));
        config.layer4.push(Layer4Route { listener: back.into(), ..route.clone() });
        gateway.apply(config.clone(), Generation(generation)).await.unwrap();
        assert_eq!(gateway.local_addrs()[back], address);
        // As many as reach each worker's socket: none may be one that nobody reads.
        for _ in 0..30 {
            assert_eq!(ask(&client(address).await, "after").await, "two after");
        }
        assert_eq!(ask(&waits, "after").await, "two after");
        slow.send_to(b"late", of_old).await.unwrap();
        assert_eq!(answer(&waits).await, "late");
        config.layer4.clear();
        config.listeners.remove(back);
        gateway.apply(config.clone(), Generation(generation + 1)).await.unwrap();
    }
    // When it doesn't come back, nobody has the port once no answer is waited for.
    while let Err(error) = UdpSocket::bind(address).await {
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn another_process_receives_and_the_old_one_passes_on_answers_that_are_due() {
    let slow = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = config(&[slow.local_addr().unwrap()]);
    let (old, address, clock) = start_manual(config.clone()).await;
    let client = client(address).await;
    let mut buffer = [0; 16];
    client.send(b"to the old").await.unwrap();
    let (_, of_old) = slow.recv_from(&mut buffer).await.unwrap();
    let options = Options {
        config,
        generation: Generation(1),
        workers: 3,
        clock: clock.clone() as Arc<dyn Clock>,
        subscriber: None,
    };
    let new = Gateway::take_over(options, old.listening().await.unwrap()).await.unwrap();
    // Until it accepts, the old one serves alone.
    client.send(b"to the old").await.unwrap();
    assert_eq!(slow.recv_from(&mut buffer).await.unwrap().1, of_old);
    new.accept().await.unwrap();
    assert_eq!(new.local_addrs()["udp"], address);
    let old = Arc::new(old);
    let retiring = tokio::spawn({
        let old = old.clone();
        async move { old.retire(Duration::from_secs(60), Duration::ZERO).await }
    });
    // Datagrams come to the new one once the old one has stopped to receive: a session of its own.
    loop {
        client.send(b"to the new").await.unwrap();
        let (_, from) = slow.recv_from(&mut buffer).await.unwrap();
        if from != of_old {
            slow.send_to(b"by the new", from).await.unwrap();
            break;
        }
    }
    assert_eq!(answer(&client).await, "by the new");
    slow.send_to(b"by the old", of_old).await.unwrap();
    assert_eq!(answer(&client).await, "by the old");
    while !retiring.is_finished() {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(retiring.await.unwrap(), Drained { cut: 0 });
    ended(&old, "drained", 1).await;
}

#[tokio::test]
async fn a_session_has_a_line_in_the_access_log() {
    for (format, wanted) in [
        (
            LogFormat::Text,
            " \"udp udp\" - - 7 echo app ADDRESS attempts=1 received=2 datagrams-received=1 datagrams-sent=1 total=60000000us end=idle\n",
        ),
        (
            LogFormat::Json,
            "\"protocol\":\"udp\",\"listener\":\"udp\",\"host\":\"-\",\"route\":\"echo\",\"service\":\"app\",\"endpoint\":\"ADDRESS\",\"end\":\"idle\",\"bytes\":7,\"received\":2,\"datagrams_received\":1,\"datagrams_sent\":1,\"attempts\":1,\"total_us\":60000000}\n",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let echo = Echo::start("echo").await;
        let mut config = config(&[echo.address]);
        config.access_log = Some(AccessLog { path: Some(path.clone()), format });
        let (gateway, address, clock) = start_manual(config).await;
        ask(&client(address).await, "hi").await;
        clock.advance(Duration::from_secs(60));
        ended(&gateway, "idle", 1).await;
        assert_eq!(gateway.drain(Duration::from_secs(5)).await, Drained { cut: 0 });
        let wanted = wanted.replace("ADDRESS", &echo.address.to_string());
        let log = std::fs::read_to_string(path).unwrap();
        assert!(log.ends_with(&wanted), "{log}");
    }
}
