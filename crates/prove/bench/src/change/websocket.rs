//! WebSocket connections that live through all of it (RFC 6455, over HTTP/2 by RFC 8441): a message goes and comes
//! back all the time, and another than the one sent is a failure.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::ext::Protocol;
use http::{Method, Request, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Seen;
use super::dial::Way;
use super::http2;
use super::service::head;

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(10);
/// RFC 6455 §1.3's own example, with the answer that belongs to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A binary message with this number, as a client masks it (RFC 6455 §5.2).
fn message(number: u64) -> [u8; 14] {
    let mut frame = [0; 14];
    let mask = (number as u32).to_le_bytes();
    frame[..2].copy_from_slice(&[0x82, 0x80 | 8]);
    frame[2..6].copy_from_slice(&mask);
    for (place, byte) in number.to_be_bytes().into_iter().enumerate() {
        frame[6 + place] = byte ^ mask[place % 4];
    }
    frame
}

/// The same as it comes back, unmasked.
fn echo(number: u64) -> [u8; 10] {
    let mut frame = [0; 10];
    frame[..2].copy_from_slice(&[0x82, 8]);
    frame[2..].copy_from_slice(&number.to_be_bytes());
    frame
}

/// Over HTTP/1.1.
pub async fn over_http1(way: Way, seen: Rc<Seen>) {
    let work = async {
        let mut stream = way.open().await?;
        let request = format!(
            "GET /echo HTTP/1.1\r\nHost: bench.local\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let head = head(&mut stream).await?.unwrap_or_default();
        let accepted = head.windows(ACCEPT.len()).any(|part| part == ACCEPT);
        if !head.starts_with(b"HTTP/1.1 101") || !accepted {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        let mut number = 0;
        while !seen.stop.get() {
            number += 1;
            stream.write_all(&message(number)).await?;
            let mut back = [0; 10];
            stream.read_exact(&mut back).await?;
            seen.message(back == echo(number))?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    if let Err(error) = work.await {
        seen.failed(way.name, &format!("WebSocket: {error}"));
    }
}

/// Over a stream of HTTP/2.
pub async fn over_http2(way: Way, seen: Rc<Seen>) {
    let work = async {
        let (client, _driver) = http2::open(&way).await?;
        // With its answer the gateway's settings are known, without which a client may not ask for the protocol.
        let mut client = client.ready().await.map_err(io::Error::other)?;
        let (answer, _) = client.send_request(http2::get(), true).map_err(io::Error::other)?;
        http2::whole(answer).await.map_err(io::Error::other)?;
        let mut client = client.ready().await.map_err(io::Error::other)?;
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = Uri::from_static("http://bench.local/echo");
        request.headers_mut().insert("sec-websocket-version", http::HeaderValue::from_static("13"));
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let (answer, mut sender) = client.send_request(request, false).map_err(io::Error::other)?;
        let answer = answer.await.map_err(io::Error::other)?;
        if answer.status() != 200 {
            return Err(io::Error::other(format!("{}", answer.status())));
        }
        let mut receiver = answer.into_body();
        let mut number = 0;
        let mut read = BytesMut::new();
        while !seen.stop.get() {
            number += 1;
            sender.send_data(Bytes::copy_from_slice(&message(number)), false).map_err(io::Error::other)?;
            while read.len() < 10 {
                let part =
                    receiver.data().await.ok_or(io::ErrorKind::UnexpectedEof)?.map_err(io::Error::other)?;
                receiver.flow_control().release_capacity(part.len()).map_err(io::Error::other)?;
                read.extend_from_slice(&part);
            }
            seen.message(read[..] == echo(number))?;
            read.clear();
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    if let Err(error) = work.await {
        seen.failed(way.name, &format!("WebSocket: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_masked_and_comes_back_unmasked() {
        let frame = message(0x0102_0304_0506_0708);
        let unmasked: Vec<u8> = (0..8).map(|place| frame[6 + place] ^ frame[2 + place % 4]).collect();
        assert_eq!(unmasked, echo(0x0102_0304_0506_0708)[2..]);
    }
}
