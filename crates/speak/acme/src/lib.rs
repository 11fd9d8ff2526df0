//! Certificates from a CA that speaks ACME (RFC 8555), and where they are kept.
//!
//! What is wanted, when it is renewed and when it is tried again is decided elsewhere. Here an order is carried out
//! ([`Authority::obtain`]), its challenges are answered ([`Answers`]), and what comes of it is kept on disk
//! ([`Store`]), from where the listeners' TLS takes it in like any other certificate.
//!
//! Keys of accounts and certificates are in files of mode 0600 and nowhere else. No error quotes one.

mod answers;
mod authority;
mod failure;
mod http;
mod order;
mod store;

pub use answers::{Answers, Given, WELL_KNOWN};
pub use authority::{Authority, Settings, Window};
pub use failure::{Failure, Fault};
pub use order::Kind;
pub use store::{Attempts, Store, certificate_file};
