//! TLS passed on by the name that a client asks for: the service shakes hands, with real clients on both ends.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::tls::{Ca, Issued};
use common::{name, service, start_any};
use haechi_core::{RouteName, SystemClock};
use haechi_gateway::Gateway;
use haechi_route::config::{
    Endpoints, GatewayConfig, HostPattern, Layer4, Layer4Route, Listener, ListenerProtocol,
};
use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A service with a certificate of its own that says who it is to everybody and closes.
async fn service_of(own: &Issued, says: &'static str) -> SocketAddr {
    let config = ServerConfig::builder_with_provider(common::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der.clone()], own.private())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                stream.write_all(says.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            });
        }
    });
    address
}

/// A listener whose routes lead to services by these hosts.
async fn gateway(routes: &[(&str, Option<HostPattern>, SocketAddr)]) -> (Gateway, SocketAddr) {
    let mut config = GatewayConfig::default();
    let listen = Listener::plain(([127, 0, 0, 1], 0).into());
    let protocol = ListenerProtocol::Layer4(Layer4::Tls);
    config.listeners.insert("edge".into(), Listener { protocol, ..listen });
    for (route, host, endpoint) in routes {
        let mut to =
            Layer4Route::new(RouteName::new(route).unwrap(), Layer4::Tls, "edge".into(), name(route));
        to.hosts = host.iter().cloned().collect();
        config.layer4.push(to);
        config.services.insert(name(route), service(&[*endpoint]));
    }
    config.limits.handshake_timeout = Duration::from_millis(100);
    let gateway = start_any(SystemClock::start(), config).await;
    let address = gateway.local_addrs()["edge"];
    (gateway, address)
}

/// What the service says to a client that asks for this name.
async fn ask(ca: &Ca, gateway: SocketAddr, name: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(gateway).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(ca.client(None)).connect(name, stream).await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    Ok(said)
}

async fn metric(gateway: &Gateway, line: &str) {
    let wanted = format!("{line}\n");
    while !gateway.metrics().contains(&wanted) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_name_gets_its_service_and_the_most_specific_wins() {
    let ca = Ca::new("test");
    let exact = service_of(&ca.issue(&["shop.example.com"], 1), "exact").await;
    let wild = service_of(&ca.issue(&["*.example.com", "b.a.example.com"], 2), "wild").await;
    let deep = service_of(&ca.issue(&["b.deep.example.com"], 3), "deep").await;
    let (gateway, address) = gateway(&[
        ("wild", Some(HostPattern::Suffix(".example.com".into())), wild),
        ("deep", Some(HostPattern::Suffix(".deep.example.com".into())), deep),
        ("exact", Some(HostPattern::Exact("shop.example.com".into())), exact),
    ])
    .await;
    assert_eq!(ask(&ca, address, "shop.example.com").await.unwrap(), "exact");
    assert_eq!(ask(&ca, address, "SHOP.example.com").await.unwrap(), "exact");
    assert_eq!(ask(&ca, address, "www.example.com").await.unwrap(), "wild");
    assert_eq!(ask(&ca, address, "b.a.example.com").await.unwrap(), "wild");
    assert_eq!(ask(&ca, address, "b.deep.example.com").await.unwrap(), "deep");
    metric(&gateway, "haechi_layer4_ended_total{route=\"wild\",end=\"whole\"} 2").await;
}

#[tokio::test]
async fn a_client_that_asks_for_a_name_of_nobody_is_told() {
    let ca = Ca::new("test");
    let own = service_of(&ca.issue(&["example.com"], 1), "own").await;
    let suffix = HostPattern::Suffix(".example.com".into());
    let (gateway, address) = gateway(&[("own", Some(suffix), own)]).await;
    for name in ["example.com", "other.test", "notexample.com", "127.0.0.1"] {
        let error = ask(&ca, address, name).await.unwrap_err();
        let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()).unwrap();
        let told = rustls::Error::AlertReceived(rustls::AlertDescription::UnrecognisedName);
        assert_eq!(*error, told, "{name}");
    }
    metric(&gateway, "haechi_layer4_refused_total{reason=\"unknown_name\"} 4").await;
}

