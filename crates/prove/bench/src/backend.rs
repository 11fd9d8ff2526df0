//! A static HTTP/1.1 service that costs as little as possible, so that what is measured is the gateway.
//!
//! `/128`, `/16k` and `/1m` answer bodies of that size; anything else answers 128 bytes. Requests must have no
//! body.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request head longer than this is refused by closing.
const MAX_HEAD: usize = 16 * 1024;

/// How the service behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behaviour {
    /// Wait before each answer.
    pub delay: Duration,
    /// Close the connection after so many answers.
    pub close_after: Option<u64>,
}

/// A body size with its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// What is requested.
    pub path: &'static str,
    /// How it is called in tables.
    pub name: &'static str,
    /// Bytes of the body.
    pub length: usize,
}

/// The sizes served.
pub const SIZES: [Size; 3] = [
    Size { path: "/128", name: "128 B", length: 128 },
    Size { path: "/16k", name: "16 KiB", length: 16 * 1024 },
    Size { path: "/1m", name: "1 MiB", length: 1024 * 1024 },
];

/// The byte at `offset` of every body: a pattern without a short period, so that a shifted body shows.
pub fn body_byte(offset: usize) -> u8 {
    b'a' + (offset % 23) as u8 % 26
}

/// Complete answers, head and body in one piece, by path.
struct Answers(Vec<(Vec<u8>, Vec<u8>)>);

impl Answers {
    fn new() -> Self {
        Self(SIZES.iter().map(|size| (size.path.as_bytes().to_vec(), answer(size.length))).collect())
    }

    fn of(&self, path: &[u8]) -> &[u8] {
        let found = self.0.iter().find(|(known, _)| known == path).or(self.0.first());
        found.map_or(&[], |(_, answer)| answer)
    }
}

fn answer(length: usize) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    answer.extend((0..length).map(body_byte));
    answer
}

/// Listens on `address` with room for many connections at once.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(8192)
}

/// Serves on the current `LocalSet` until dropped.
pub async fn serve(listener: TcpListener, behaviour: Behaviour) {
    let answers = Rc::new(Answers::new());
    loop {
        // Accepting fails when descriptors run out; the connections then wait in the queue.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(connection(stream, answers.clone(), behaviour));
        }
    }
}

/// Serves one connection; any error ends it, as the peer sees by itself.
async fn connection(mut stream: TcpStream, answers: Rc<Answers>, behaviour: Behaviour) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; MAX_HEAD];
    let (mut filled, mut answered) = (0, 0);
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(read) => filled += read,
        }
        let mut start = 0;
        while let Some(length) = head_length(&buffer[start..filled]) {
            let path = target_of(&buffer[start..start + length]);
            if !behaviour.delay.is_zero() {
                tokio::time::sleep(behaviour.delay).await;
            }
            if stream.write_all(answers.of(path)).await.is_err() {
                return;
            }
            start += length;
            answered += 1;
            if behaviour.close_after.is_some_and(|limit| answered >= limit) {
                return;
            }
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        if filled == buffer.len() {
            return;
        }
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The request target: between the first two spaces.
fn target_of(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}
