//! Services that read strictly, with hyper, and answer right.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::spawn_local;

use crate::change::listen::{Accepted, Listener};

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
pub async fn strict(listener: Listener, met: Rc<Met>) {
    while let Ok(stream) = listener.accept().await {
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
    stream: Box<dyn Accepted>,
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

/// Sends each request's body back behind its path and query, so that another's answer shows.
pub async fn back(listener: Listener) {
    while let Ok(stream) = listener.accept().await {
        spawn_local(async move {
            let answering = hyper::service::service_fn(|request: Request<Incoming>| async {
                let target = request.uri().to_string();
                let body = request.into_body().collect().await?.to_bytes();
                let answer = [target.as_bytes(), b"\n", &body].concat();
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(answer))))
            });
            let server = hyper::server::conn::http1::Builder::new();
            // The gateway closes connections when it likes.
            drop(server.serve_connection(TokioIo::new(stream), answering).await);
        });
    }
}
