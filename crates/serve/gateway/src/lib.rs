//! The gateway: accept, read, match, pick, attempt, answer. `way.rs` is the file to read first.

mod access_log;
mod answer;
mod attempt;
mod board;
mod client;
mod conn;
mod dial;
mod discover;
mod endpoint;
mod exchange;
mod failure;
mod files;
mod gateway;
mod h2;
mod metrics;
mod outbox;
mod own;
mod pace;
mod plan;
mod prepare;
mod record;
mod relay;
mod resolving;
mod retry;
mod route;
mod service;
mod stats;
mod status;
mod tls;
mod tls_stats;
mod tunnel;
mod upstream;
mod way;
mod worker;

pub use gateway::{ApplyError, Drained, Gateway, Options, StartError};
pub use status::{CertificateStatus, EndpointStatus, RouteStatus, ServiceStatus, Status};
