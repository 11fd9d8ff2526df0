//! HTTP/3 from clients.
//!
//! The `quinn` crate speaks QUIC; `haechi_http::h3` knows the forms of frames and field sections. As with HTTP/2, a
//! stream is to everything else in the gateway a connection that carries one HTTP/1.1 message each way
//! ([`Inbound`]), so the way of a request, its limits, retries, failures and records are the same.
//!
//! Bodies go from QUIC's buffers straight into the worker's, and only what was read widens the client's window.

mod control;
mod endpoint;
mod frames;
mod inbound;
mod incoming;
mod serve;
mod session;

pub(crate) use endpoint::accept;
pub(crate) use inbound::Inbound;

use quinn::VarInt;

/// An error code as QUIC carries it.
fn code(code: u32) -> VarInt {
    VarInt::from_u32(code)
}
