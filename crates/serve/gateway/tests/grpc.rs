//! gRPC through the gateway, frame by frame: deadlines, failures, streams both ways, gRPC-Web.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use common::h2::{connect, post, read, read_answer, write};
use common::{config, start};
use haechi_gateway::Gateway;
use haechi_route::config::Protocol;
use haechi_testkit::{Client, Service};
use http::{HeaderMap, Response};

/// A service that answers each message with the same, and says what it was called with.
async fn echo() -> SocketAddr {
    common::h2::service(h2::server::Builder::new(), |request, mut respond| async move {
        let (head, mut stream) = request.into_parts();
        let field = |name: &str| head.headers.get(name).map_or("none", |value| value.to_str().unwrap());
        let response = Response::builder().header("content-type", "application/grpc+proto").header(
            "x-called",
            format!("{} {} {}", field("content-type"), field("te"), field("grpc-timeout")),
        );
        let mut out = respond.send_response(response.body(()).unwrap(), false).unwrap();
        while let Some(Ok(data)) = stream.data().await {
            stream.flow_control().release_capacity(data.len()).unwrap();
            write(&mut out, data, false).await.unwrap();
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("x-cost", "7".parse().unwrap());
        out.send_trailers(trailers).unwrap();
    })
    .await
}

async fn gateway(service: SocketAddr) -> (Gateway, SocketAddr) {
    let mut config = config(&[service]);
    for service in config.services.values_mut() {
        service.protocol = Protocol::Http2;
    }
    start(config).await
}

fn call() -> http::Request<()> {
    let mut request = post("/greet.Greeter/Hello");
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn messages_stream_both_ways_and_the_status_comes_last() {
    let (_gateway, address) = gateway(echo().await).await;
    let (response, mut up) = connect(address).await.send_request(call(), false).unwrap();
    let (head, mut down) = response.await.unwrap().into_parts();
    assert_eq!(head.headers["x-called"], "application/grpc trailers none");
    // Each message is answered before the next is sent.
    for message in ["one", "two", "three"] {
        write(&mut up, message.into(), false).await.unwrap();
        let got = down.data().await.unwrap().unwrap();
        assert_eq!(got, message);
        down.flow_control().release_capacity(got.len()).unwrap();
    }
    write(&mut up, Bytes::new(), true).await.unwrap();
    let (rest, trailers) = read(&mut down).await.unwrap();
    assert!(rest.is_empty());
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-cost"]),
        (&"0".parse().unwrap(), &"7".parse().unwrap())
    );
}

#[tokio::test]
async fn the_callers_deadline_ends_the_call() {
    let silent = common::h2::service(h2::server::Builder::new(), |request, respond| async move {
        std::future::pending::<()>().await;
        drop((request, respond));
    });
    let (_gateway, address) = gateway(silent.await).await;
    let mut request = call();
    request.headers_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let (response, mut up) = connect(address).await.send_request(request, false).unwrap();
    write(&mut up, Bytes::from_static(b"hello"), true).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), read_answer(response)).await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("4")));
    assert_eq!(answer.field("content-length"), None, "trailers alone");
}

#[tokio::test]
async fn a_failure_is_a_status_of_grpc() {
    let (_gateway, address) = gateway(Service::refusing()).await;
    let (response, mut up) = connect(address).await.send_request(call(), false).unwrap();
    write(&mut up, Bytes::from_static(b"hello"), true).await.unwrap();
    let answer = read_answer(response).await.unwrap();
    assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("14")));
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert_eq!(answer.field("grpc-message"), Some("the service refused the connection"));
}

#[tokio::test]
async fn a_browsers_call_is_translated_with_its_trailers_in_the_body() {
    let (_gateway, address) = gateway(echo().await).await;
    let mut client = Client::connect(address).await;
    let trailers = b"\x80\0\0\0\x1bgrpc-status: 0\r\nx-cost: 7\r\n";
    client
        .send(
            "POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n\r\nhello",
        )
        .await;
    let answer = client.response().await.unwrap();
    assert_eq!(answer.field("content-type"), Some("application/grpc-web+proto"));
    assert_eq!(answer.field("x-called"), Some("application/grpc+proto trailers none"));
    assert_eq!(answer.body, [b"hello", &trailers[..]].concat());
    // In base64, the request's in two parts that are padded each.
    client
        .send(
            "POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 12\r\n\r\naGVs\
             bG8=IQ==",
        )
        .await;
    let answer = client.response().await.unwrap();
    assert_eq!(answer.field("content-type"), Some("application/grpc-web-text+proto"));
    let text = answer.text();
    let decoded: Vec<u8> = decode(&text);
    assert_eq!(decoded, [b"hello!", &trailers[..]].concat(), "{text}");
}

