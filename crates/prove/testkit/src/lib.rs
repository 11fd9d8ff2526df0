//! What tests share: scripted services and clients on port 0. They read HTTP with a parser of their own, so that
//! a mistake in the gateway's is seen and not shared.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that can't go on should stop")]

mod client;
pub mod h3;
mod message;
mod name_server;
mod service;
pub mod table;

pub use client::Client;
pub use message::Message;
pub use name_server::{NameServer, Says};
pub use service::{Connection, Service};
