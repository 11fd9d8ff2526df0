//! The gateway: accept, read, match, pick, attempt, answer. `way.rs` is the file to read first.

mod access_log;
mod acme;
mod added;
mod answer;
mod attempt;
mod board;
mod client;
mod compress;
mod conn;
mod dial;
mod discover;
mod endpoint;
mod exchange;
mod failure;
mod files;
mod forward_head;
mod gateway;
mod grpc;
mod h2;
mod h3;
mod introduce;
mod layer4;
mod listeners;
mod log_writer;
mod metrics;
mod outbox;
mod own;
mod pace;
mod plan;
mod prepare;
mod quic;
mod record;
mod relay;
mod resolving;
mod retry;
mod route;
mod service;
mod splice;
mod stats;
mod status;
mod stock;
mod stream;
mod tls;
mod tls_stats;
mod tunnel;
mod udp;
mod unsent;
mod upstream;
mod way;
mod witness;
mod worker;

pub use gateway::{ApplyError, Drained, Gateway, Options, StartError};
pub use listeners::Listening;
pub use status::{
    AcmeStatus, CertificateStatus, EndpointStatus, FlowStatus, Layer4Status, RouteStatus, ServiceStatus,
    Status, UdpStatus,
};
