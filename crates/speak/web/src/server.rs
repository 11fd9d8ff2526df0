//! The server: HTTP/1.1 on hyper, everything bounded, stops by draining.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::answer::{self, Response};
use crate::bodies::{Bodies, BodyError};
use crate::request::Request;

/// Bounds of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A larger request body answers 413.
    pub body_bytes: usize,
    /// Bytes of the bodies of all requests together, from their first byte until they are answered. A request whose
    /// body would be more answers 503.
    pub bodies_bytes: usize,
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
            bodies_bytes: 128 << 20,
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

/// How long a server goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It accepts connections.
    #[default]
    Serving,
    /// Another process accepts in its place. Each connection that is still open is answered once more, for so long,
    /// and told to close.
    Retired(Duration),
    /// It finishes what is in flight, for at most [`Limits::drain`].
    Stopped,
}

/// Accepts and answers until `stop` turns true (or its sender is gone), then finishes what is in flight for
/// at most [`Limits::drain`].
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let (stages, stage) = watch::channel(Stage::Serving);
    let serving = serve_in_stages(listener, handler, limits, stage);
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    stages.send_replace(Stage::Stopped);
    serving.await;
}

/// As [`serve`], with a stage between serving and stopping. It may end in that stage, once no connection is left.
pub async fn serve_in_stages<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    limits: Limits,
    mut stage: watch::Receiver<Stage>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let bodies = Arc::new(Bodies::new(limits.bodies_bytes));
    let graceful = GracefulShutdown::new();
    let told = stage.clone();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stage.wait_for(|stage| *stage != Stage::Serving) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.wait_for(|stage| *stage != Stage::Serving) => break,
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
        let (handler, bounds, bodies) = (Arc::clone(&handler), limits.clone(), Arc::clone(&bodies));
        let told = told.clone();
        let service = service_fn(move |request| {
            let (handler, bounds, bodies) = (Arc::clone(&handler), bounds.clone(), Arc::clone(&bodies));
            let told = told.clone();
            async move {
                let mut answer = answer(&*handler, request, peer, &bounds, &bodies).await;
                if *told.borrow() != Stage::Serving {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
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
    let retired = match *stage.borrow() {
        Stage::Retired(linger) => linger,
        _ => Duration::ZERO,
    };
    tokio::select! {
        () = tokio::time::sleep(retired) => {}
        _ = stage.wait_for(|stage| *stage == Stage::Stopped) => {}
        // Every place is free again: no connection is left.
        _ = places.acquire_many(u32::try_from(limits.connections).unwrap_or(u32::MAX)) => {}
    }
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still busy at the end of the drain and are cut");
    }
}

async fn answer<H: Handler>(
    handler: &H,
    request: http::Request<Incoming>,
    peer: SocketAddr,
    limits: &Limits,
    bodies: &Bodies,
) -> Response {
    let (head, body) = request.into_parts();
    let body = bodies.read(body, limits.body_bytes);
    let body = match tokio::time::timeout(limits.body_timeout, body).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return refusal(&error),
        Err(_) => {
            return answer::text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n");
        }
    };
    let bytes = body.bytes.clone();
    let request = Request { method: head.method, uri: head.uri, headers: head.headers, body: bytes, peer };
    let response = handler.handle(request).await;
    drop(body);
    response
}

fn refusal(error: &BodyError) -> Response {
    let status = match error {
        BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        BodyError::Unreadable(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = answer::text(status, format!("{error}\n"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
