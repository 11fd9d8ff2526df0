//! What is asked of every gateway.

use crate::grpc;
use crate::load::Fixed;

/// One row of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What `--rows` calls it.
    pub key: &'static str,
    /// How it is called in tables.
    pub name: &'static str,
    /// What is requested.
    pub path: &'static str,
    /// Bytes of the answer's body.
    pub length: usize,
    pub by: By,
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// GETs on keep-alive connections.
    Get,
    /// GETs, each on a connection of its own.
    Close,
    /// POSTs with a body of so many bytes on keep-alive connections.
    Upload(usize),
    /// h2load, HTTP/2 with so many streams at once on each connection.
    Http2 { tls: bool, streams: usize },
    /// h2load, HTTP/1.1 over TLS.
    Tls,
    /// h2load, calls of gRPC in the clear with so many at once on each connection.
    Grpc { streams: usize },
    /// Messages on upgraded connections.
    WebSocket,
}

/// Every row.
pub const ROWS: [Row; 10] = [
    Row { key: "128", name: "128 B", path: "/128", length: 128, by: By::Get },
    Row { key: "16k", name: "16 KiB", path: "/16k", length: 16 << 10, by: By::Get },
    Row { key: "1m", name: "1 MiB", path: "/1m", length: 1 << 20, by: By::Get },
    Row { key: "upload", name: "upload of 1 MiB", path: "/128", length: 128, by: By::Upload(1 << 20) },
    Row { key: "close", name: "128 B, new connections", path: "/128", length: 128, by: By::Close },
    Row {
        key: "h2c",
        name: "128 B, HTTP/2, 10 streams",
        path: "/128",
        length: 128,
        by: By::Http2 { tls: false, streams: 10 },
    },
    Row {
        key: "grpc",
        name: "128 B, gRPC, 10 streams",
        path: grpc::METHOD,
        length: grpc::BODY,
        by: By::Grpc { streams: 10 },
    },
    Row { key: "ws", name: "125 B, WebSocket message", path: "/128", length: 128, by: By::WebSocket },
    Row { key: "tls", name: "128 B, TLS", path: "/128", length: 128, by: By::Tls },
    Row {
        key: "h2",
        name: "128 B, TLS, HTTP/2, 10 streams",
        path: "/128",
        length: 128,
        by: By::Http2 { tls: true, streams: 10 },
    },
];

/// Rows that are measured unless others are named: TLS waits for a listener of Haechi's that serves it.
pub fn usual() -> Vec<String> {
    ROWS.iter().filter(|row| !row.by.is_tls()).map(|row| row.key.to_owned()).collect()
}

impl By {
    /// Whether it needs a certificate.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Http2 { tls: true, .. })
    }

    /// Whether h2load asks.
    pub fn is_h2load(self) -> bool {
        matches!(self, Self::Tls | Self::Http2 { .. } | Self::Grpc { .. })
    }
}

impl Row {
    /// The request of the own load generator, and for its checks beforehand.
    pub fn request(&self) -> Fixed {
        let (host, length) = ("bench.local", Some(self.length as u64));
        match self.by {
            By::Get | By::Http2 { .. } | By::Tls | By::WebSocket | By::Grpc { .. } => {
                Fixed::new(host, self.path, length)
            }
            By::Close => Fixed::with(host, self.path, "Accept: */*\r\nConnection: close\r\n", length),
            By::Upload(body) => Fixed::upload(host, self.path, body, length),
        }
    }

    /// Whether the gateway keeps the connection after an answer.
    pub fn keeps(&self) -> bool {
        self.by != By::Close
    }
}
