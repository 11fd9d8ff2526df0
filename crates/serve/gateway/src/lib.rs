//! The gateway: accept, read, match, pick, attempt, answer. `way.rs` is the file to read first.

#![allow(dead_code, reason = "metrics and the access log land next")]

mod answer;
mod attempt;
mod board;
mod client;
mod discover;
mod endpoint;
mod exchange;
mod failure;
mod gateway;
mod outbox;
mod plan;
mod prepare;
mod record;
mod relay;
mod retry;
mod route;
mod service;
mod stats;
mod tunnel;
mod upstream;
mod way;
mod worker;

pub use gateway::{ApplyError, Drained, Gateway, Options, StartError};
