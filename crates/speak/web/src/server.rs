//! The server: HTTP/1.1 on hyper, everything bounded, stops by draining.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::answer::{self, Response};
use crate::request::Request;

/// Bounds of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A larger request body answers 413.
    pub body_bytes: usize,
    /// Open connections; more wait in the kernel's queue.
    pub connections: usize,
    /// For a head to arrive; an idle connection is closed after it too.
    pub head_timeout: Duration,
    /// For a body to arrive after its head; a slower one answers 408.
    pub body_timeout: Duration,
    /// For requests in flight to finish once the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            connections: 16_384,
            head_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Runs on many at once.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// Accepts and answers until `stop` turns true (or its sender is gone), then finishes what is in flight for
/// at most [`Limits::drain`].
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or the peer left already: without a pause the loop would spin.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (handler, bounds) = (Arc::clone(&handler), limits.clone());
        let service = service_fn(move |request| {
            let (handler, bounds) = (Arc::clone(&handler), bounds.clone());
            async move { Ok::<_, Infallible>(answer(&*handler, request, peer, &bounds).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still busy at the end of the drain and are cut");
    }
}

async fn answer<H: Handler>(
    handler: &H,
    request: http::Request<Incoming>,
    peer: SocketAddr,
    limits: &Limits,
) -> Response {
    let (head, body) = request.into_parts();
    let body_bytes = limits.body_bytes;
    let body = Limited::new(body, body_bytes).collect();
    let body = match tokio::time::timeout(limits.body_timeout, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Err(_) => {
            return answer::text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n");
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return answer::text(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {body_bytes} bytes\n"),
            );
        }
        Ok(Err(error)) => {
            return answer::text(StatusCode::BAD_REQUEST, format!("can't read the body: {error}\n"));
        }
    };
    handler.handle(Request { method: head.method, uri: head.uri, headers: head.headers, body, peer }).await
}
