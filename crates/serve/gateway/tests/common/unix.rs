//! Clients and services at Unix sockets.

use std::net::SocketAddr;
use std::path::Path;

use haechi_core::Address;
use haechi_route::config::{Endpoints, Listener, Service, StaticEndpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A plain listener at a path.
pub fn at(path: &Path, mode: u32) -> Listener {
    let listen = Address::unix(path.to_owned());
    Listener { listen, mode, ..Listener::plain(([127, 0, 0, 1], 0).into()) }
}

/// A service whose endpoints are at these addresses.
pub fn service_at(addresses: &[Address]) -> Service {
    let endpoint = |address: &Address| StaticEndpoint { address: address.clone(), weight: 100 };
    let endpoints = Endpoints::Static(addresses.iter().map(endpoint).collect());
    Service { endpoints, ..super::service(&[]) }
}

/// Has a service on a port served at a path, each connection as one of its own.
pub fn forward(path: &Path, to: SocketAddr) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                // A cut is a close too.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    })
}

/// A connection to the gateway.
pub struct Client(UnixStream, Vec<u8>);

impl Client {
    pub async fn connect(path: &Path) -> Self {
        Self(UnixStream::connect(path).await.unwrap(), Vec::new())
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The peer's answer, or its absence, says what happened.
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Sends a GET with these fields. The text that is answered.
    pub async fn get(&mut self, fields: &str) -> String {
        self.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")).await;
        let (head, body) = self.answer().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        String::from_utf8(body).unwrap()
    }

    /// The next answer, which says its length: head and body.
    pub async fn answer(&mut self) -> (String, Vec<u8>) {
        let Self(stream, seen) = self;
        loop {
            if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&seen[..end + 4]).to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if seen.len() >= end + 4 + length {
                    let rest = seen.split_off(end + 4 + length);
                    let body = seen.split_off(end + 4);
                    let head = String::from_utf8_lossy(seen).into_owned();
                    *seen = rest;
                    return (head, body);
                }
            }
            assert_ne!(stream.read_buf(seen).await.unwrap(), 0, "{}", String::from_utf8_lossy(seen));
        }
    }

    /// Whether the gateway closes without another byte.
    pub async fn closed(&mut self) -> bool {
        !matches!(self.0.read_buf(&mut self.1).await, Ok(count) if count > 0)
    }
}
