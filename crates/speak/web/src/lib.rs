//! The control plane's HTTP: a bounded server on hyper, small helpers for requests and answers, and a
//! client with timeouts. The registry, the config server and the admin port speak through this; the gateway's
//! data path does not (see `haechi-http`).

pub mod answer;
mod bodies;
pub mod client;
pub mod request;
pub mod server;

pub use answer::{Body, Response};
pub use request::Request;
pub use server::{Handler, Limits, Stage, serve, serve_in_stages};
