//! HTTP/3 stream by stream (RFC 9114): good ones, and ones whose frames, field sections, lengths, types and ends are not
//! what they should be.

use std::time::Duration;

use haechi_core::rng::Rng;
use haechi_testkit::h3::{frame, number, section};

use super::bytes::{mutated, noise, one};

const DATA: u64 = 0;
const HEADERS: u64 = 1;
const SETTINGS: u64 = 4;
const GOAWAY: u64 = 7;

/// What is said on a stream, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub one_way: bool,
    pub bytes: Vec<u8>,
    /// Waited before.
    pub before: Duration,
    /// It is written so many bytes at a time.
    pub piece: usize,
    pub end: End,
    /// The answer is wanted no more after so long.
    pub stop: Option<Duration>,
    /// Why, of a reset or stop.
    pub code: u32,
}

/// What is behind the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Finish,
    Reset,
    /// Nothing.
    Open,
}

/// What is wrong about a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// What it says.
    Wrong,
    /// When it leaves.
    Leaves,
    /// Whom it asks.
    Asks,
}

type Fields = &'static [(&'static str, &'static str)];

const GET: Fields = &[(":method", "GET"), (":scheme", "https"), (":path", "/case"), (":authority", "a")];
const POST: Fields = &[(":method", "POST"), (":scheme", "https"), (":path", "/case"), (":authority", "a")];

const GOOD: [Fields; 6] = [
    GET,
    POST,
    &[(":method", "GET"), (":scheme", "https"), (":path", "/large"), (":authority", "a")],
    &[(":method", "HEAD"), (":scheme", "https"), (":path", "/text/x"), (":authority", "a")],
    &[(":method", "GET"), (":scheme", "https"), (":path", "/slow"), (":authority", "a"), ("cookie", "a=b")],
    &[(":authority", "a"), (":path", "/back/unix"), (":scheme", "https"), (":method", "PUT"), ("x", "")],
];

