//! Datagrams that are passed on unread. The way of one:
//!
//! `receive → its client's session, or a new one: admit → pick → a socket of its own → send`
//!
//! and of an answer: `receive on the session's socket → send from the address that the client asked`.
//!
//! - receive: `receive.rs`, a task for each socket of a listener;
//! - session: `session.rs`, with a task that waits for answers, and `sessions.rs`, all that a worker has;
//! - admit, pick: `begin.rs`, with the endpoints, ejection and bounds that requests have too.
//!
//! The gateway itself never answers: whoever sends under another's address makes it send nothing there.

mod begin;
mod left;
pub(crate) mod metrics;
mod receive;
mod session;
mod sessions;
mod stats;

pub(crate) use left::Left;
pub(crate) use receive::receive;
pub(crate) use sessions::Sessions;
pub(crate) use stats::{DROPS, ENDS, Sum, UdpStats};

/// Datagrams that are taken from one socket before others have their turn.
const BURST: usize = 64;