#[tokio::test]
async fn a_browser_gets_its_own_format_and_http10_gets_no_chunks() {
    let (_gateway, address) = gateway(echo().await).await;
    let trailers = b"\x80\0\0\0\x1bgrpc-status: 0\r\nx-cost: 7\r\n";
    let mut client = Client::connect(address).await;
    let call = |version: &str, kind: &str| {
        format!(
            "POST /a.B/C HTTP/{version}\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 8\r\n\r\naGVsbG8="
        )
    };
    for (kind, answered) in [
        ("application/grpc-web", "application/grpc-web+proto"),
        ("application/grpc-web+json; charset=utf-8", "application/grpc-web+json"),
        ("application/grpc-web-text+thrift", "application/grpc-web-text+thrift"),
    ] {
        client.send(call("1.1", kind)).await;
        assert_eq!(client.response().await.unwrap().field("content-type"), Some(answered));
        let mut old = Client::connect(address).await;
        old.send(call("1.0", kind)).await;
        let answer = String::from_utf8(old.rest().await)
            .unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("content-length"), "{head}");
        let wanted = if kind.contains("text") { b"hello".to_vec() } else { b"aGVsbG8=".to_vec() };
        let body = if kind.contains("text") { decode(body) } else { body.as_bytes().to_vec() };
        let wanted = String::from_utf8_lossy(&[wanted, trailers.to_vec()].concat()).into_owned();
        assert_eq!(String::from_utf8_lossy(&body), wanted);
    }
    // Failures, too.
    let (_gateway, address) = self::gateway(Service::refusing()).await;
    let mut client = Client::connect(address).await;
    client.send(call("1.1", "application/grpc-web+json")).await;
    let answer = client.response().await.unwrap();
    assert_eq!(answer.field("content-type"), Some("application/grpc-web+json"));
    assert_eq!(answer.field("grpc-status"), Some("14"));
}

/// An answer whose length is known before it is translated.
#[tokio::test]
async fn a_translated_answer_with_a_length_has_none_to_http10() {
    let sized = common::h2::service(h2::server::Builder::new(), |request, mut respond| async move {
        let (_, mut stream) = request.into_parts();
        while let Some(Ok(data)) = stream.data().await {
            stream.flow_control().release_capacity(data.len()).unwrap();
        }
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .header("content-length", "5")
            .body(())
            .unwrap();
        let mut out = respond.send_response(response, false).unwrap();
        write(&mut out, Bytes::from_static(b"hello"), false).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        out.send_trailers(trailers).unwrap();
    })
    .await;
    let (_gateway, address) = gateway(sized).await;
    let mut client = Client::connect(address).await;
    client
        .send("POST /a.B/C HTTP/1.0\r\nHost: a\r\nContent-Type: application/grpc-web\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let answer = client.rest().await;
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(!text.contains("transfer-encoding") && !text.contains("content-length"), "{text}");
    assert!(answer.ends_with(b"\r\n\r\nhello\x80\0\0\0\x10grpc-status: 0\r\n"), "{text}");
}

/// Each part of four characters by itself, since parts may be padded.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    let standard = &base64::engine::general_purpose::STANDARD;
    text.as_bytes().chunks(4).flat_map(|part| standard.decode(part).unwrap()).collect()
}

#[tokio::test]
async fn a_browsers_call_over_http2_fails_as_one() {
    let (_gateway, address) = gateway(Service::refusing()).await;
    let mut request = call();
    request.headers_mut().insert("content-type", "application/grpc-web-text".parse().unwrap());
    let (response, mut up) = connect(address).await.send_request(request, false).unwrap();
    write(&mut up, Bytes::from_static(b"aGVsbG8="), true).await.unwrap();
    let answer = read_answer(response).await.unwrap();
    assert_eq!(answer.field("content-type"), Some("application/grpc-web-text"));
    assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("14")));
}