const ASKED: [Fields; 5] = [
    &[(":method", "GET"), (":scheme", "https"), (":path", "/bad/x"), (":authority", "a")],
    &[(":method", "HEAD"), (":scheme", "https"), (":path", "/bad/x"), (":authority", "a")],
    &[(":method", "POST"), (":scheme", "https"), (":path", "/bad/x"), (":authority", "a")],
    &[(":method", "GET"), (":scheme", "https"), (":path", "/frames/x"), (":authority", "a")],
    &[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/grpc/a.B/c"),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ],
];

const WRONG: [Fields; 8] = [
    &[(":method", "GET"), (":scheme", "https"), (":authority", "a")],
    &[(":path", "/x\r\ny: z"), (":method", "GET"), (":scheme", "https"), (":authority", "a")],
    &[(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a"), (":path", "/y")],
    &[(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a"), ("host", "b")],
    &[(":method", "POST"), (":scheme", "https"), (":path", "/x"), (":authority", "a"), ("Upper", "\0")],
    &[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/x"),
        (":authority", "a"),
        ("transfer-encoding", "chunked"),
    ],
    &[(":method", "CONNECT"), (":authority", "a:1")],
    &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/tunnel"),
        (":authority", "a"),
    ],
];

/// All that a client says on one connection.
pub fn conversation(rng: &mut Rng, manner: Manner) -> Vec<Said> {
    // Of those that are wrong, some keep to what is allowed for longer, so that what is wrong meets streams in use.
    let spoilt = match manner {
        Manner::Wrong => *one(rng, &[3, 30]),
        Manner::Leaves | Manner::Asks => u8::MAX,
    };
    let mut said = vec![control(rng, spoilt)];
    if rng.u8(..spoilt) == 0 {
        said.extend((0..rng.usize(1..4)).map(|_| aside(rng)));
    }
    for _ in 0..rng.usize(1..16) {
        let bytes = request(rng, spoilt, if manner == Manner::Asks { &ASKED } else { &GOOD });
        let mut next = Said { one_way: false, ..when(rng, bytes) };
        if manner != Manner::Asks && rng.u8(..if manner == Manner::Leaves { 2 } else { 8 }) == 0 {
            leave(rng, &mut next);
        }
        said.push(next);
    }
    said
}

fn when(rng: &mut Rng, bytes: Vec<u8>) -> Said {
    let piece = match rng.u8(..8) {
        0 => 1 + bytes.len() / rng.usize(2..40),
        _ => bytes.len().max(1),
    };
    let before = Duration::from_millis(if rng.bool() { 0 } else { rng.u64(..60) });
    Said { one_way: true, bytes, before, piece, end: End::Finish, stop: None, code: code(rng) }
}

/// One of HTTP/3's, mostly (§8.1).
fn code(rng: &mut Rng) -> u32 {
    if rng.bool() { 0x10c } else { rng.u32(0xf0..0x220) }
}

/// Ends nowhere or in the middle, takes back what it said, or wants no answer.
fn leave(rng: &mut Rng, said: &mut Said) {
    match rng.u8(..6) {
        0 | 1 => said.end = End::Reset,
        2 => said.end = End::Open,
        3 => {
            said.bytes.truncate(rng.usize(..=said.bytes.len()));
            said.end = *one(rng, &[End::Finish, End::Reset, End::Open]);
        }
        _ => {}
    }
    if rng.bool() {
        said.stop = Some(Duration::from_millis(rng.u64(..40)));
    }
}

/// The control stream (§6.2.1), which stays open.
fn control(rng: &mut Rng, spoilt: u8) -> Said {
    let good = [number(0), frame(SETTINGS, &[6, 0x80, 1, 0, 0])].concat();
    let bytes = match if rng.u8(..spoilt) == 0 { rng.u8(1..9) } else { 0 } {
        1 => [good.clone(), frame(SETTINGS, &[])].concat(),
        2 => [number(0), frame(SETTINGS, &noise(rng, 60))].concat(),
        3 => [number(0), frame(rng.u64(..16), &[0])].concat(),
        4 => {
            let more = (0..rng.usize(1..50)).flat_map(|_| frame(rng.u64(..48), &[0; 3]));
            [good.clone(), more.collect()].concat()
        }
        5 => [good.clone(), frame(GOAWAY, &number(rng.u64(..1 << 62)))].concat(),
        6 => [number(0), number(SETTINGS), number(rng.u64(..1 << 62))].concat(),
        7 => mutated(&good, &good, rng),
        8 => Vec::new(),
        _ => good,
    };
    let end = if rng.u8(..spoilt) == 0 { *one(rng, &[End::Finish, End::Reset]) } else { End::Open };
    Said { end, ..when(rng, bytes) }
}

/// Streams beside: a second control stream, a push, QPACK's (RFC 9204 §4.2), unknown ones.
fn aside(rng: &mut Rng) -> Said {
    let kind = if rng.bool() { rng.u64(..5) } else { rng.u64(..1 << 62) };
    let bytes = [number(kind), noise(rng, 200)].concat();
    Said { end: *one(rng, &[End::Finish, End::Reset, End::Open]), ..when(rng, bytes) }
}

/// A request, with a body and trailers or without.
fn request(rng: &mut Rng, spoilt: u8, heads: &[Fields]) -> Vec<u8> {
    let mut wrong = |of: u8| rng.u8(..spoilt) == 0 && rng.u8(..of) == 0;
    let (other_head, long, changed, other_length, stray) = (wrong(4), wrong(8), wrong(3), wrong(3), wrong(3));
    let mut fields = if other_head { one(rng, &WRONG).to_vec() } else { one(rng, heads).to_vec() };
    let takes_body = fields.iter().any(|field| matches!(field, (":method", "POST" | "PUT")));
    let body: Vec<Vec<u8>> =
        (0..if takes_body { rng.usize(..4) } else { 0 }).map(|_| noise(rng, 3000)).collect();
    let mut length = body.iter().map(Vec::len).sum::<usize>();
    if other_length {
        length = length.wrapping_add_signed(*one(rng, &[-1, 1, 7, 1 << 40]));
    }
    let length = length.to_string();
    if takes_body && (other_length || rng.bool()) {
        fields.push(("content-length", &length));
    }
    let filling = "x".repeat(if long { rng.usize(20_000..70_000) } else { 0 });
    match long.then(|| rng.u8(..3)) {
        Some(0) => fields.push(("x", &filling)),
        Some(_) => fields.extend([("x", "y"); 110]),
        None => {}
    }
    let mut head = section(&fields);
    if long && rng.bool() {
        // A byte each that stands for a field of the static table.
        head.extend(vec![0xc0 | rng.u8(25..63); rng.usize(100..9000)]);
    }
    if changed {
        head = mutated(&head, &[0xff, 0x80, 0x3f, 0x10], rng);
    }
    let mut frames = vec![frame(HEADERS, &head)];
    frames.extend(body.iter().map(|data| frame(DATA, data)));
    if rng.u8(..8) == 0 {
        frames.push(frame(HEADERS, &section(&[("trailer", "x")])));
    }
    if rng.u8(..8) == 0 {
        // Of a type that nobody knows (§9).
        let place = rng.usize(..=frames.len());
        frames.insert(place, frame(0x21 + 0x1f * rng.u64(..1000), &noise(rng, 100)));
    }
    if stray {
        let place = rng.usize(..=frames.len());
        frames.insert(place, frame(rng.u64(..16), &noise(rng, 40)));
    }
    let bytes = frames.concat();
    if wrong_bytes(rng, spoilt) {
        mutated(&bytes, &frame(DATA, b"GET / HTTP/1.1\r\n\r\n"), rng)
    } else {
        bytes
    }
}

fn wrong_bytes(rng: &mut Rng, spoilt: u8) -> bool {
    rng.u8(..spoilt) == 0 && rng.u8(..3) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_core::rng::seeded;

    #[test]
    fn a_seed_gives_the_same_conversation_again() {
        for manner in [Manner::Wrong, Manner::Leaves, Manner::Asks] {
            for seed in 0..300 {
                let said = conversation(&mut seeded(seed), manner);
                assert_eq!(said, conversation(&mut seeded(seed), manner));
                assert!(said.len() >= 2 && said.iter().all(|said| said.piece > 0));
            }
        }
    }
}
