//! One connection of the mixed traffic: bytes go out in pieces, what comes back is counted, and it ends in one of the
//! ways in which clients end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use haechi_core::Address;
use haechi_core::rng::Rng;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UnixStream};

use crate::change::dial::Io;

/// Without a byte for so long, a client leaves.
pub const QUIET: Duration = Duration::from_millis(300);
/// The longest pause between two pieces of a message.
const PAUSE_MS: u64 = 20;
/// No connection lasts longer.
pub const LONGEST: Duration = Duration::from_secs(20);
/// Of an answer, so much is looked through for statuses.
pub const KEPT: usize = 256 << 10;

/// How a connection ended, and what came before.
#[derive(Debug, Default, Clone)]
pub struct Heard {
    pub bytes: Vec<u8>,
    /// The gateway closed or reset it; else the client left.
    pub closed: bool,
}

impl Heard {
    /// Answers of HTTP/1 by class, 1xx first. A body that holds one counts too.
    pub fn answers(&self) -> [u64; 5] {
        let mut classes = [0; 5];
        let start = b"HTTP/1.1 ";
        for window in self.bytes.windows(start.len() + 1) {
            if window.starts_with(start) {
                let class = usize::from(window[start.len()].wrapping_sub(b'1'));
                if let Some(count) = classes.get_mut(class) {
                    *count += 1;
                }
            }
        }
        classes
    }
}

/// One of the 200 addresses that clients have, with a port that the system chooses.
pub fn source(rng: &mut Rng) -> SocketAddr {
    ([127, 0, 0, rng.u8(2..202)], 0).into()
}

/// Connects from one of them; some connections will be reset when they are dropped.
pub async fn dial(rng: &mut Rng, to: &Address) -> io::Result<Box<dyn Io>> {
    let to = match to {
        Address::Tcp(to) => *to,
        Address::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
    };
    let socket = TcpSocket::new_v4()?;
    socket.bind(source(rng))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    if rng.u8(..10) == 0 {
        set_socket_linger(&stream, Some(Duration::ZERO))?;
    }
    Ok(Box::new(stream))
}

/// Sends `bytes` and hears what comes of it.
pub async fn talk(stream: impl Io, bytes: &[u8], rng: &mut Rng) -> Heard {
    let mut heard = Heard::default();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let cuts = cuts(rng, bytes.len());
    // For the gateway a client that half-closes has left.
    let (pause, half_close) = (Duration::from_millis(rng.u64(..PAUSE_MS)), rng.u8(..4) == 0);
    let send = async {
        let mut from = 0;
        for to in cuts {
            if writer.write_all(&bytes[from..to]).await.is_err() {
                break;
            }
            if to < bytes.len() {
                tokio::time::sleep(pause).await;
            }
            from = to;
        }
        if half_close {
            // Who is gone needs no end.
            let _ = writer.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let hear = async {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read) = tokio::time::timeout(QUIET, reader.read(&mut buffer)).await {
            match read {
                Ok(count @ 1..) if heard.bytes.len() < KEPT => {
                    heard.bytes.extend_from_slice(&buffer[..count]);
                }
                Ok(1..) => {}
                Ok(0) | Err(_) => {
                    heard.closed = true;
                    break;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = hear => {}
        () = send => {}
        () = tokio::time::sleep(LONGEST) => {}
    }
    heard
}

/// Where the bytes are cut: mostly nowhere, sometimes in a few places, seldom behind each of the first bytes.
fn cuts(rng: &mut Rng, length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = match rng.u8(..20) {
        0 => (1..length.min(60)).collect(),
        1..6 => (0..rng.usize(1..8)).map(|_| rng.usize(..=length)).collect(),
        _ => Vec::new(),
    };
    cuts.push(length);
    cuts.sort_unstable();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class() {
        let bytes = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 O\r\n\r\nhelloHTTP/1.1 400 B\r\n".to_vec();
        assert_eq!(Heard { bytes, closed: true }.answers(), [1, 1, 0, 1, 0]);
    }
}
