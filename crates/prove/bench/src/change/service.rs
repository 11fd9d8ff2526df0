//! The service behind the gateway: a small answer, a long one, and a WebSocket that sends messages back.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_local;

use super::dial::Io;
use super::listen::Listener;

/// Most bytes of a head, here and at the clients.
const HEAD: usize = 4096;

/// Serves all who come; the long answer has `bytes` bytes.
pub async fn serve(listener: Listener, bytes: u64) {
    while let Ok(stream) = listener.accept().await {
        // The gateway closes connections when it likes.
        spawn_local(async move { drop(connection(stream, bytes).await) });
    }
}

async fn connection(mut stream: impl Io, bytes: u64) -> io::Result<()> {
    while let Some(head) = head(&mut stream).await? {
        if head.starts_with(b"GET /download ") {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
            let part = vec![b'x'; 1 << 16];
            let mut left = bytes;
            while left > 0 {
                let count = part.len().min(left as usize);
                stream.write_all(&part[..count]).await?;
                left -= count as u64;
            }
        } else if head.starts_with(b"GET /echo ") {
            return websocket(stream, &head).await;
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
        }
    }
    Ok(())
}

/// Agrees as RFC 6455 §4.2.2 says and sends every message back, unmasked. All are short.
async fn websocket(mut stream: impl Io, head: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(head);
    let key = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let key = key.ok_or(io::ErrorKind::InvalidData)?;
    let hash = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        BASE64_STANDARD.encode(hash)
    );
    stream.write_all(answer.as_bytes()).await?;
    loop {
        let mut start = [0; 6];
        stream.read_exact(&mut start).await?;
        let length = usize::from(start[1] & 0x7f);
        let mut payload = [0; 0x7f];
        stream.read_exact(&mut payload[..length]).await?;
        for (place, byte) in payload[..length].iter_mut().enumerate() {
            *byte ^= start[2 + place % 4];
        }
        let back = [&[start[0], start[1] & 0x7f], &payload[..length]].concat();
        stream.write_all(&back).await?;
    }
}

/// A head up to its empty line, and nothing behind it; `None` when the other side closes instead.
pub async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        if head.len() > HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(Some(head))
}
