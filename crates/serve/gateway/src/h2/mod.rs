//! HTTP/2, both ways.
//!
//! The `h2` crate speaks the frames. To everything else in the gateway a stream is a connection that carries one
//! HTTP/1.1 message each way: [`Inbound`] for a client's stream, [`Outbound`] for one to a service. So the way of
//! a request, its limits, retries, failures and records are the same for all four pairs of versions, and the one
//! strict parser judges what comes from either.

mod body;
mod inbound;
mod meter;
mod outbound;
mod pool;
mod serve;
mod websocket;

pub(crate) use inbound::Inbound;
pub(crate) use outbound::Outbound;
pub(crate) use pool::Pool;
pub(crate) use serve::{Opening, opening, serve};

use std::io;

/// Bytes that one stream may have waiting in the frame layer for the peer to take.
const SEND_BUFFER: usize = 64 << 10;

/// An error of the frame layer, as a connection's.
fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
    } else {
        io::Error::new(io::ErrorKind::ConnectionReset, error)
    }
}
