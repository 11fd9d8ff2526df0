//! A static HTTP/1.1 service that costs as little as possible, so that what is measured is the gateway.
//!
//! `/128`, `/16k` and `/1m` answer bodies of that size; anything else answers 128 bytes. A request's body must have
//! a Content-Length; it is read to its end and forgotten before the answer. What asks for WebSocket gets its bytes back.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request head longer than this is refused by closing.
const MAX_HEAD: usize = 16 * 1024;

/// Room for a read: of uploads much is there at once.
const BUFFER: usize = 256 * 1024;

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
    let mut buffer = vec![0; BUFFER];
    let (mut filled, mut answered) = (0, 0);
    // The answer to the request whose body is being read, and how much of that is to come.
    let mut due: Option<(&[u8], usize)> = None;
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(read) => filled += read,
        }
        let mut start = 0;
        loop {
            let (answer, left) = match due.take() {
                Some(due) => due,
                None => match head_length(&buffer[start..filled]) {
                    Some(length) => {
                        let head = &buffer[start..start + length];
                        start += length;
                        if contains(head, b"upgrade: websocket") {
                            return echo(stream, &buffer[start..filled]).await;
                        }
                        (answers.of(target_of(head)), body_length(head))
                    }
                    None => break,
                },
            };
            let taken = left.min(filled - start);
            start += taken;
            if taken < left {
                due = Some((answer, left - taken));
                break;
            }
            if !behaviour.delay.is_zero() {
                tokio::time::sleep(behaviour.delay).await;
            }
            if stream.write_all(answer).await.is_err() {
                return;
            }
            answered += 1;
            if behaviour.close_after.is_some_and(|limit| answered >= limit) {
                return;
            }
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        if filled >= MAX_HEAD {
            return;
        }
    }
}

/// Agrees to WebSocket, and sends back what comes.
async fn echo(mut stream: TcpStream, early: &[u8]) {
    let agreed = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let first = [agreed, early].concat();
    let mut buffer = vec![0; 16 << 10];
    if stream.write_all(&first).await.is_err() {
        return;
    }
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

fn contains(head: &[u8], text: &[u8]) -> bool {
    head.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
}

/// What Content-Length says; none is 0.
fn body_length(head: &[u8]) -> usize {
    let lines = head.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The request target: between the first two spaces.
fn target_of(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}
