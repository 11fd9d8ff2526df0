//! The services behind the gateway: one that answers and is strict about what it is sent, one that answers what no
//! service should, both for HTTP/1 and HTTP/2, and one that sends back bytes.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use haechi_core::rng::Rng;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::bytes::{mutated, noise, some};
use super::frames;
use super::seeds::Seeds;

/// The longest that a service which stalls does so.
const STALL_MS: u64 = 3000;
/// Room for the fields that the gateway adds to the most that it takes.
const FIELDS: usize = 200;
/// Bytes that are shown of what could not be read.
const SHOWN: usize = 4 << 10;

/// What the strict service met.
#[derive(Debug, Default)]
pub struct Met {
    /// Requests.
    pub requests: Cell<u64>,
    /// What it could not read: what the gateway sends is always one unambiguous message.
    pub refused: RefCell<Vec<String>>,
}

/// hyper, which reads HTTP/1.1 strictly.
pub async fn strict(listener: TcpListener, met: Rc<Met>) {
    while let Ok((stream, _)) = listener.accept().await {
        let met = met.clone();
        spawn_local(async move {
            let answering = hyper::service::service_fn(|request| answer(request, met.clone()));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(None).max_headers(FIELDS);
            let seen = Rc::new(RefCell::new(Vec::new()));
            let stream = Overheard { stream, seen: seen.clone() };
            // The gateway may leave at any time, and hyper knows fewer bytes of targets than RFC 3986 has.
            if let Err(error) = server.serve_connection(TokioIo::new(stream), answering).await
                && error.is_parse()
                && !error.to_string().contains("URI")
            {
                let last = seen.borrow().escape_ascii().to_string();
                met.refused.borrow_mut().push(format!("{error}: …{last}"));
            }
        });
    }
}

/// A connection of which the last bytes that came are kept, to show what could not be read.
struct Overheard {
    stream: TcpStream,
    seen: Rc<RefCell<Vec<u8>>>,
}

impl AsyncRead for Overheard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let mut seen = this.seen.borrow_mut();
        seen.extend_from_slice(&buffer.filled()[before..]);
        let beyond = seen.len().saturating_sub(SHOWN);
        seen.drain(..beyond);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

async fn answer(request: Request<Incoming>, met: Rc<Met>) -> Result<Response<Full<Bytes>>, Infallible> {
    met.requests.set(met.requests.get() + 1);
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let length = body.as_ref().map_or(0, Bytes::len);
    let text = match path.as_str() {
        "/large" => "large ".repeat(200_000),
        path if path.starts_with("/text") => "text that can be compressed; ".repeat(200),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            "slow".to_owned()
        }
        _ => format!("{length} bytes"),
    };
    let answer = Response::builder().header("content-type", "text/plain").header("etag", "\"1\"");
    Ok(answer.body(Full::from(text)).unwrap_or_default())
}

/// Answers from the table and mutations of them, in pieces; stalls and resets.
pub async fn wrong(listener: TcpListener, seeds: Rc<Seeds>, mut rng: Rng) {
    while let Ok((stream, _)) = listener.accept().await {
        let (seeds, mut rng) = (seeds.clone(), rng.fork());
        // How it ends is what the gateway has to bear.
        spawn_local(async move { drop(answer_wrongly(stream, &seeds, &mut rng).await) });
    }
}

async fn answer_wrongly(mut stream: TcpStream, seeds: &Seeds, rng: &mut Rng) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
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
pub async fn wrong_frames(listener: TcpListener, mut rng: Rng) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut rng = rng.fork();
        spawn_local(async move { drop(send_frames(stream, &mut rng).await) });
    }
}

async fn send_frames(mut stream: TcpStream, rng: &mut Rng) -> std::io::Result<()> {
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
pub async fn bytes_back(listener: TcpListener, mut rng: Rng) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut rng = rng.fork();
        spawn_local(async move { drop(send_back(stream, &mut rng).await) });
    }
}

async fn send_back(mut stream: TcpStream, rng: &mut Rng) -> std::io::Result<()> {
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
