//! TLS with clients: certificates by name, live from disk, and who is not served.
#![allow(clippy::unwrap_used)]

mod common;

use common::tls::{Ca, connect, get, pem, serial, tls};
use common::{config, start};
use haechi_core::Generation;
use haechi_gateway::Gateway;
use haechi_route::config::{ClientCertificates, GatewayConfig, HostPattern, Listener, Tls, UnknownName};
use haechi_testkit::{Client, Service};
use tokio::io::AsyncReadExt;

fn secure(service: &Service, tls: Tls) -> GatewayConfig {
    let mut config = config(&[service.address]);
    let listener = Listener { tls: Some(tls), ..Listener::plain(([127, 0, 0, 1], 0).into()) };
    config.listeners.insert("web".into(), listener);
    config
}

/// Waits until the gateway's metrics hold this line.
async fn wait_for(gateway: &Gateway, line: &str) {
    while !gateway.metrics().lines().any(|seen| seen == line) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_name_gets_its_certificate() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let (a, b) = (ca.write("a.pem", &["a.example"], 1), ca.write("b.pem", &["*.b.example", "127.0.0.1"], 2));
    let (gateway, address) = start(secure(&service, tls(&[&a, &b]))).await;
    let client = ca.client(None);
    for (name, expected) in [("a.example", 1), ("x.b.example", 2), ("y.B.example", 2)] {
        let mut stream = connect(address, &client, name).await.unwrap();
        assert_eq!(serial(&stream), expected, "{name}");
        let answer = get(&mut stream, name, "hi").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let request = service.requests().remove(0);
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    // A wildcard stands for one label; the first certificate is for all others, who don't take it.
    for name in ["c.x.b.example", "127.0.0.1"] {
        assert!(connect(address, &client, name).await.is_err(), "{name}");
    }
    // The alert with which they say so may be overtaken by their reset.
    let failures = |gateway: &Gateway| {
        let metrics = gateway.metrics();
        let counts = metrics
            .lines()
            .filter(|line| line.contains("reason=\"alert\"") || line.contains("reason=\"closed\""));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    while failures(&gateway) != 2 {
        tokio::task::yield_now().await;
    }
    wait_for(&gateway, "haechi_tls_handshakes_total{version=\"1.3\",resumed=\"false\"} 3").await;
    let status = gateway.status().await;
    assert_eq!(status.certificates.len(), 2);
    assert_eq!(status.certificates[1].names, ["*.b.example", "127.0.0.1"]);
    assert!(gateway.metrics().contains("haechi_certificate_expiry_timestamp_seconds{listener=\"web\""));
}

#[tokio::test]
async fn an_unknown_name_can_be_refused() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let (gateway, address) =
        start(secure(&service, Tls { unknown_name: UnknownName::Refuse, ..tls(&[&a]) })).await;
    let client = ca.client(None);
    assert!(connect(address, &client, "b.example").await.is_err());
    assert!(connect(address, &client, "127.0.0.1").await.is_err());
    connect(address, &client, "a.example").await.unwrap();
    wait_for(&gateway, "haechi_tls_handshake_failures_total{reason=\"unknown_name\"} 2").await;
}

#[tokio::test]
async fn a_certificate_that_changes_on_disk_is_live_and_a_broken_one_is_not() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let file = ca.write("a.pem", &["a.example"], 1);
    let key = ca.path("a.key");
    let first = ca.issue(&["a.example"], 1);
    std::fs::write(&file, &first.chain).unwrap();
    std::fs::write(&key, first.key.serialize_pem()).unwrap();
    let mut tls = tls(&[&file]);
    tls.certificates[0].key.clone_from(&key);
    let (gateway, address) = start(secure(&service, tls)).await;
    let client = ca.client(None);
    let mut old = connect(address, &client, "a.example").await.unwrap();
    assert_eq!(serial(&old), 1);

    // The chain is there already, its key not yet.
    let second = ca.issue(&["a.example"], 2);
    std::fs::write(&file, &second.chain).unwrap();
    let problems = loop {
        let problems = gateway.status().await.problems;
        if !problems.is_empty() {
            break problems;
        }
    };
    assert!(problems[0].contains("does not belong to"), "{problems:?}");
    assert_eq!(serial(&connect(address, &client, "a.example").await.unwrap()), 1);

    std::fs::write(&key, second.key.serialize_pem()).unwrap();
    while serial(&connect(address, &ca.client(None), "a.example").await.unwrap()) != 2 {}
    assert_eq!(gateway.status().await.problems, [""; 0]);
    assert_eq!(gateway.generation(), Generation(1), "without a reload");
    get(&mut old, "a.example", "hi").await.unwrap();

    // Half of a file, and none.
    std::fs::write(&file, &ca.issue(&["a.example"], 3).chain[..200]).unwrap();
    while gateway.status().await.problems.is_empty() {}
    std::fs::remove_file(&key).unwrap();
    while !gateway.status().await.problems[0].contains("a.") {}
    assert_eq!(serial(&connect(address, &ca.client(None), "a.example").await.unwrap()), 2);
}

