//! The PROXY protocol, versions 1 and 2: a header in front of a connection in which a proxy says between whom the
//! connection was before it.
//!
//! Written and read after the specification of HAProxy's authors,
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Whoever reads one must know beforehand that it
//! comes (§2): nothing here guesses.

mod v1;
mod v2;

use std::net::SocketAddr;

/// A longer header of version 2 is refused. Addresses take 52 bytes at most; a client's certificate among the
/// extensions makes it some thousands.
pub const MAX_BYTES: usize = 4096;

/// Between whom a connection was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it says.
    pub said: Said,
    /// How many bytes it has.
    pub len: usize,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The connection is another's.
    Proxied(Addresses),
    /// The connection is another's, and its addresses are not of the Internet: a Unix socket's, for example.
    Unknown,
    /// The connection is the proxy's own: it asks for the health of what it connects to.
    Local,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The bytes begin otherwise than a header of either version.
    #[error("there is no PROXY header in front of the connection")]
    Absent,
    /// It begins like one and doesn't go on like one.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
    /// It says to be longer than [`MAX_BYTES`].
    #[error("the PROXY header is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// The versions that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Reads a header from the front of `input`; what follows it is not looked at. Nothing when more bytes are needed:
/// all of the input belongs to the header then.
pub fn read(input: &[u8]) -> Result<Option<Header>, BadHeader> {
    if begins(input, &v2::SIGNATURE) {
        v2::read(input)
    } else if begins(input, v1::SIGNATURE) {
        v1::read(input)
    } else {
        Err(BadHeader::Absent)
    }
}

/// Whether what is there of the input is what is there of the signature.
fn begins(input: &[u8], signature: &[u8]) -> bool {
    let both = input.len().min(signature.len());
    input[..both] == signature[..both]
}

/// Writes a header; without addresses one that says that they are not known.
pub fn write(version: Version, addresses: Option<Addresses>) -> Vec<u8> {
    // An address is written in the family in which it is used: `::ffff:192.0.2.1` is of IPv4.
    let addresses = addresses
        .map(|of| Addresses { source: canonical(of.source), destination: canonical(of.destination) });
    match version {
        Version::V1 => v1::write(addresses),
        Version::V2 => v2::write(addresses),
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
