//! Bounds on what a document may hold. The length of the whole is the transport's to bound.

use crate::DecodeError;

/// The longest single text (an id, a URL, a status).
pub const TEXT_BYTES: usize = 8 << 10;
/// Entries of one instance's metadata.
pub const METADATA_ENTRIES: usize = 1_024;
/// Keys and values of one instance's metadata together.
pub const METADATA_BYTES: usize = 256 << 10;
/// Items of one replication batch. Netflix's peers send at most 250.
pub const BATCH_ITEMS: usize = 10_000;
/// Instances of one listing read from a peer.
pub const LISTED_INSTANCES: usize = 200_000;
/// Nesting of XML elements. A listing needs five.
pub const XML_DEPTH: usize = 16;
/// XML elements of one document that a client sends.
pub const XML_ELEMENTS: usize = 10_000;

pub(crate) fn check(what: &'static str, size: usize, limit: usize) -> Result<(), DecodeError> {
    if size > limit { Err(DecodeError::TooMuch { what, limit }) } else { Ok(()) }
}
