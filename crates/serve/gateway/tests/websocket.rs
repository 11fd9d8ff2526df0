//! WebSocket for all four pairs of versions (RFC 6455, RFC 8441): what is sent on either side comes out of the other.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;

use bytes::Bytes;
use common::h2::write;
use common::{config, start};
use haechi_gateway::Gateway;
use haechi_route::config::Protocol;
use haechi_testkit::{Client, Service};
use http::{Method, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key of RFC 6455 §1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A service of HTTP/1.1 that switches and then sends everything back. With `honest` it answers the key it got.
async fn echo1(honest: bool) -> Service {
    Service::start(move |mut connection| async move {
        let Some(head) = connection.head().await else { return };
        let key = head.field("sec-websocket-key").unwrap_or_default().to_owned();
        connection.count(head);
        let accept = if honest { accept(&key) } else { ACCEPT.to_owned() };
        connection
            .send(format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
            ))
            .await;
        let mut room = [0; 4096];
        while let Ok(count @ 1..) = connection.stream.read(&mut room).await {
            connection.send(&room[..count]).await;
        }
    })
    .await
}

fn accept(key: &str) -> String {
    use base64::Engine;
    use sha1::Digest;
    let digest = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// The same of HTTP/2.
async fn echo2() -> SocketAddr {
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    common::h2::service(builder, |request, mut respond| async move {
        let protocol =
            request.extensions().get::<h2::ext::Protocol>().map(|protocol| protocol.as_str().to_owned());
        assert_eq!((request.method(), protocol.as_deref()), (&Method::CONNECT, Some("websocket")));
        assert!(!request.headers().contains_key("sec-websocket-key"));
        let mut stream = request.into_body();
        let response = Response::builder().header("sec-websocket-protocol", "chat").body(()).unwrap();
        let mut out = respond.send_response(response, false).unwrap();
        while let Some(Ok(data)) = stream.data().await {
            stream.flow_control().release_capacity(data.len()).unwrap();
            write(&mut out, data, false).await.unwrap();
        }
        write(&mut out, Bytes::new(), true).await.unwrap();
    })
    .await
}

async fn gateway(service: SocketAddr, protocol: Protocol) -> (Gateway, SocketAddr) {
    let mut config = config(&[service]);
    for service in config.services.values_mut() {
        service.protocol = protocol;
    }
    start(config).await
}

/// A client of HTTP/1.1: switches, and sees its bytes come back.
async fn switch1(address: SocketAddr) {
    let mut client = Client::connect(address).await;
    client
        .send(format!(
            "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {KEY}\r\n\r\n"
        ))
        .await;
    let answer = client.response().await.unwrap();
    assert_eq!((answer.status(), answer.field("sec-websocket-accept")), (101, Some(ACCEPT)));
    assert_eq!(answer.field("sec-websocket-protocol"), Some("chat"));
    for message in ["one", "two"] {
        client.send(message).await;
        let mut got = vec![0; message.len()];
        client.stream.read_exact(&mut got).await.unwrap();
        assert_eq!(got, message.as_bytes());
    }
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.is_empty());
}

fn connect() -> Request<()> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://test.example/chat")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    request
}

/// A client of HTTP/2: the same on a stream, beside which another request is served.
async fn switch2(address: SocketAddr) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    // Its end is seen by the requests on it.
    tokio::spawn(async move { connection.await.ok() });
    let mut send = send.ready().await.unwrap();
    while !send.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let (response, mut up) = send.send_request(connect(), false).unwrap();
    let (head, mut down) = response.await.unwrap().into_parts();
    assert_eq!(
        (head.status.as_u16(), &head.headers["sec-websocket-protocol"]),
        (200, &"chat".parse().unwrap())
    );
    for name in ["sec-websocket-accept", "upgrade", "connection"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    for message in ["one", "two"] {
        write(&mut up, message.into(), false).await.unwrap();
        let got = down.data().await.unwrap().unwrap();
        down.flow_control().release_capacity(got.len()).unwrap();
        assert_eq!(got, message);
    }
    write(&mut up, Bytes::new(), true).await.unwrap();
    assert!(down.data().await.is_none_or(|data| data.unwrap().is_empty()));
}

