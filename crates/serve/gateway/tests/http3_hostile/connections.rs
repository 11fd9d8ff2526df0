//! Connections: how many, how long, for whom.

use haechi_testkit::Service;
use tokio::io::AsyncWriteExt as _;

use crate::common::h3::{Saw, ask, connect, quic, request, say, see, speaks_h3};
use crate::common::tls::Ca;
use crate::common::{config, start};
use crate::{EXCESSIVE_LOAD, GET, Setting, closed, head};

#[tokio::test]
async fn a_head_that_does_not_come_is_answered_and_idle_connections_are_closed() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.limits.head_timeout = std::time::Duration::from_millis(50);
    config.limits.keep_alive = std::time::Duration::from_millis(50);
    let (_gateway, address) = start(config).await;
    let connection = quic(&ca, None, address).await.unwrap();
    let (mut send, receive) = connection.open_bi().await.unwrap();
    send.write_all(&head(GET)[..5]).await.unwrap();
    assert_eq!(see(receive).await, Saw::Status(408));
    drop(send);
    assert_eq!(closed(&connection).await, 0x100);
}

#[tokio::test]
async fn handshakes_beyond_their_limit_are_refused_and_many_must_show_where_they_are() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    // A quarter of one is none: every client is asked.
    config.limits.handshakes = 1;
    let (gateway, address) = start(config).await;
    let (_connection, mut send) = connect(&ca, address).await;
    assert_eq!(ask(&mut send, request("GET", "/"), None).await.unwrap().text(), "ok");
    let metrics = gateway.metrics();
    assert!(metrics.contains("\nhaechi_http3_retries_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn an_address_has_as_many_connections_as_it_may() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.limits.connections_per_address = 1;
    let (_gateway, address) = start(config).await;
    let first = quic(&ca, None, address).await.unwrap();
    let second = quic(&ca, None, address).await.unwrap();
    assert_eq!(closed(&second).await, EXCESSIVE_LOAD);
    first.close(0x100_u32.into(), b"");
    // The place is free once the gateway heard of it.
    loop {
        let next = quic(&ca, None, address).await.unwrap();
        if say(&next, &head(GET)).await == Saw::Status(200) {
            break;
        }
    }
}

#[tokio::test]
async fn when_places_run_out_the_idlest_connection_gives_way() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.limits.connections = 2;
    let (gateway, address) = start(config).await;
    let (idlest, idle) = (quic(&ca, None, address).await.unwrap(), quic(&ca, None, address).await.unwrap());
    for connection in [&idlest, &idle] {
        // The gateway sends its settings once it waits for requests.
        connection.accept_uni().await.unwrap();
    }
    let new = quic(&ca, None, address).await.unwrap();
    assert_eq!(say(&new, &head(GET)).await, Saw::Status(200));
    assert_eq!(closed(&idlest).await, 0x100);
    assert_eq!(say(&idle, &head(GET)).await, Saw::Status(200));
    assert!(gateway.metrics().contains("haechi_limit_strikes_total{limit=\"connections\"} 1\n"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_no_more_than_windows() {
    let (told, mut stuck) = tokio::sync::mpsc::unbounded_channel();
    let service = Service::start(move |mut connection| {
        let told = told.clone();
        async move {
            connection.request().await;
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20)).await;
            let (mut sent, piece) = (0, vec![b'x'; 64 << 10]);
            // Until the gateway takes no more for a while that is long enough for it to have taken all.
            while let Ok(Ok(count)) =
                tokio::time::timeout(std::time::Duration::from_millis(500), connection.stream.write(&piece))
                    .await
            {
                sent += count;
            }
            told.send(sent).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let ca = Ca::new("ca");
    let (_gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let connection = quic(&ca, None, address).await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&head(GET)).await.unwrap();
    send.finish().unwrap();
    let sent = stuck.recv().await.unwrap();
    // Most of it is in the kernel's buffers between the gateway and the service.
    assert!(sent < 24 << 20, "{sent} bytes left the service");
}

#[tokio::test]
async fn datagrams_that_are_no_quic_or_of_nobody_change_nothing() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
    let socket = tokio::net::UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    // An Initial that is none, a version that nobody speaks, a short header of no connection, and noise.
    let version = [&[0xc0, 0x0a, 0x0a, 0x0a, 0x0a, 8][..], &[7; 8], &[8], &[9; 8], &[0; 1200]].concat();
    let initial = [&[0xc3, 0, 0, 0, 1, 8][..], &[7; 8], &[8], &[9; 8], &[0, 0x44, 0xb0], &[5; 1200]].concat();
    let short = [&[0x40][..], &[6; 64]].concat();
    for datagram in [&[][..], &[0], &[0xff; 1200], &version, &initial, &short] {
        for _ in 0..100 {
            socket.send_to(datagram, setting.address).await.unwrap();
        }
    }
    assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
    setting.serves().await;
    // No answer is larger than what asked for it.
    let (mut told, mut area) = (0, [0; 2048]);
    while let Ok(count) = socket.try_recv(&mut area) {
        assert!(count <= 1201, "{count}");
        told += 1;
    }
    assert!(told <= 600, "{told} answers");
}
