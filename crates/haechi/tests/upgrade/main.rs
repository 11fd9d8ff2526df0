//! A new binary takes over from the one that runs: real processes, real signals, real load.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod registry;
mod sockets;
mod takeover;
mod world;