#[tokio::test]
async fn from_http1_to_http1() {
    let service = echo1(true).await;
    let (_gateway, address) = gateway(service.address, Protocol::Http1).await;
    switch1(address).await;
}

#[tokio::test]
async fn from_http2_to_http1() {
    let service = echo1(true).await;
    let (_gateway, address) = gateway(service.address, Protocol::Http1).await;
    switch2(address).await;
    let request = service.requests().remove(0);
    assert_eq!((request.method(), request.target()), ("GET", "/chat"));
    assert_eq!(request.field("sec-websocket-version"), Some("13"));
}

#[tokio::test]
async fn from_http1_to_http2() {
    let (_gateway, address) = gateway(echo2().await, Protocol::Http2).await;
    switch1(address).await;
}

#[tokio::test]
async fn from_http2_to_http2() {
    let (_gateway, address) = gateway(echo2().await, Protocol::Http2).await;
    switch2(address).await;
}

#[tokio::test]
async fn an_answer_to_another_key_opens_nothing() {
    let service = echo1(false).await;
    let (_gateway, address) = gateway(service.address, Protocol::Http1).await;
    let mut send = common::h2::connect(address).await;
    while !send.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let (response, _up) = send.send_request(connect(), false).unwrap();
    assert!(response.await.is_err());
}

#[tokio::test]
async fn a_service_that_takes_none_is_said_so() {
    let service = common::h2::service(h2::server::Builder::new(), |_, _| async {}).await;
    let (_gateway, address) = gateway(service, Protocol::Http2).await;
    let mut client = Client::connect(address).await;
    client
        .send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        ))
        .await;
    assert_eq!(client.response().await.unwrap().status(), 502);
}

#[tokio::test]
async fn an_answer_without_a_switch_is_no_tunnel_and_the_bytes_for_one_are_no_request() {
    let service = Service::text("a page").await;
    let (_gateway, address) = gateway(service.address, Protocol::Http1).await;
    let mut send = common::h2::connect(address).await;
    while !send.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let (response, mut up) = send.send_request(connect(), false).unwrap();
    let smuggled = Bytes::from_static(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    // The stream may be over by then.
    write(&mut up, smuggled, false).await.ok();
    assert_eq!(response.await.unwrap().status(), 502);
    assert_eq!(common::h2::ask(&mut send, common::h2::get("/last"), None).await.unwrap().status(), 200);
    let targets: Vec<_> = service.requests().iter().map(|head| head.target().to_owned()).collect();
    assert_eq!(targets, ["/chat", "/last"]);
}

#[tokio::test]
async fn what_no_connect_can_say_reaches_a_service_of_http2_without_the_switch() {
    let service = common::h2::service(h2::server::Builder::new(), |request, mut respond| async move {
        let (head, mut stream) = request.into_parts();
        let (body, _) = common::h2::read(&mut stream).await.unwrap();
        let said = format!("{} {}", head.method, String::from_utf8_lossy(&body));
        let mut out = respond.send_response(Response::new(()), false).unwrap();
        write(&mut out, said.into(), true).await.unwrap();
    })
    .await;
    let (_gateway, address) = gateway(service, Protocol::Http2).await;
    for (method, protocol, body, said) in [
        ("POST", "websocket", "Content-Length: 3\r\n\r\nabc", "POST abc"),
        ("GET", "websocket", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET abc"),
        ("DELETE", "websocket", "\r\n", "DELETE "),
        ("GET", "websocket, other", "\r\n", "GET "),
    ] {
        let mut client = Client::connect(address).await;
        client
            .send(format!(
                "{method} / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n{body}"
            ))
            .await;
        assert_eq!(client.response().await.unwrap().text(), said);
    }
}
