//! Datagrams for a port of QUIC (RFC 9000 §17): Initials that can be opened and hold something else than a handshake,
//! and what can't be opened at all.

use std::io;
use std::sync::Arc;

use haechi_core::rng::Rng;
use haechi_testkit::h3::number;
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::quic::{ClientConnection, Keys, Version};
use tokio_rustls::rustls::{ClientConfig, Side, Tls13CipherSuite};

use super::bytes::{mutated, noise, one};
use crate::change::dial::NAME;

/// Smaller Initials are not taken (§14.1).
const SMALLEST: usize = 1200;
/// Of a ClientHello so much is in one packet.
const PIECE: usize = 1000;
/// Bytes of a connection's ids here.
pub const ID: usize = 8;

const VERSION_1: [u8; 4] = [0, 0, 0, 1];

const PING: u8 = 1;
const CRYPTO: u8 = 6;

/// What one client sends. Answers come to its id.
pub fn conversation(rng: &mut Rng, id: [u8; ID], hello: &Arc<ClientConfig>) -> io::Result<Vec<Vec<u8>>> {
    let to: Vec<u8> = (0..ID).map(|_| rng.u8(..)).collect();
    let mut packets = match rng.u8(..5) {
        0 => (0..rng.usize(1..12)).map(|_| unopened(rng, &to, id)).collect(),
        // Without a change the handshake begins, and the client is gone.
        1 => initials(rng, &to, id, &client_hello(hello, &parameters(id))?)?,
        2 => {
            let parameters = mutated(&parameters(id), &noise(rng, 40), rng);
            initials(rng, &to, id, &client_hello(hello, &parameters)?)?
        }
        3 => {
            let hello = client_hello(hello, &parameters(id))?;
            let hello = mutated(&hello, &[0x16, 3, 1, 0, 0x33], rng);
            initials(rng, &to, id, &hello)?
        }
        _ => {
            let frames: Vec<Vec<u8>> = (0..rng.usize(1..5)).map(|_| some_frames(rng)).collect();
            numbered(rng, &to, id, &frames)?
        }
    };
    if packets.is_empty() {
        // Nothing was left of the handshake.
        packets.push(unopened(rng, &to, id));
    }
    if rng.u8(..4) == 0 {
        let (at, other) = (rng.usize(..packets.len()), unopened(rng, &to, id));
        packets[at] = mutated(&packets[at], &other, rng);
    }
    if rng.u8(..4) == 0 {
        // Twice, or in another order.
        let (from, to) = (rng.usize(..packets.len()), rng.usize(..packets.len()));
        packets.swap(from, to);
        packets.push(packets[from].clone());
    }
    Ok(packets)
}

/// A ClientHello with these transport parameters.
fn client_hello(config: &Arc<ClientConfig>, parameters: &[u8]) -> io::Result<Vec<u8>> {
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let client = ClientConnection::new(config.clone(), Version::V1, name, parameters.to_vec());
    let mut hello = Vec::new();
    client.map_err(io::Error::other)?.write_hs(&mut hello);
    Ok(hello)
}

/// Transport parameters (§18): windows, numbers of streams, and the id that answers go to.
fn parameters(id: [u8; ID]) -> Vec<u8> {
    let known = [(4, 1 << 20), (5, 1 << 18), (6, 1 << 18), (7, 1 << 18), (8, 100), (9, 3), (1, 30_000)];
    let mut out = known.map(|(name, value)| parameter(name, &number(value))).concat();
    out.extend(parameter(0xf, &id));
    out
}

fn parameter(name: u64, value: &[u8]) -> Vec<u8> {
    [&number(name), &number(value.len() as u64), value].concat()
}

/// These bytes of the handshake, each piece in a packet.
fn initials(rng: &mut Rng, to: &[u8], id: [u8; ID], hello: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let pieces = hello.chunks(PIECE).enumerate();
    let frames: Vec<Vec<u8>> = pieces
        .map(|(place, piece)| {
            // Sometimes somewhere else.
            let offset = if rng.u8(..20) == 0 { rng.u64(..1 << 62) } else { (place * PIECE) as u64 };
            [&[CRYPTO][..], &number(offset), &number(piece.len() as u64), piece].concat()
        })
        .collect();
    numbered(rng, to, id, &frames)
}

fn numbered(rng: &mut Rng, to: &[u8], id: [u8; ID], frames: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    let token = if rng.u8(..4) == 0 { noise(rng, 100) } else { Vec::new() };
    (0..).zip(frames).map(|(count, frames)| initial(to, &id, &token, count, frames)).collect()
}

