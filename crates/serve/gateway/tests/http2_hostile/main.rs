//! What a client of HTTP/2 can say wrongly or too often, written frame by frame, and judged by what the service
//! received and by how others are served meanwhile.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod floods;
mod heads;
mod pushes;
mod streams;

use common::frames::{field, frame};

const END: u8 = 0x1 | 0x4;
const OPEN: u8 = 0x4;

fn request(stream: u32, flags: u8) -> Vec<u8> {
    let head = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    let block: Vec<u8> = head.iter().flat_map(|(name, value)| field(name, value)).collect();
    frame(1, flags, stream, &block)
}