#[tokio::test]
async fn changed_settings_leave_connections_and_sockets_alone() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let (a, b) = (ca.write("a.pem", &["a.example"], 1), ca.write("b.pem", &["b.example"], 2));
    let mut config = secure(&service, tls(&[&a]));
    let (gateway, address) = start(config.clone()).await;
    let client = ca.client(None);
    let mut old = connect(address, &client, "a.example").await.unwrap();
    config.listeners.get_mut("web").unwrap().tls = Some(tls(&[&b]));
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    assert_eq!(gateway.local_addrs()["web"], address);
    assert!(connect(address, &ca.client(None), "a.example").await.is_err());
    connect(address, &client, "b.example").await.unwrap();
    get(&mut old, "a.example", "hi").await.unwrap();
    // And to plain HTTP and back.
    config.listeners.get_mut("web").unwrap().tls = None;
    gateway.apply(config.clone(), Generation(3)).await.unwrap();
    assert_eq!(Client::connect(address).await.get("/").await.text(), "hi");
    get(&mut old, "a.example", "hi").await.unwrap();
}

#[tokio::test]
async fn plain_http_to_tls_and_tls_to_plain_http_are_told() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let mut config = secure(&service, tls(&[&a]));
    config.listeners.insert("plain".into(), Listener::plain(([127, 0, 0, 1], 0).into()));
    let (gateway, address) = start(config).await;
    let mut plain = Client::connect(address).await;
    let answer = plain.get("/").await;
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("this port speaks TLS"), "{}", answer.text());
    assert!(connect(gateway.local_addrs()["plain"], &ca.client(None), "a.example").await.is_err());
    let mut garbage = Client::connect(address).await;
    garbage.send([0x80; 64]).await;
    assert_eq!(garbage.rest().await, b"");
    for reason in ["plain_http", "tls_on_plain_port", "not_tls"] {
        wait_for(&gateway, &format!("haechi_tls_handshake_failures_total{{reason=\"{reason}\"}} 1")).await;
    }
}

#[tokio::test]
async fn handshakes_are_bounded_in_time_and_number() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let mut config = secure(&service, tls(&[&a]));
    config.limits.handshakes = 1;
    config.limits.handshake_timeout = std::time::Duration::from_millis(500);
    let (gateway, address) = start(config).await;
    let mut silent = Client::connect(address).await;
    wait_for(&gateway, "haechi_tls_handshakes_under_way 1").await;
    assert!(connect(address, &ca.client(None), "a.example").await.is_err());
    assert_eq!(silent.rest().await, b"");
    wait_for(&gateway, "haechi_limit_strikes_total{limit=\"handshakes\"} 1").await;
    wait_for(&gateway, "haechi_limit_strikes_total{limit=\"handshake_timeout\"} 1").await;
    wait_for(&gateway, "haechi_tls_handshakes_under_way 0").await;
    connect(address, &ca.client(None), "a.example").await.unwrap();
}

#[tokio::test]
async fn the_end_of_an_answer_is_told_apart_from_a_cut() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let (_gateway, address) = start(secure(&service, tls(&[&a]))).await;
    let mut stream = connect(address, &ca.client(None), "a.example").await.unwrap();
    use tokio::io::AsyncWriteExt;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // rustls calls an end without close_notify an error.
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"hi"));
}