/// Frames that a client may send, and others, whole or not.
fn some_frames(rng: &mut Rng) -> Vec<u8> {
    let mut frames = Vec::new();
    for _ in 0..rng.usize(1..6) {
        match rng.u8(..6) {
            0 => frames.push(PING),
            // ACK of what was not sent, with ranges.
            1 => frames.extend([2, rng.u8(..64), 0, rng.u8(..4), rng.u8(..64), 0, 0]),
            2 => frames.extend([&[CRYPTO][..], &number(rng.u64(..1 << 62)), &number(20), &[0; 20]].concat()),
            // CONNECTION_CLOSE.
            3 => frames.extend([0x1c + rng.u8(..2), rng.u8(..64), 0, 0]),
            // Those of later packets among them.
            _ => frames.extend([&[rng.u8(..0x22)][..], &noise(rng, 30)].concat()),
        }
    }
    frames
}

/// An Initial, protected as everybody can (RFC 9001 §5.2), with padding.
fn initial(to: &[u8], from: &[u8], token: &[u8], count: u32, frames: &[u8]) -> io::Result<Vec<u8>> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().and_then(Tls13CipherSuite::quic_suite);
    let suite = suite.ok_or(io::ErrorKind::Unsupported)?;
    let keys = Keys::initial(Version::V1, suite.suite, suite.quic, to, Side::Client).local;
    let mut payload = frames.to_vec();
    payload.resize(payload.len().max(SMALLEST), 0);
    let length = 4 + payload.len() + keys.packet.tag_len();
    let mut header = long(0xc3, VERSION_1, to, from);
    header.extend([number(token.len() as u64), token.to_vec(), number(length as u64)].concat());
    let at = header.len();
    header.extend(count.to_be_bytes());
    let tag = keys.packet.encrypt_in_place(count.into(), &header, &mut payload).map_err(io::Error::other)?;
    let mut packet = [&header, &payload, tag.as_ref()].concat();
    let (front, sample) = packet.split_at_mut(at + 4);
    let (first, rest) = front.split_at_mut(1);
    let sample = &sample[..keys.header.sample_len()];
    keys.header.encrypt_in_place(sample, &mut first[0], &mut rest[at - 1..]).map_err(io::Error::other)?;
    Ok(packet)
}

/// The beginning of a long header (RFC 9000 §17.2).
fn long(first: u8, version: [u8; 4], to: &[u8], from: &[u8]) -> Vec<u8> {
    [&[first][..], &version, &[to.len() as u8], to, &[from.len() as u8], from].concat()
}

/// What has no key, or is of no connection.
fn unopened(rng: &mut Rng, to: &[u8], from: [u8; ID]) -> Vec<u8> {
    let size = *one(rng, &[0, 20, 300, 1200, 1400]);
    let rest = noise(rng, size);
    match rng.u8(..7) {
        // 0-RTT, Handshake, Retry and Initials.
        0 | 1 => [long(0xc0 | rng.u8(..64), VERSION_1, to, &from), rest].concat(),
        // Versions that nobody speaks, which are answered, and a list of them, which is not (§6).
        2 => [long(0x80 | rng.u8(..128), rng.u32(..).to_be_bytes(), to, &from), rest].concat(),
        3 => [long(0x80 | rng.u8(..128), [0; 4], to, &from), rest].concat(),
        4 => {
            let long_id = vec![rng.u8(..); rng.usize(..256)];
            [long(0xc0, VERSION_1, &long_id, to), rest].concat()
        }
        // A short header.
        5 => [&[0x40 | rng.u8(..64)][..], to, &rest].concat(),
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_makes_packets() {
        let roots = tokio_rustls::rustls::RootCertStore::empty();
        let hello = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        for seed in 0..1000 {
            let packets = conversation(&mut haechi_core::rng::seeded(seed), [7; ID], &hello).unwrap();
            assert!(!packets.is_empty() && packets.iter().all(|packet| packet.len() < 9000));
        }
    }

    /// RFC 9001 §A.1 and §A.2: the same keys and header; the frame is another, so the rest differs.
    #[test]
    fn initials_are_protected_as_in_the_standard() {
        let to = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let packet = initial(&to, &[], &[], 2, &[CRYPTO]).unwrap();
        assert_eq!(packet[1..18], *b"\0\0\0\x01\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\0\0\x44\xc4");
        let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap().quic_suite().unwrap();
        let keys = Keys::initial(Version::V1, suite.suite, suite.quic, &to, Side::Server).remote;
        let mut opened = packet.clone();
        let (front, rest) = opened.split_at_mut(22);
        let (first, numbers) = front.split_at_mut(1);
        keys.header.decrypt_in_place(&rest[..16], &mut first[0], &mut numbers[17..]).unwrap();
        assert_eq!((first[0], &numbers[17..]), (0xc3, &[0, 0, 0, 2][..]));
        let header = opened[..22].to_vec();
        let payload = keys.packet.decrypt_in_place(2, &header, &mut opened[22..]).unwrap();
        assert_eq!((payload.len(), payload[0]), (SMALLEST, CRYPTO));
    }
}
