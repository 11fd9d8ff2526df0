//! Listeners, DNS, and telling the service manager.

pub mod dns;
pub mod listen;
pub mod notify;
