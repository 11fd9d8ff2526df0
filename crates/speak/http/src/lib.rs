//! The HTTP/1 codec of the data path: strict heads, body framing, and heads written anew by range copy.
//!
//! It reads as RFC 9110 and RFC 9112 demand and refuses whatever two parsers could read differently: what
//! the gateway forwards is always one unambiguous message. `httparse` cuts a head into lines; everything it
//! lets through that is not strict (bare LF, bytes outside ASCII in a target, framing fields) is judged here.
//!
//! Nothing here does I/O or allocates on the usual way: callers own the buffers.

mod authority;
mod body;
mod chunked;
mod connection;
mod field;
pub mod h2;
pub mod h3;
mod head;
mod length;
mod refusal;
mod request;
mod response;
pub mod status;
mod target;

pub use authority::Authority;
pub use body::{Body, Piece, write_chunk, write_last_chunk};
pub use chunked::ChunkDecoder;
pub use connection::Nominated;
pub use field::{Field, Known, is_token};
pub use head::{HeadLimits, HeadSlots, MAX_FIELDS, MAX_WRITTEN_FIELDS, ends_head};
pub use refusal::{BadBody, BadRequest, BadResponse};
pub use request::{RequestFraming, RequestHead};
pub use response::{ResponseFraming, ResponseHead};
pub use target::Target;

/// The version a message was sent with. What the gateway sends is always 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}
