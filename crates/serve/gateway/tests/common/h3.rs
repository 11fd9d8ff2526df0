//! Clients of HTTP/3: of the `h3` crate, which shares nothing with the gateway but QUIC, and one that says anything.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3::error::StreamError;
use h3_quinn::OpenStreams;
use haechi_route::config::{GatewayConfig, Http3, Listener};
use http::Request;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};

use super::answer::Answer;
use super::tls::{Ca, Issued, tls};

pub const NAME: &str = "test.example";

pub type Sending = SendRequest<OpenStreams, Bytes>;
pub type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// Lets the listener `web` speak TLS and HTTP/3.
pub fn speaks_h3(mut config: GatewayConfig, ca: &Ca) -> GatewayConfig {
    let certificate = ca.write("a.pem", &[NAME], 1);
    let listener: &mut Listener = config.listeners.get_mut("web").unwrap();
    listener.tls = Some(tls(&[&certificate]));
    listener.http3 = Some(Http3::default());
    config
}

/// Connects by QUIC.
pub async fn quic(ca: &Ca, own: Option<&Issued>, address: SocketAddr) -> Result<Connection, String> {
    let connecting = endpoint(ca, own).connect(address, NAME).map_err(|error| error.to_string())?;
    connecting.await.map_err(|error| error.to_string())
}

/// A client's socket, from which it connects.
pub fn endpoint(ca: &Ca, own: Option<&Issued>) -> Endpoint {
    let mut config = rustls::ClientConfig::clone(&ca.client(own));
    config.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicClientConfig::try_from(config).unwrap();
    let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
    endpoint
}

/// Connects by HTTP/3. What is returned first learns of the connection's end.
pub async fn connect(ca: &Ca, address: SocketAddr) -> (Connection, Sending) {
    let connection = quic(ca, None, address).await.unwrap();
    let (mut driver, send) = h3::client::new(h3_quinn::Connection::new(connection.clone())).await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    (connection, send)
}

/// Reads an answer to its end.
pub async fn read_answer(stream: &mut Stream) -> Result<Answer, StreamError> {
    let head = stream.recv_response().await?;
    let mut body = Vec::new();
    while let Some(mut data) = stream.recv_data().await? {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    let trailers = stream.recv_trailers().await?.unwrap_or_default();
    Ok(Answer { head, body, trailers })
}

/// Sends a request and reads its answer.
pub async fn ask(
    send: &mut Sending,
    request: Request<()>,
    body: Option<Bytes>,
) -> Result<Answer, StreamError> {
    let mut stream = send.send_request(request).await?;
    if let Some(body) = body {
        stream.send_data(body).await?;
    }
    stream.finish().await?;
    read_answer(&mut stream).await
}

/// A request without a body.
pub fn request(method: &str, target: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("https://{NAME}{target}")).body(()).unwrap()
}

/// Opens a control stream with nothing in its settings.
pub async fn control(connection: &Connection) -> SendStream {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[0, 4, 0]).await.unwrap();
    stream
}

/// What came of bytes on a stream of their own: the answer's status, or a code of the stream, or of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saw {
    Status(u16),
    Reset(u64),
    Closed(u64),
}

/// Sends bytes and the end on a stream.
pub async fn say(connection: &Connection, bytes: &[u8]) -> Saw {
    let (mut send, receive) = connection.open_bi().await.unwrap();
    // The gateway may have enough before it has all.
    if send.write_all(bytes).await.is_ok() {
        let _ = send.finish();
    }
    see(receive).await
}

/// Reads an answer's status.
pub async fn see(mut receive: RecvStream) -> Saw {
    let mut bytes = Vec::new();
    let failed = loop {
        let mut some = [0; 512];
        match receive.read(&mut some).await {
            Ok(Some(count)) => bytes.extend_from_slice(&some[..count]),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    match failed {
        Some(quinn::ReadError::Reset(code)) => Saw::Reset(code.into_inner()),
        Some(quinn::ReadError::ConnectionLost(quinn::ConnectionError::ApplicationClosed(close))) => {
            Saw::Closed(close.error_code.into_inner())
        }
        Some(error) => panic!("{error}"),
        None => Saw::Status(haechi_testkit::h3::statuses(&bytes)[0]),
    }
}