#[tokio::test]
async fn a_route_without_hosts_takes_all_others_and_those_that_name_none() {
    let ca = Ca::new("test");
    let own = service_of(&ca.issue(&["example.com"], 1), "own").await;
    let others = service_of(&ca.issue(&["other.test", "127.0.0.1"], 2), "others").await;
    let exact = HostPattern::Exact("example.com".into());
    let (_gateway, address) = gateway(&[("own", Some(exact), own), ("others", None, others)]).await;
    assert_eq!(ask(&ca, address, "example.com").await.unwrap(), "own");
    assert_eq!(ask(&ca, address, "other.test").await.unwrap(), "others");
    assert_eq!(ask(&ca, address, "127.0.0.1").await.unwrap(), "others");
}

#[tokio::test]
async fn what_is_no_client_hello_reaches_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (gateway, address) = gateway(&[("all", None, listener.local_addr().unwrap())]).await;
    for (sent, reason) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "not_tls"),
        (&[22, 3, 1, 0, 4, 2, 0, 0, 0], "malformed"),
        (&[22, 3, 1, 0, 4, 1, 1, 0, 0], "too_long"),
        (&[22, 3, 1], "timeout"),
        (b"", "timeout"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(sent).await.unwrap();
        let mut told = Vec::new();
        let _ = client.read_to_end(&mut told).await;
        let alert: &[u8] =
            if reason == "not_tls" || reason == "timeout" { b"" } else { &[21, 3, 3, 0, 2, 2, 50] };
        assert_eq!(told, alert, "{reason}");
        assert!(gateway.metrics().contains(&format!("haechi_layer4_refused_total{{reason=\"{reason}\"}}")));
    }
    metric(&gateway, "haechi_layer4_refused_total{reason=\"timeout\"} 2").await;
    metric(&gateway, "haechi_limit_strikes_total{limit=\"handshake_timeout\"} 2").await;
    let nobody = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(nobody.is_err());
}

#[tokio::test]
async fn openssl_is_passed_on_too() {
    let ca = Ca::new("test");
    let own = service_of(&ca.issue(&["example.com"], 1), "own").await;
    let (_gateway, address) = gateway(&[("own", Some(HostPattern::Exact("example.com".into())), own)]).await;
    // A name with the dot that RFC 6066 forbids is the same, as it is where TLS ends here.
    for (name, version) in
        [("example.com", "-tls1_2"), ("example.com", "-tls1_3"), ("example.com.", "-tls1_3")]
    {
        let client = tokio::process::Command::new("openssl")
            .args(["s_client", "-connect", &address.to_string(), "-servername", name, version])
            .args(["-verify_return_error", "-quiet", "-CAfile"])
            .arg(ca.file())
            .stdin(std::process::Stdio::null())
            .output();
        let output = client.await.unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("own"), "{name} {version}: {output:?}");
    }
}

#[tokio::test]
async fn a_service_without_endpoints_cuts_the_client_off() {
    let ca = Ca::new("test");
    let mut config = GatewayConfig::default();
    let protocol = ListenerProtocol::Layer4(Layer4::Tls);
    let listen = Listener { protocol, ..Listener::plain(([127, 0, 0, 1], 0).into()) };
    config.listeners.insert("edge".into(), listen);
    let mut nobody = service(&[]);
    nobody.endpoints = Endpoints::Registry(name("NOBODY"));
    config.services.insert(name("app"), nobody);
    let route = RouteName::new("all").unwrap();
    config.layer4.push(Layer4Route::new(route, Layer4::Tls, "edge".into(), name("app")));
    let gateway = start_any(SystemClock::start(), config).await;
    assert!(ask(&ca, gateway.local_addrs()["edge"], "example.com").await.is_err());
    metric(&gateway, "haechi_layer4_ended_total{route=\"all\",end=\"no_endpoint\"} 1").await;
    metric(&gateway, "haechi_no_endpoint_total{service=\"app\"} 1").await;
}
