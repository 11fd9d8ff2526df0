//! Listeners, DNS, and telling the service manager.

pub mod listen;
pub mod notify;
