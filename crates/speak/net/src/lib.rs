//! Listeners and their handover to another process, the PROXY protocol, DNS, and telling the service manager.

pub mod dns;
pub mod handover;
pub mod listen;
pub mod notify;
pub mod proxy_protocol;
