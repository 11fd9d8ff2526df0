//! Mutations: what a good message, or a malformed one, becomes.

use haechi_core::rng::Rng;

/// What readers of HTTP and of the control plane's bodies look for.
const WORDS: [&[u8]; 24] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: b\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\n",
    b"%00%2e%2e%2f",
    b"\xff\xfe\xf0\x9f",
    b"-1",
    b"9223372036854775808",
    b"{\"a\":[",
    b"<a><b>",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// Longest message that a mutation makes longer still.
const LONG: usize = 64 << 10;

/// `seed` with one to four changes: bits and bytes, pieces cut out, doubled, put in, or taken from `other`.
pub fn mutated(seed: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.u8(1..=4) {
        mutate(rng, &mut bytes, other);
    }
    bytes
}

fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        return;
    }
    let at = rng.usize(..bytes.len());
    // Mostly a few bytes, sometimes up to the end.
    let most = bytes.len() - at;
    let count = if rng.u8(..4) == 0 { rng.usize(1..=most) } else { rng.usize(1..=most.min(8)) };
    let grows = bytes.len() < LONG;
    match rng.u8(..9) {
        0 => bytes[at] ^= 1 << rng.u8(..8),
        1 => bytes[at] = rng.u8(..),
        2 => drop(bytes.drain(at..at + count)),
        3 if grows => {
            let piece = bytes[at..at + count].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        4 if grows => drop(bytes.splice(at..at, WORDS[rng.usize(..WORDS.len())].iter().copied())),
        5 => {
            let word = WORDS[rng.usize(..WORDS.len())];
            let end = (at + word.len()).min(bytes.len());
            drop(bytes.splice(at..end, word.iter().copied()));
        }
        6 => bytes.truncate(at),
        7 => bytes[at..at + count].reverse(),
        _ if grows && !other.is_empty() => {
            let from = rng.usize(..other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => bytes[at] = bytes[at].wrapping_add(1),
    }
}

/// So many bytes of anything.
pub fn noise(rng: &mut Rng, most: usize) -> Vec<u8> {
    let count = rng.usize(..=most);
    (0..count).map(|_| rng.u8(..)).collect()
}

/// One message of them.
pub fn some<'a>(rng: &mut Rng, of: &'a [Vec<u8>]) -> &'a [u8] {
    &of[rng.usize(..of.len())]
}

/// One of them.
pub fn one<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_core::rng::seeded;

    #[test]
    fn a_seed_gives_the_same_mutations_again() {
        let of = |seed| {
            let mut rng = seeded(seed);
            (0..200).map(|_| mutated(b"GET / HTTP/1.1\r\n\r\n", b"other", &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn the_shortest_messages_are_mutated_too() {
        let mut rng = seeded(1);
        for _ in 0..2000 {
            assert!(mutated(b"", b"", &mut rng).is_empty());
            assert!(mutated(b"a", b"bc", &mut rng).len() < LONG);
        }
    }
}
