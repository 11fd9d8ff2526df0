//! HTTP/2 written frame by frame, so that it can be wrong.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection whose every frame the test writes.
#[derive(Debug)]
pub struct Frames(TcpStream);

/// What the gateway said of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Saw {
    /// It answered with this status.
    Status(u16),
    /// It reset the stream.
    Reset,
    /// It ended the connection.
    Closed,
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field in HPACK: literal, not indexed, not compressed.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    assert!(name.len() < 127 && value.len() < 127);
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

impl Frames {
    pub async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        Self(stream)
    }

    /// Sends bytes; a peer that closed is seen later.
    pub async fn send(&mut self, bytes: &[u8]) {
        // The answer, or its absence, says what happened.
        let _ = self.0.write_all(bytes).await;
    }

    /// Sends bytes while reading what comes. False once the peer closed.
    pub async fn try_send(&mut self, mut bytes: &[u8]) -> bool {
        let (mut read, mut write) = self.0.split();
        let mut room = vec![0; 16 << 10];
        while !bytes.is_empty() {
            tokio::select! {
                biased;
                got = read.read(&mut room) => if !matches!(got, Ok(1..)) {
                    return false;
                },
                sent = write.write(bytes) => match sent {
                    Ok(count) => bytes = &bytes[count..],
                    Err(_) => return false,
                },
            }
        }
        true
    }

    /// Reads frames until a stream is answered or reset, or the connection ends.
    pub async fn until(&mut self, stream: u32) -> Saw {
        tokio::time::timeout(Duration::from_secs(20), self.read(stream)).await.expect("an answer, or an end")
    }

    /// Reads frames until a stream is reset.
    pub async fn until_reset(&mut self, stream: u32) {
        loop {
            let frame = self.frame().await.expect("a reset");
            if (frame.kind, frame.stream) == (3, stream) {
                return;
            }
        }
    }

    /// Reads frames to the end of the connection. Returns the code of its GOAWAY (RFC 9113 §7).
    pub async fn goaway(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.frame().await {
            if frame.kind == 7 {
                code = frame.payload[4..8].try_into().ok().map(u32::from_be_bytes);
            }
        }
        code
    }

    /// Reads frames until each of these streams was answered with 200. Returns those that were not.
    pub async fn unanswered(&mut self, mut streams: Vec<u32>) -> Vec<u32> {
        let reading = async {
            while !streams.is_empty()
                && let Some(frame) = self.frame().await
            {
                let answer = frame.kind == 1 && status(&frame.payload) == 200;
                streams.retain(|stream| *stream != frame.stream || !answer);
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), reading).await;
        streams
    }

    /// Reads frames until each of these streams ended whole. Returns their bodies.
    pub async fn bodies(&mut self, streams: &[u32]) -> BTreeMap<u32, Vec<u8>> {
        let mut bodies: BTreeMap<u32, Vec<u8>> = streams.iter().map(|stream| (*stream, Vec::new())).collect();
        let mut open: BTreeSet<u32> = streams.iter().copied().collect();
        while !open.is_empty() {
            let frame = self.frame().await.expect("all of the answers");
            assert_ne!(frame.kind, 7, "the connection was given up");
            // Others may have been given up.
            let Some(body) = bodies.get_mut(&frame.stream) else { continue };
            assert_ne!(frame.kind, 3, "stream {} was given up", frame.stream);
            if frame.kind == 0 {
                body.extend_from_slice(&frame.payload);
            }
            if frame.kind <= 1 && frame.flags & 1 != 0 {
                assert!(open.remove(&frame.stream), "stream {} ended twice", frame.stream);
            }
        }
        bodies
    }

    async fn read(&mut self, stream: u32) -> Saw {
        while let Some(frame) = self.frame().await {
            match frame.kind {
                1 if frame.stream == stream => return Saw::Status(status(&frame.payload)),
                3 if frame.stream == stream => return Saw::Reset,
                7 => return Saw::Closed,
                _ => {}
            }
        }
        Saw::Closed
    }

    /// The next frame; none at the end of the connection.
    async fn frame(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        self.0.read_exact(&mut header).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// The status at the front of a field block: one of HPACK's static table, or a literal with an indexed name.
fn status(block: &[u8]) -> u16 {
    let known = [(0x88, 200), (0x89, 204), (0x8a, 206), (0x8b, 304), (0x8c, 400), (0x8d, 404), (0x8e, 500)];
    let indexed = known.iter().find(|(byte, _)| Some(byte) == block.first());
    indexed.map_or(1, |(_, status)| *status)
}