fn client_certificates(ca: &Ca, required: bool, hosts: &[&str]) -> ClientCertificates {
    let hosts = hosts.iter().map(|host| match host.strip_prefix('*') {
        Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        None => HostPattern::Exact((*host).to_owned()),
    });
    ClientCertificates {
        required,
        ca: vec![ca.file()],
        crl: Vec::new(),
        hosts: hosts.collect(),
        forward: true,
    }
}

#[tokio::test]
async fn a_required_client_certificate_is_required_and_told() {
    let (ca, other, service) = (Ca::new("ca"), Ca::new("other"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let settings = Tls { client: Some(client_certificates(&ca, true, &[])), ..tls(&[&a]) };
    let (gateway, address) = start(secure(&service, settings)).await;
    for stranger in [None, Some(other.issue(&["me.example"], 9))] {
        let client = ca.client(stranger.as_ref());
        let refused = match connect(address, &client, "a.example").await {
            Ok(mut stream) => get(&mut stream, "a.example", "hi").await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
    wait_for(&gateway, "haechi_tls_handshake_failures_total{reason=\"client_certificate\"} 2").await;
    let client = ca.client(Some(&ca.issue(&["me.example"], 7)));
    let mut stream = connect(address, &client, "a.example").await.unwrap();
    get(&mut stream, "a.example", "hi").await.unwrap();
    let request = service.requests().remove(0);
    let told = request.field("x-forwarded-client-cert").unwrap();
    assert!(
        told.starts_with("Hash=") && told.contains(";Subject=\"CN=me.example\";DNS=\"me.example\""),
        "{told}"
    );
}

#[tokio::test]
async fn nobody_can_claim_another_s_certificate() {
    let service = Service::text("hi").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: Hash=1\r\nx_forwarded_client_cert: Hash=2\r\n\r\n")
        .await;
    client.response().await.unwrap();
    assert!(!service.received()[0].windows(4).any(|bytes| bytes == b"Hash"));
}

#[tokio::test]
async fn hosts_that_ask_for_a_certificate_can_t_be_reached_past_it() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["*.a.example"], 1);
    let settings = Tls { client: Some(client_certificates(&ca, true, &["admin.a.example"])), ..tls(&[&a]) };
    let (_gateway, address) = start(secure(&service, settings)).await;
    // One client, so that it tries to resume sessions wherever it can.
    let client = ca.client(None);
    let mut open = connect(address, &client, "www.a.example").await.unwrap();
    assert!(get(&mut open, "www.a.example", "hi").await.unwrap().contains(" 200 "));
    assert!(get(&mut open, "other.a.example", "hi").await.unwrap().contains(" 200 "));
    for host in ["admin.a.example", "ADMIN.a.example", "admin.a.example.", "admin.a.example:443"] {
        let mut open = connect(address, &client, "www.a.example").await.unwrap();
        let answer = get(&mut open, host, "host\n").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{host}: {answer}");
    }
    let refused = match connect(address, &client, "admin.a.example").await {
        Ok(mut stream) => get(&mut stream, "admin.a.example", "hi").await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    let known = ca.client(Some(&ca.issue(&["me.example"], 7)));
    let mut stream = connect(address, &known, "admin.a.example").await.unwrap();
    assert!(get(&mut stream, "admin.a.example", "hi").await.unwrap().contains(" 200 "));
}

#[tokio::test]
async fn sessions_are_resumed_but_not_into_a_stricter_setting() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let mut config = secure(&service, tls(&[&a]));
    let (gateway, address) = start(config.clone()).await;
    let client = ca.client(None);
    for _ in 0..2 {
        let mut stream = connect(address, &client, "a.example").await.unwrap();
        get(&mut stream, "a.example", "hi").await.unwrap();
    }
    wait_for(&gateway, "haechi_tls_handshakes_total{version=\"1.3\",resumed=\"true\"} 1").await;
    config.listeners.get_mut("web").unwrap().tls =
        Some(Tls { client: Some(client_certificates(&ca, true, &[])), ..tls(&[&a]) });
    gateway.apply(config, Generation(2)).await.unwrap();
    let refused = match connect(address, &client, "a.example").await {
        Ok(mut stream) => get(&mut stream, "a.example", "hi").await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "a session that was begun without a certificate must not get around it");
    assert_eq!(pem(&a).chain, a);
}

#[tokio::test]
async fn alpn_offers_http2_unless_the_listener_does_not() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let mut config = secure(&service, tls(&[&a]));
    let (gateway, address) = start(config.clone()).await;
    let mut client = (*ca.client(None)).clone();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = std::sync::Arc::new(client);
    let agreed = async || {
        let stream = connect(address, &client, "a.example").await.unwrap();
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    };
    assert_eq!(agreed().await.as_deref(), Some(&b"h2"[..]));
    config.listeners.get_mut("web").unwrap().http2 = false;
    gateway.apply(config, Generation(2)).await.unwrap();
    assert_eq!(agreed().await.as_deref(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_revoked_client_certificate_is_refused_from_the_moment_its_list_is_there() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let a = ca.write("a.pem", &["a.example"], 1);
    let list = ca.path("crl.pem");
    std::fs::write(&list, ca.revoke(&[5])).unwrap();
    let asked = ClientCertificates { crl: vec![list.clone()], ..client_certificates(&ca, true, &[]) };
    let (gateway, address) = start(secure(&service, Tls { client: Some(asked), ..tls(&[&a]) })).await;
    let client = ca.client(Some(&ca.issue(&["me.example"], 7)));
    let mut stream = connect(address, &client, "a.example").await.unwrap();
    get(&mut stream, "a.example", "hi").await.unwrap();
    std::fs::write(&list, ca.revoke(&[5, 7])).unwrap();
    // The same client, which has tickets of its session.
    while let Ok(mut stream) = connect(address, &client, "a.example").await {
        if get(&mut stream, "a.example", "hi").await.is_err() {
            break;
        }
    }
    wait_for(&gateway, "haechi_tls_handshake_failures_total{reason=\"client_certificate\"} 1").await;
    // An empty file is no list; the one before still holds.
    std::fs::write(&list, "").unwrap();
    while gateway.status().await.problems.is_empty() {}
    let other = ca.client(Some(&ca.issue(&["you.example"], 8)));
    let mut stream = connect(address, &other, "a.example").await.unwrap();
    get(&mut stream, "a.example", "hi").await.unwrap();
}

#[tokio::test]
async fn a_plain_listener_can_redirect_to_https() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    config.listeners.get_mut("web").unwrap().redirect_to_https = Some(443);
    let (gateway, address) = start(config.clone()).await;
    let mut client = Client::connect(address).await;
    let answer = client.get("/a/b?x=1").await;
    assert_eq!((answer.status(), answer.field("location")), (308, Some("https://test.example/a/b?x=1")));
    config.listeners.get_mut("web").unwrap().redirect_to_https = Some(8443);
    gateway.apply(config, Generation(2)).await.unwrap();
    let answer = Client::connect(address).await.get("/").await;
    assert_eq!(answer.field("location"), Some("https://test.example:8443/"));
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn a_handshake_goes_on_while_its_listener_is_renamed_or_closed() {
    let (ca, service) = (Ca::new("ca"), Service::text("hi").await);
    let certificate = ca.write("a.pem", &["a.example"], 1);
    let mut config = secure(&service, tls(&[&certificate]));
    let (gateway, address) = start(config.clone()).await;
    let client = ca.client(None);
    let listener = Listener { listen: address.into(), ..config.listeners["web"].clone() };
    let mut generation = 1;
    for round in 0..30 {
        // Accepted by the kernel, and maybe not yet by the worker.
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        config.listeners.clear();
        let closes = round % 3 == 0;
        if !closes {
            config.listeners.insert(format!("web-{round}"), listener.clone());
        }
        generation += 1;
        gateway.apply(config.clone(), Generation(generation)).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(client.clone());
        let mut stream = connector.connect("a.example".try_into().unwrap(), stream).await.unwrap();
        assert!(get(&mut stream, "a.example", "hi").await.is_ok(), "round {round}");
        if closes {
            while tokio::net::TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
            config.listeners.insert("web".into(), listener.clone());
            generation += 1;
            gateway.apply(config.clone(), Generation(generation)).await.unwrap();
        }
    }
}
