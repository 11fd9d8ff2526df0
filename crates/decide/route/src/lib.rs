//! Which route a request takes, and the lowered values of the gateway's configuration. Pure.

pub mod config;

pub use config::GatewayConfig;
