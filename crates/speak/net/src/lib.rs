//! Listeners and their handover to another process, datagrams, the PROXY protocol, DNS, and telling the service
//! manager.

pub mod datagram;
pub mod dns;
pub mod handover;
pub mod listen;
pub mod notify;
pub mod proxy_protocol;
