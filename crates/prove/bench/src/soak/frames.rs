//! HTTP/2 frame by frame (RFC 9113 §6): good ones, and ones that lie about their type, flags, length and stream.

use haechi_core::rng::Rng;

use super::bytes::{noise, one};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Fields = &'static [(&'static str, &'static str)];

const REQUESTS: [Fields; 7] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/case"), (":authority", "a")],
    &[(":method", "GET"), (":scheme", "http"), (":path", "/large"), (":authority", "a")],
    &[(":method", "GET"), (":scheme", "http"), (":path", "/bad/x"), (":authority", "a"), ("accept", "*/*")],
    &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/case"),
        (":authority", "a"),
        ("content-length", "5"),
    ],
    &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc/a.B/c"),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ],
    &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/tunnel"),
        (":authority", "a"),
    ],
    &[(":path", "/x\r\ny: z"), (":method", "GET"), ("transfer-encoding", "chunked"), ("UPPER", "\0")],
];

const ANSWERS: [Fields; 4] = [
    &[(":status", "200"), ("content-type", "text/plain")],
    &[(":status", "200"), ("content-length", "5")],
    &[(":status", "103"), ("link", "x")],
    &[(":status", "20x"), ("connection", "close"), (":status", "204")],
];

/// A frame (§4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields in HPACK: literal, sometimes remembered by the reader (RFC 7541 §6.2).
fn block(rng: &mut Rng, fields: Fields) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(if rng.bool() { 0 } else { 0x40 });
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// What a client sends.
pub fn of_client(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    conversation(rng, bytes, &REQUESTS)
}

/// What a service sends, whatever it is asked: streams are answered in the order in which a client opens them.
pub fn of_service(rng: &mut Rng) -> Vec<u8> {
    let bytes = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat();
    conversation(rng, bytes, &ANSWERS)
}

fn conversation(rng: &mut Rng, mut bytes: Vec<u8>, heads: &[Fields]) -> Vec<u8> {
    let mut stream = 1;
    // Some keep to what is allowed for longer, so that what is wrong meets streams that are in use.
    let (kinds, spoilt) = if rng.bool() { (8, 40) } else { (14, 8) };
    for _ in 0..rng.usize(1..24) {
        let kind = rng.u8(..kinds);
        let mut next = some_frame(kind, rng, &mut stream, heads);
        if rng.u8(..spoilt) == 0 {
            spoil(rng, &mut next);
        }
        bytes.extend(next);
    }
    bytes
}

fn some_frame(kind: u8, rng: &mut Rng, stream: &mut u32, heads: &[Fields]) -> Vec<u8> {
    let this = *stream;
    let end = if rng.bool() { END_STREAM } else { 0 };
    match kind {
        0..5 => {
            *stream += 2;
            let head = *one(rng, heads);
            let block = block(rng, head);
            if rng.u8(..4) > 0 {
                return frame(HEADERS, END_HEADERS | end, this, &block);
            }
            let (first, rest) = block.split_at(rng.usize(..=block.len()));
            [frame(HEADERS, end, this, first), frame(CONTINUATION, END_HEADERS, this, rest)].concat()
        }
        5..7 => {
            let data = noise(rng, 600);
            frame(DATA, end, this.saturating_sub(2).max(1), &data)
        }
        7 => frame(RST_STREAM, 0, this.saturating_sub(2).max(1), &rng.u32(..16).to_be_bytes()),
        8 => {
            let value = if rng.bool() { rng.u32(..) } else { rng.u32(..70_000) };
            let setting = [&rng.u16(..10).to_be_bytes()[..], &value.to_be_bytes()].concat();
            frame(SETTINGS, 0, 0, &setting)
        }
        9 => frame(PING, rng.u8(..2), 0, &rng.u64(..).to_be_bytes()),
        10 => {
            let more = if rng.bool() { rng.u32(..) } else { rng.u32(..70_000) };
            let on = if rng.bool() { 0 } else { this };
            frame(WINDOW_UPDATE, 0, on, &more.to_be_bytes())
        }
        11 => frame(GOAWAY, 0, 0, &[0; 8]),
        12 => {
            // PRIORITY and PUSH_PROMISE among them, and types that nobody knows (§5.5).
            let payload = noise(rng, 12);
            frame(rng.u8(..16), rng.u8(..), this, &payload)
        }
        _ => {
            let payload = noise(rng, 40);
            frame(HEADERS, END_HEADERS | end, this, &payload)
        }
    }
}

/// Changes a byte of the frame's header, or its payload.
fn spoil(rng: &mut Rng, frame: &mut Vec<u8>) {
    match rng.u8(..6) {
        0 => frame[2] = rng.u8(..),
        1 => frame[3] = rng.u8(..12),
        2 => frame[4] = rng.u8(..),
        3 => frame[8] = rng.u8(..),
        4 => frame.truncate(rng.usize(1..=frame.len())),
        _ => {
            let at = rng.usize(..frame.len());
            frame[at] = rng.u8(..);
        }
    }
}

/// Answers by class of what a client of HTTP/2 received, 1xx first; statuses that are not at the front of their block
/// are not counted.
pub fn answers(mut bytes: &[u8]) -> [u64; 5] {
    let mut classes = [0; 5];
    while let Some((header, rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        if header[3] == HEADERS
            && let Some(class) = class(rest)
        {
            classes[class] += 1;
        }
        bytes = rest.get(length..).unwrap_or_default();
    }
    classes
}

/// Index of the class: the static table has 200 to 500 (RFC 7541 appendix A), else a literal names its index 8 to 14.
fn class(block: &[u8]) -> Option<usize> {
    match *block {
        [0x88..=0x8a, ..] => Some(1),
        [0x8b, ..] => Some(2),
        [0x8c | 0x8d, ..] => Some(3),
        [0x8e, ..] => Some(4),
        // Huffman's codes of 1 and 2 have five bits, those of 3, 4 and 5 six (appendix B).
        [0x48..=0x4e | 0x08..=0x0e, length, first, ..] if length & 0x80 != 0 => {
            match (first >> 3, first >> 2) {
                (1, _) => Some(0),
                (2, _) => Some(1),
                (_, code @ 25..=27) => Some(usize::from(code) - 23),
                _ => None,
            }
        }
        [0x48..=0x4e | 0x08..=0x0e, _, first @ b'1'..=b'5', ..] => Some(usize::from(first - b'1')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_core::rng::seeded;

    #[test]
    fn answers_are_told_by_their_class() {
        let of = |block: &[u8]| answers(&frame(HEADERS, END_HEADERS, 1, block));
        assert_eq!(of(&[0x88]), [0, 1, 0, 0, 0]);
        assert_eq!(of(&[0x48, 3, b'5', b'0', b'2']), [0, 0, 0, 0, 1]);
        // 503: 011011 00000 011001
        assert_eq!(of(&[0x48, 0x83, 0b0110_1100, 0b0000_1100, 0b1111_1111]), [0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_client_begins_with_its_preface() {
        for seed in 0..500 {
            let (client, service) = (of_client(&mut seeded(seed)), of_service(&mut seeded(seed)));
            assert!(client.starts_with(PREFACE) && service.len() >= 18);
            answers(&service);
        }
    }
}
