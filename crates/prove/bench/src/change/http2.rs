//! HTTP/2: small requests, several at once on each connection, which is opened again after GOAWAY.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::task::{JoinHandle, spawn_local};

use super::Seen;
use super::dial::Way;

/// Requests at once on a connection.
const STREAMS: usize = 4;

/// Requests until it is over.
pub async fn requests(way: Way, seen: Rc<Seen>) {
    while !seen.stop.get() {
        if let Err(error) = connection(&way, &seen).await {
            return seen.failed(way.name, &format!("connect: {error}"));
        }
    }
}

/// A connection, and the task that drives it and ends with its error.
pub async fn open(way: &Way) -> io::Result<(SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>)> {
    let stream = way.open().await?;
    let (client, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    Ok((client, spawn_local(connection)))
}

/// A GET of something small.
pub fn get() -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = http::Uri::from_static("http://bench.local/small");
    request
}

/// Requests until it is over, or the gateway takes no more of them on this connection.
async fn connection(way: &Way, seen: &Seen) -> io::Result<()> {
    let (mut client, driver) = open(way).await?;
    'more: while !seen.stop.get() {
        let mut asked = Vec::with_capacity(STREAMS);
        for _ in 0..STREAMS {
            if poll_fn(|context| client.poll_ready(context)).await.is_err() {
                answers(way, seen, asked).await;
                break 'more;
            }
            match client.send_request(get(), true) {
                Ok((answer, _)) => asked.push(answer),
                // What was not sent is no lost request.
                Err(_) => seen.not_taken.set(seen.not_taken.get() + 1),
            }
        }
        answers(way, seen, asked).await;
        seen.rest().await;
    }
    drop(client);
    // Nothing is in flight on it any more, so how it ends is nobody's loss.
    let _ = driver.await;
    Ok(())
}

async fn answers(way: &Way, seen: &Seen, asked: Vec<ResponseFuture>) {
    for answer in asked {
        match whole(answer).await {
            Ok(true) => seen.requests.set(seen.requests.get() + 1),
            Ok(false) => seen.failed(way.name, &"another answer"),
            // RFC 9113 §8.7: it was not processed, and any client sends it again.
            Err(error) if error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM) => {
                seen.not_taken.set(seen.not_taken.get() + 1);
            }
            Err(error) => seen.failed(way.name, &error),
        }
    }
}

/// Waits for the whole answer, and says whether it is the one that belongs to [`get`].
pub async fn whole(answer: ResponseFuture) -> Result<bool, h2::Error> {
    let answer = answer.await?;
    let status = answer.status();
    let mut body: RecvStream = answer.into_body();
    let mut length = 0;
    while let Some(part) = body.data().await {
        let part = part?;
        length += part.len();
        body.flow_control().release_capacity(part.len())?;
    }
    Ok(status == 200 && length == 2)
}
