//! TLS handshakes with clients, within their limits.

use std::future::{Future, poll_fn};
use std::pin::pin;

use haechi_tls::{Accepted, HandshakeError, Resumption, ServerTls, Session};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::{Deadline, Worker};
use crate::conn::Conn;

/// Why there is no connection to serve.
pub(super) enum NoConn {
    /// It is closed. This was counted.
    Closed,
    /// The client speaks plain HTTP. It should be told.
    PlainHttp(TcpStream),
}

/// Shakes hands with a client of this listener. Failures are counted here.
pub(super) async fn shake_hands(
    stream: TcpStream,
    tls: &ServerTls,
    deadline: &Deadline,
    worker: &Worker,
) -> Result<(Conn, Session), NoConn> {
    let (most, within) = {
        let limits = &worker.plan.borrow().config.limits;
        (limits.handshakes, limits.handshake_timeout)
    };
    if worker.stats.tls.under_way.get() >= most as u64 {
        worker.stats.limits.handshakes.one();
        return Err(NoConn::Closed);
    }
    if stream.set_nodelay(true).is_err() {
        return Err(NoConn::Closed);
    }
    deadline.set(worker.now() + within);
    worker.stats.tls.under_way.one();
    let done = {
        let answers = worker.plan.borrow().tls.answers().cloned();
        let challenges = answers.as_ref().map(|answers| &answers.certificates);
        let mut shaking = pin!(haechi_tls::accept(tls.state(), challenges, stream));
        poll_fn(|cx| {
            let done = shaking.as_mut().poll(cx).map(Some);
            if done.is_ready() { done } else { deadline.poll(cx).map(|()| None) }
        })
        .await
    };
    worker.stats.tls.under_way.less_one();
    match done {
        Some(Ok(Accepted { stream, session })) => {
            worker.stats.tls.done(session.is_tls13, session.resumption == Resumption::Resumed);
            Ok((Conn::Tls(Box::new(TlsStream::Server(stream))), session))
        }
        // That is counted with the answers.
        Some(Err(HandshakeError::Challenge)) => Err(NoConn::Closed),
        Some(Err(failure)) => {
            worker.stats.tls.failed(failure.reason());
            tracing::debug!(reason = failure.reason(), why = failure.detail(), "no TLS handshake");
            Err(match failure {
                HandshakeError::PlainHttp(stream) => NoConn::PlainHttp(stream),
                _ => NoConn::Closed,
            })
        }
        None => {
            worker.stats.limits.handshake_timeout.one();
            worker.stats.tls.failed("timeout");
            Err(NoConn::Closed)
        }
    }
}
