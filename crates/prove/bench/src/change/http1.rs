//! HTTP/1.1: small requests one after another, and one long download.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Seen;
use super::dial::Way;
use super::service::head;
use crate::load::connection::Connection;

const GET: &[u8] = b"GET /small HTTP/1.1\r\nHost: bench.local\r\n\r\n";

/// Requests one after another, over one connection as long as it stays open or over a new one for each.
pub async fn requests(way: Way, keep: bool, seen: Rc<Seen>) {
    let mut kept = None;
    while !seen.stop.get() {
        let opened = match kept.take() {
            Some(connection) => Ok(connection),
            None => way.open().await.map(Connection::over),
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => return seen.failed(way.name, &format!("connect: {error}")),
        };
        match connection.exchange(GET, None).await {
            Ok(answer) if answer.status == 200 && answer.body_len == 2 => {
                seen.requests.set(seen.requests.get() + 1);
                kept = (keep && answer.keep_alive).then_some(connection);
            }
            Ok(answer) => seen.failed(way.name, &format!("{answer:?}")),
            Err(error) => seen.failed(way.name, &error),
        }
        seen.rest().await;
    }
}

/// One download, read evenly over the time.
pub async fn download(way: Way, bytes: u64, span: Duration, clock: Arc<dyn Clock>, seen: Rc<Seen>) {
    let work = async {
        let began: Instant = clock.now();
        let mut stream = way.open().await?;
        stream.write_all(b"GET /download HTTP/1.1\r\nHost: bench.local\r\n\r\n").await?;
        let mut left = bytes;
        if !head(&mut stream).await?.unwrap_or_default().starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other("no download"));
        }
        let mut buffer = vec![0; 1 << 20];
        while left > 0 {
            let room = buffer.len().min(left as usize);
            match stream.read(&mut buffer[..room]).await? {
                0 => return Err(io::Error::other(format!("cut with {left} bytes left"))),
                count => left -= count as u64,
            }
            let due = span.mul_f64((bytes - left) as f64 / bytes as f64);
            tokio::time::sleep(due.saturating_sub(clock.now().since(began))).await;
        }
        Ok(())
    };
    if let Err(error) = work.await {
        seen.failed(way.name, &format!("download: {error}"));
    }
}
