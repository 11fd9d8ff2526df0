//! Turns of datagrams: those that are passed on, and those for a port of QUIC.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;

use haechi_core::rng::Rng;
use tokio::net::UdpSocket;

use super::behind::LARGEST;
use super::bytes::noise;
use super::kinds::{Stage, Turn};
use super::packets::{self, ID};
use super::talk::{QUIET, source};

/// Sockets of one turn: many clients, as the gateway sees them.
const CLIENTS: usize = 40;
/// Bytes that a datagram begins with: who sent it.
const NAMED: usize = 6;
/// An endpoint of QUIC sends to whoever it doesn't know yet at most so many times what came (RFC 9000 §8.1).
const AMPLIFIED: usize = 3;

/// What a client's datagrams begin with.
pub fn named(address: SocketAddr) -> [u8; NAMED] {
    let mut name = [0; NAMED];
    if let SocketAddr::V4(address) = address {
        name[..4].copy_from_slice(&address.ip().octets());
    }
    name[4..].copy_from_slice(&address.port().to_be_bytes());
    name
}

impl Stage {
    /// Datagrams of every size from many clients. What comes back counts as 2xx.
    pub async fn datagrams(&self, rng: &mut Rng) -> io::Result<Turn> {
        let (to, is_back) = match rng.u8(..8) {
            0..4 => (self.places.udp, true),
            4..7 => (self.places.udp_wrong, false),
            _ => (self.places.extra_udp, false),
        };
        let answers = Cell::new(0);
        let mut clients = Vec::new();
        for _ in 0..rng.usize(1..=CLIENTS) {
            let socket = UdpSocket::bind(source(rng)).await?;
            let own = named(socket.local_addr()?);
            for _ in 0..rng.usize(1..6) {
                let bytes = match rng.u8(..12) {
                    0 => Vec::new(),
                    1 => vec![rng.u8(..); LARGEST],
                    2 => noise(rng, NAMED - 1),
                    _ => noise(rng, 1400),
                };
                let named = if bytes.len() < LARGEST { [&own[..], &bytes].concat() } else { bytes };
                let bytes = if named.len() == NAMED { &[][..] } else { &named };
                socket.send_to(bytes, to).await?;
            }
            clients.push((socket, own));
        }
        for (socket, own) in &clients {
            let mut buffer = vec![0; LARGEST];
            let wait = if answers.get() == 0 { QUIET } else { QUIET / 20 };
            while let Ok(Ok((count, from))) = tokio::time::timeout(wait, socket.recv_from(&mut buffer)).await
            {
                answers.set(answers.get() + 1);
                let other = is_back && (NAMED..LARGEST).contains(&count) && buffer[..NAMED] != own[..];
                if other || from != to {
                    let what = format!("{own:?} got {:?} from {from}", &buffer[..count.min(NAMED)]);
                    self.seen.failed("a datagram", &what);
                }
            }
        }
        Ok(Turn { answers: [0, answers.get(), 0, 0, 0], closed: answers.get() == 0 })
    }

    /// Datagrams for a port of QUIC. What comes back counts as 2xx, and may not be much more than what was sent.
    pub async fn packets(&self, rng: &mut Rng) -> io::Result<Turn> {
        let to = if rng.u8(..6) == 0 { self.places.extra_tls } else { self.places.tls };
        let id: [u8; ID] = std::array::from_fn(|_| rng.u8(..));
        let socket = UdpSocket::bind(source(rng)).await?;
        let (mut sent, mut received, mut answers) = (0, 0, 0);
        for packet in packets::conversation(rng, id, &self.hello_of_quic)? {
            socket.send_to(&packet, to).await?;
            sent += packet.len();
        }
        let mut buffer = vec![0; LARGEST];
        while let Ok(Ok(count)) = tokio::time::timeout(QUIET, socket.recv(&mut buffer)).await {
            answers += 1;
            // An answer to whoever had the port before has another id.
            if buffer[..count].get(6..6 + ID) == Some(&id[..]) {
                received += count;
            }
        }
        if received > AMPLIFIED * sent {
            self.seen.failed("QUIC", &format!("{received} bytes came for {sent} of nobody that is known"));
        }
        Ok(Turn { answers: [0, answers, 0, 0, 0], closed: answers == 0 })
    }
}
