//! Certificates from disk, live, and the TLS of both sides of the gateway.
//!
//! No policy is decided here: what is loaded, which name gets which certificate and when a handshake is refused is
//! said by [`ServerFiles`] and [`ClientFiles`]. What they name is read again when it changes on disk; what can't be
//! used changes nothing, and is told by [`ServerTls::problems`] and [`ClientTls::problems`].
//!
//! Private keys live in rustls's signing keys alone. No type here shows one, and no error quotes a file's text.

mod certificate;
mod challenge;
mod client;
mod files;
mod handshake;
mod hello;
mod identity;
mod names;
mod provider;
mod server;
mod trust;

pub use certificate::{CertificateFacts, LoadError, PairFiles, facts_of, inspect};
pub use challenge::ChallengeCertificates;
pub use client::{ClientFiles, ClientTls, ConnectError};
pub use handshake::{Accepted, HandshakeError, Resumption, Session, accept};
pub use hello::{Alert, BadHello, ClientHello, HelloReader};
pub use identity::forwarded_client_certificate;
pub use server::{ClientAuth, ClientAuthFiles, Oldest, ServerFiles, ServerState, ServerTls};

pub use rustls::pki_types::ServerName;
