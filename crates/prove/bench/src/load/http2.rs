//! One HTTP/2 connection in the clear, begun without asking (RFC 9113 §3.3): sends a request, reads all of the answer.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};

use super::connection::Failure;

/// A connection; dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    send: SendRequest<Bytes>,
    frames: AbortHandle,
}

/// All of an answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// What came behind the body; empty when nothing did.
    pub trailers: HeaderMap,
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        Self::Io(io::Error::other(error))
    }
}

impl Connection {
    /// Connects, on the current `LocalSet`.
    pub async fn open(target: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = h2::client::handshake(stream).await?;
        // How it ends is seen by who waits for an answer.
        let frames = spawn_local(async { drop(connection.await) }).abort_handle();
        Ok(Self { send, frames })
    }

    /// Sends `request`, with `body` unless that is empty, and reads the answer.
    pub async fn exchange(&mut self, request: Request<()>, body: &Bytes) -> Result<Answer, Failure> {
        let mut send = self.send.clone().ready().await?;
        let (answer, mut stream) = send.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            // Right behind the head, so that both leave together.
            stream.send_data(body.clone(), true)?;
        }
        let (head, mut coming) = answer.await?.into_parts();
        let mut body = Vec::new();
        while let Some(part) = coming.data().await {
            let part = part?;
            coming.flow_control().release_capacity(part.len())?;
            body.extend_from_slice(&part);
        }
        let trailers = coming.trailers().await?.unwrap_or_default();
        Ok(Answer { status: head.status.as_u16(), body, trailers })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.frames.abort();
    }
}
