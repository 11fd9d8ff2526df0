//! A client that sends any bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::message::{Message, Reader};

/// A connection to the gateway.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub stream: TcpStream,
    reader: Reader,
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, reader: Reader::default() }
    }

    /// Sends bytes as they are. A peer that closed already is not an error.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The peer's answer, or its absence, says what happened.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next response of any kind, interim ones too; nothing when the connection ends before it does.
    pub async fn response(&mut self) -> Option<Message> {
        self.response_to("GET").await
    }

    /// The next response to a request of this method.
    pub async fn response_to(&mut self, method: &str) -> Option<Message> {
        let mut message = self.reader.head(&mut self.stream).await?;
        let status = message.status();
        if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
            message.body = self.reader.body(&mut self.stream, &message, true).await?;
        }
        Some(message)
    }

    /// Sends a GET and returns its response.
    pub async fn get(&mut self, target: &str) -> Message {
        self.try_get(target).await.unwrap_or_else(|| panic!("no whole response to GET {target}"))
    }

    /// Sends a GET and returns its response, if it comes whole.
    pub async fn try_get(&mut self, target: &str) -> Option<Message> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n")).await;
        self.response().await
    }

    /// Everything that comes until the connection ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends it too.
        let _ = self.stream.read_to_end(&mut rest).await;
        self.reader.seen.extend_from_slice(&rest);
        rest
    }

    /// Everything that ever came.
    pub fn seen(&self) -> &[u8] {
        &self.reader.seen
    }
}
