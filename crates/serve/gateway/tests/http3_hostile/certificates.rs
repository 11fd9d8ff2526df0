//! Certificates of clients, which QUIC can ask for only before it knows the host.

use haechi_route::config::ClientCertificates;
use haechi_testkit::Service;

use crate::common::h3::{NAME, Saw, quic, say, speaks_h3};
use crate::common::tls::Ca;
use crate::common::{config, start};
use crate::{GET, head};

#[tokio::test]
async fn client_certificates_are_asked_for_and_hosts_are_kept_apart() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    let listener = config.listeners.get_mut("web").unwrap();
    let asks = |hosts: Vec<haechi_route::config::HostPattern>| ClientCertificates {
        required: true,
        ca: vec![ca.file()],
        crl: Vec::new(),
        forward: true,
        hosts,
    };
    listener.tls.as_mut().unwrap().client = Some(asks(Vec::new()));
    let mut apart = config.clone();
    apart.listeners.get_mut("web").unwrap().tls.as_mut().unwrap().client =
        Some(asks(vec![haechi_route::config::HostPattern::Exact("inner.example".into())]));
    // Everybody is asked.
    let (_gateway, address) = start(config).await;
    let own = ca.issue(&["me"], 9);
    let connection = quic(&ca, Some(&own), address).await.unwrap();
    let named = |host: &'static str| {
        head(&[(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", host)])
    };
    assert_eq!(say(&connection, &named(NAME)).await, Saw::Status(200));
    let told = service.requests()[0].field("x-forwarded-client-cert").map(str::to_owned);
    assert!(told.is_some_and(|told| told.contains("CN=me")));
    let without = match quic(&ca, None, address).await {
        // The client may be done before the gateway has looked.
        Ok(connection) => connection.closed().await.to_string(),
        Err(error) => error,
    };
    assert!(without.contains("ertificate"), "{without}");
    // One host asks: over QUIC nobody can be, so it is not served here (RFC 7838 §6 sends clients back to TCP).
    let (_gateway, address) = start(apart).await;
    let connection = quic(&ca, Some(&own), address).await.unwrap();
    assert_eq!(say(&connection, &named("inner.example")).await, Saw::Status(421));
    assert_eq!(say(&connection, &named(NAME)).await, Saw::Status(200));
}

#[tokio::test]
async fn nobody_is_served_until_the_cas_of_clients_can_be_read() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    let late = ca.path("late.pem");
    config.listeners.get_mut("web").unwrap().tls.as_mut().unwrap().client = Some(ClientCertificates {
        required: true,
        ca: vec![late.clone()],
        crl: Vec::new(),
        forward: false,
        hosts: Vec::new(),
    });
    let (gateway, address) = start(config).await;
    let own = ca.issue(&["me"], 9);
    quic(&ca, Some(&own), address).await.unwrap_err();
    let metrics = gateway.metrics();
    assert!(metrics.contains("haechi_tls_handshake_failures_total{reason=\"no_trust\"} 1\n"), "{metrics}");
    std::fs::copy(ca.file(), late).unwrap();
    loop {
        let Ok(connection) = quic(&ca, Some(&own), address).await else { continue };
        assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
        break;
    }
}
