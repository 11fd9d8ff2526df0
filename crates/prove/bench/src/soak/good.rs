//! Good clients: requests over connections that are kept and that aren't, of every protocol, WebSockets that live
//! through all of it, and datagrams. Each checks that what comes back is its own.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use h3::client::SendRequest;
use h3::error::{Code, StreamError};
use h3_quinn::OpenStreams;
use haechi_core::rng::Rng;
use http::Request;
use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet, spawn_local};

use super::bytes::{noise, one};
use super::datagrams::named;
use super::quic::Quic;
use crate::change::dial::{NAME, Way};
use crate::change::{Seen, http1, http2, websocket};

/// Requests at once on a connection of HTTP/3, turns of them before another is made, and bytes of a body.
const STREAMS: usize = 8;
const TURNS: usize = 100;
const BODY: usize = 100_000;
/// For an answer over HTTP/3: much longer than the gateway's bounds in time.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer to a datagram is waited for, and how often one is sent: as resolvers do.
const LOST: Duration = Duration::from_secs(1);
const TRIES: usize = 4;
/// Datagrams of a client before it comes from another port.
const DATAGRAMS: usize = 50;

/// HTTP/1.1, HTTP/2 and WebSocket over each way to the gateway: one for HTTP/1.1 with one for HTTP/2.
pub fn over(ways: [&[Way; 2]; 3], seen: &Rc<Seen>) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for [over_http1, over_http2] in ways {
        tasks.push(spawn_local(http1::requests(over_http1.clone(), true, seen.clone())));
        tasks.push(spawn_local(http1::requests(over_http1.clone(), false, seen.clone())));
        tasks.push(spawn_local(http2::requests(over_http2.clone(), seen.clone())));
        tasks.push(spawn_local(websocket::over_http1(over_http1.clone(), seen.clone())));
        tasks.push(spawn_local(websocket::over_http2(over_http2.clone(), seen.clone())));
    }
    tasks
}

/// Requests over HTTP/3 until it is over.
pub async fn over_http3(quic: Quic, to: SocketAddr, mut rng: Rng, seen: Rc<Seen>) {
    let number = Rc::new(Cell::new(rng.u64(..1 << 40)));
    while !seen.stop.get() {
        if let Err(error) = connection(&quic, to, &number, &mut rng, &seen).await {
            return seen.failed("h3", &format!("connect: {error}"));
        }
    }
}

async fn connection(
    quic: &Quic,
    to: SocketAddr,
    number: &Rc<Cell<u64>>,
    rng: &mut Rng,
    seen: &Rc<Seen>,
) -> io::Result<()> {
    let (endpoint, connection) = quic.open(([127, 0, 0, 1], 0).into(), to).await?;
    let connection = h3_quinn::Connection::new(connection);
    let (mut driver, client) = h3::client::new(connection).await.map_err(io::Error::other)?;
    let driver = spawn_local(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    for _ in 0..TURNS {
        let mut asked = JoinSet::new();
        for _ in 0..STREAMS {
            number.set(number.get() + 1);
            let path = *one(rng, &["/back/tcp", "/back/unix"]);
            let target = format!("{path}?{}", number.get());
            let body = rng.bool().then(|| vec![number.get() as u8; rng.usize(..BODY)]);
            asked.spawn_local(ask(client.clone(), target, body, seen.clone()));
        }
        while asked.join_next().await.is_some() {}
        if seen.stop.get() || driver.is_finished() {
            break;
        }
        seen.rest().await;
    }
    drop(client);
    // Nothing is in flight on it any more, so how it ends is nobody's loss.
    let _ = driver.await;
    endpoint.wait_idle().await;
    Ok(())
}

async fn ask(
    mut client: SendRequest<OpenStreams, Bytes>,
    target: String,
    body: Option<Vec<u8>>,
    seen: Rc<Seen>,
) {
    let expected = [target.as_bytes(), b"\n", body.as_deref().unwrap_or_default()].concat();
    let answer = exchange(&mut client, &target, body.map(Bytes::from));
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok((200, body))) if body == expected => seen.requests.set(seen.requests.get() + 1),
        Ok(Ok((status, body))) => {
            let start = body[..body.len().min(60)].escape_ascii();
            seen.failed("h3", &format!("{target}: {status}, {} bytes: {start}", body.len()));
        }
        // RFC 9114 §4.1.1: it was not processed, and any client sends it again.
        Ok(Err(StreamError::RemoteTerminate { code: Code::H3_REQUEST_REJECTED, .. })) => {
            seen.not_taken.set(seen.not_taken.get() + 1);
        }
        Ok(Err(error)) => seen.failed("h3", &format!("{target}: {error}")),
        Err(late) => seen.failed("h3", &format!("{target}: {late}")),
    }
}

async fn exchange(
    client: &mut SendRequest<OpenStreams, Bytes>,
    target: &str,
    body: Option<Bytes>,
) -> Result<(u16, Vec<u8>), StreamError> {
    let mut request = Request::new(());
    if body.is_some() {
        *request.method_mut() = http::Method::POST;
    }
    *request.uri_mut() = format!("https://{NAME}{target}").parse().unwrap_or_default();
    let mut stream = client.send_request(request).await?;
    if let Some(body) = body {
        stream.send_data(body).await?;
    }
    stream.finish().await?;
    let status = stream.recv_response().await?.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(mut data) = stream.recv_data().await? {
        bytes.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    Ok((status, bytes))
}

/// Datagrams one after another, now and then from another port. One that does not come back is sent again.
pub async fn datagrams(to: SocketAddr, mut rng: Rng, seen: Rc<Seen>) {
    while !seen.stop.get() {
        if let Err(error) = from_one_port(to, &mut rng, &seen).await {
            return seen.failed("UDP", &error);
        }
    }
}

async fn from_one_port(to: SocketAddr, rng: &mut Rng, seen: &Seen) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let own = named(socket.local_addr()?);
    socket.connect(to).await?;
    for _ in 0..DATAGRAMS {
        if seen.stop.get() {
            break;
        }
        let datagram = [&own[..], &rng.u64(..).to_be_bytes(), &noise(rng, 1200)].concat();
        let mut tries = 0;
        while !sent(&socket, &datagram, &own).await? {
            tries += 1;
            if tries == TRIES {
                seen.failed("UDP", &format!("no answer to one of {} bytes", datagram.len()));
                break;
            }
        }
        seen.datagrams.set(seen.datagrams.get() + u64::from(tries < TRIES));
        seen.sent_again.set(seen.sent_again.get() + u64::from(tries > 0));
        seen.rest().await;
    }
    Ok(())
}

/// Whether it came back in time. What is late is of those before it, and nobody else's.
async fn sent(socket: &UdpSocket, datagram: &[u8], own: &[u8]) -> io::Result<bool> {
    socket.send(datagram).await?;
    let mut buffer = vec![0; datagram.len() + 2000];
    while let Ok(count) = tokio::time::timeout(LOST, socket.recv(&mut buffer)).await {
        let back = &buffer[..count?];
        if back == datagram {
            return Ok(true);
        }
        if !back.starts_with(own) {
            return Err(io::Error::other("another client's datagram came"));
        }
    }
    Ok(false)
}
