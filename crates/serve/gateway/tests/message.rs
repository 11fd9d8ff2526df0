//! What HTTP/1 asks of a gateway: bodies, interim answers, upgrades, versions, truncation.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write;

use common::{config, start};
use haechi_testkit::{Client, Connection, Service};

async fn answering(bytes: &'static str) -> Service {
    Service::start(move |mut connection: Connection| async move {
        if connection.request().await.is_some() {
            connection.send(bytes).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_chunked_body_goes_both_ways_in_chunks_written_anew() {
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            assert_eq!(request.field("content-length"), None);
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n").await;
            for part in request.body.chunks(4) {
                let part = String::from_utf8_lossy(part);
                connection.send(format!("{:03x};ext=\"y\"\r\n{part}\r\n", part.len())).await;
            }
            connection.send("0\r\nX-Sum: 1\r\n\r\n").await;
        }
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for _ in 0..3 {
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0005;a=b\r\nhello\r\n")
            .await;
        client.send("6\r\n world\r\n0\r\nX-T: 1\r\n\r\n").await;
        let response = client.response().await.unwrap();
        assert_eq!(response.text(), "hello world");
        assert_eq!(response.field("trailer"), None);
    }
    assert!(!String::from_utf8_lossy(client.seen()).contains("ext="));
    let received = String::from_utf8_lossy(&service.received()[0]).into_owned();
    assert!(!received.contains("a=b") && !received.contains("X-T"), "{received}");
}

#[tokio::test]
async fn large_bodies_arrive_whole_both_ways() {
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len());
            connection.send(head).await;
            connection.send(request.body).await;
        }
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    for _ in 0..2 {
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        client.send(&body).await;
        assert!(client.response().await.unwrap().body == body);
    }
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn the_body_waits_for_100_continue() {
    let service = Service::start(|mut connection| async move {
        let mut request = connection.head().await.unwrap();
        assert_eq!(request.field("expect"), Some("100-continue"));
        connection.count(request.clone());
        connection.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        request.body = connection.body(&request).await.unwrap();
        connection.reply("stored").await;
        connection.count(request);
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().status(), 100);
    client.send("data").await;
    assert_eq!(client.response().await.unwrap().text(), "stored");
    assert_eq!(service.requests()[1].body, b"data");
}

#[tokio::test]
async fn a_final_answer_instead_of_100_ends_the_connection() {
    let service = Service::start(|mut connection| async move {
        connection.head().await.unwrap();
        connection.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno").await;
        connection.closed().await;
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    let response = client.response().await.unwrap();
    assert_eq!((response.status(), response.field("connection")), (413, Some("close")));
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn an_upgrade_that_the_service_agrees_to_becomes_a_tunnel() {
    let service = Service::start(|mut connection| async move {
        let request = connection.request().await.unwrap();
        assert_eq!(request.field("upgrade"), Some("websocket"));
        assert_eq!(request.field("connection"), Some("upgrade"));
        assert_eq!(request.field("sec-websocket-key"), Some("k"));
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        connection.send(format!("{head}first")).await;
        let sent = connection.closed().await;
        connection.send([b"echo:".to_vec(), sent].concat()).await;
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    let request = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    client.send(format!("{request}Sec-WebSocket-Key: k\r\n\r\n")).await;
    let response = client.response().await.unwrap();
    assert_eq!((response.status(), response.field("upgrade")), (101, Some("websocket")));
    client.send("GET /not-a-request HTTP/1.1\r\n\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    client.rest().await;
    let seen = String::from_utf8_lossy(client.seen()).into_owned();
    assert!(seen.ends_with("\r\n\r\nfirstecho:GET /not-a-request HTTP/1.1\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_502() {
    let service = answering(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nHTTP/1.1 200 OK\r\n",
    )
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let response = Client::connect(address).await.get("/").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.field("proxy-status"), Some("haechi; error=http_upgrade_failed"));
}

#[tokio::test]
async fn http_1_0_gets_an_answer_it_understands() {
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            assert_eq!(request.start, "GET / HTTP/1.1");
            connection
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
                .await;
        }
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let response = client.response().await.unwrap();
    assert_eq!(response.text(), "abc");
    assert_eq!(response.field("transfer-encoding"), None);
    assert_eq!(response.field("connection"), Some("close"));
}

#[tokio::test]
async fn http_1_0_keep_alive_works_when_the_length_is_known() {
    let service = Service::text("hi").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        let response = client.response().await.unwrap();
        assert_eq!((response.text().as_str(), response.field("connection")), ("hi", Some("keep-alive")));
    }
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.response().await.unwrap().field("connection"), Some("close"));
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_gets_chunks() {
    let service = answering("HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    for _ in 0..3 {
        let response = client.get("/").await;
        assert_eq!(response.text(), "until the end");
        assert_eq!(response.field("transfer-encoding"), Some("chunked"));
    }
}

#[tokio::test]
async fn a_truncated_answer_to_http_1_0_is_a_reset() {
    let service = answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut bytes = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut bytes).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn endless_interim_answers_are_cut() {
    let service = Service::start(|mut connection| async move {
        connection.request().await;
        for _ in 0..100 {
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
        }
        connection.closed().await;
    })
    .await;
    let (gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let text = String::from_utf8(client.rest().await).unwrap();
    assert!(text.contains("502 Bad Gateway"), "{text}");
    assert!(text.matches("103 Early Hints").count() <= 16);
    assert!(gateway.metrics().contains("haechi_limit_strikes_total{limit=\"interim_answers\"} 1\n"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            let text = request.target().to_owned();
            connection.reply(&text).await;
        }
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    let mut requests = String::new();
    for n in 0..20 {
        write!(requests, "POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        write!(requests, "GET /{n}x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    client.send(requests).await;
    for n in 0..20 {
        assert_eq!(client.response().await.unwrap().text(), format!("/{n}"));
        assert_eq!(client.response().await.unwrap().text(), format!("/{n}x"));
    }
}

#[tokio::test]
async fn a_head_may_come_in_any_pieces() {
    let service = Service::text("hi").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Client::connect(address).await;
    let request =
        "POST /a?b=c HTTP/1.1\r\nHost: a.example\r\nX-Long: value\r\nContent-Length: 5\r\n\r\nhello";
    for piece in request.as_bytes().chunks(3) {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.response().await.unwrap().text(), "hi");
    let request = service.requests().remove(0);
    assert_eq!(
        (request.target(), request.field("x-long"), request.text().as_str()),
        ("/a?b=c", Some("value"), "hello")
    );
}
