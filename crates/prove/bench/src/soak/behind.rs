//! Services that answer what none should, for HTTP/1, HTTP/2, bytes and datagrams.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use haechi_core::rng::Rng;
use http::{HeaderMap, Request, Response};
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::spawn_local;

use super::bytes::{mutated, noise, some};
use super::frames;
use super::seeds::Seeds;
use crate::change::listen::{Accepted, Listener};

/// The longest that a service which stalls does so.
const STALL_MS: u64 = 3000;
/// The largest datagram over IPv4, without its headers.
pub const LARGEST: usize = 65_507;

/// Answers from the table and mutations of them, in pieces; stalls and resets.
pub async fn wrong(listener: Listener, seeds: Rc<Seeds>, mut rng: Rng) {
    while let Ok(stream) = listener.accept().await {
        let (seeds, mut rng) = (seeds.clone(), rng.fork());
        // How it ends is what the gateway has to bear.
        spawn_local(async move { drop(answer_wrongly(stream, &seeds, &mut rng).await) });
    }
}

async fn answer_wrongly(mut stream: Box<dyn Accepted>, seeds: &Seeds, rng: &mut Rng) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    while stream.read(&mut buffer).await? > 0 {
        let seed = some(rng, &seeds.answers);
        let (bytes, end) = match (seed.strip_suffix(b"<close>"), seed.strip_suffix(b"<reset>")) {
            (Some(bytes), _) => (bytes, Some(None)),
            (_, Some(bytes)) => (bytes, Some(Some(Duration::ZERO))),
            _ => (seed, None),
        };
        let bytes = if rng.bool() { mutated(bytes, some(rng, &seeds.answers), rng) } else { bytes.to_vec() };
        match rng.u8(..20) {
            0 => tokio::time::sleep(Duration::from_millis(rng.u64(..STALL_MS))).await,
            1 => return Ok(set_socket_linger(&stream, Some(Duration::ZERO))?),
            2 => {
                for piece in bytes.chunks(rng.usize(1..40)) {
                    stream.write_all(piece).await?;
                    tokio::task::yield_now().await;
                }
            }
            3 => stream.write_all(&bytes[..rng.usize(..=bytes.len())]).await?,
            4 => return Ok(()),
            _ => stream.write_all(&bytes).await?,
        }
        if let Some(linger) = end {
            return Ok(set_socket_linger(&stream, linger)?);
        }
    }
    Ok(())
}

/// Answers of gRPC over HTTP/2: messages and trailers, trailers alone, resets.
pub async fn grpc(listener: TcpListener, mut rng: Rng) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut rng = rng.fork();
        spawn_local(async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, answer))) = connection.accept().await {
                // A stream that the gateway resets is answered no more.
                spawn_local(answer_grpc(request, answer, rng.fork()));
            }
        });
    }
}

async fn answer_grpc(
    request: Request<h2::RecvStream>,
    mut answer: h2::server::SendResponse<Bytes>,
    mut rng: Rng,
) -> Option<()> {
    let mut body = request.into_body();
    if rng.u8(..10) == 0 {
        answer.send_reset(h2::Reason::INTERNAL_ERROR);
        return None;
    }
    let head = Response::builder().header("content-type", "application/grpc");
    let mut sender = answer.send_response(head.body(()).ok()?, false).ok()?;
    while let Some(part) = body.data().await {
        let part = part.ok()?;
        body.flow_control().release_capacity(part.len()).ok()?;
        sender.send_data(part, false).ok()?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from(rng.u16(..17)));
    sender.send_trailers(trailers).ok()
}

/// Frames that nobody asked for.
pub async fn wrong_frames(listener: Listener, mut rng: Rng) {
    while let Ok(stream) = listener.accept().await {
        let mut rng = rng.fork();
        spawn_local(async move { drop(send_frames(stream, &mut rng).await) });
    }
}

async fn send_frames(mut stream: Box<dyn Accepted>, rng: &mut Rng) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    while stream.read(&mut buffer).await? > 0 {
        let bytes = frames::of_service(rng);
        let bytes = if rng.u8(..4) == 0 { mutated(&bytes, b"HTTP/1.1 200 OK\r\n\r\n", rng) } else { bytes };
        stream.write_all(&bytes).await?;
        if rng.u8(..8) == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends bytes back, sometimes other ones, and sometimes closes or resets.
pub async fn bytes_back(listener: Listener, mut rng: Rng) {
    while let Ok(stream) = listener.accept().await {
        let mut rng = rng.fork();
        spawn_local(async move { drop(send_back(stream, &mut rng).await) });
    }
}

async fn send_back(mut stream: Box<dyn Accepted>, rng: &mut Rng) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = stream.read(&mut buffer).await?;
        match rng.u8(..12) {
            _ if count == 0 => return Ok(()),
            0 => return Ok(()),
            1 => return Ok(set_socket_linger(&stream, Some(Duration::ZERO))?),
            2 => stream.write_all(&noise(rng, 9000)).await?,
            3 => stream.shutdown().await?,
            _ => stream.write_all(&buffer[..count]).await?,
        }
    }
}

/// Sends each datagram back.
pub async fn datagrams_back(socket: UdpSocket) {
    let mut buffer = vec![0; LARGEST];
    loop {
        // An error tells of a session that has ended.
        if let Ok((count, from)) = socket.recv_from(&mut buffer).await {
            drop(socket.send_to(&buffer[..count], from).await);
        }
    }
}

/// Answers with other datagrams, twice, late, from elsewhere or never.
pub async fn datagrams_wrong(socket: UdpSocket, elsewhere: UdpSocket, mut rng: Rng) {
    let (socket, mut buffer) = (Rc::new(socket), vec![0; LARGEST]);
    loop {
        let Ok((count, from)) = socket.recv_from(&mut buffer).await else { continue };
        let same = buffer[..count].to_vec();
        // What the gateway does not take is lost.
        match rng.u8(..9) {
            0 | 1 => {}
            2 => drop(elsewhere.send_to(&same, from).await),
            3 => {
                let (socket, late) = (socket.clone(), Duration::from_millis(rng.u64(..STALL_MS)));
                spawn_local(async move {
                    tokio::time::sleep(late).await;
                    drop(socket.send_to(&same, from).await);
                });
            }
            4 => {
                for _ in 0..rng.usize(2..30) {
                    drop(socket.send_to(&same, from).await);
                }
            }
            5 => drop(socket.send_to(&[], from).await),
            6 => drop(socket.send_to(&vec![rng.u8(..); LARGEST], from).await),
            7 => drop(socket.send_to(&mutated(&same, b"another", &mut rng), from).await),
            _ => drop(socket.send_to(&noise(&mut rng, 2000), from).await),
        }
    }
}
