//! The kinds of traffic, and one turn of each: a connection, with what is sent over it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use haechi_core::rng::Rng;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use super::bytes::{mutated, noise, one, some};
use super::frames;
use super::quic::Quic;
use super::seeds::{Parts, Seeds};
use super::setup::{Paths, Places};
use super::streams::{self, Manner};
use super::talk::{Heard, dial, talk};
use crate::change::Seen;
use crate::change::dial::Way;

/// A kind, and how many turns of all it has.
pub const KINDS: [(Kind, u32); 23] = [
    (Kind::Good, 6),
    (Kind::Pipelined, 6),
    (Kind::Malformed, 12),
    (Kind::Mutated, 20),
    (Kind::WrongAnswers, 16),
    (Kind::OverTls, 4),
    (Kind::Frames, 16),
    (Kind::FramesOverTls, 2),
    (Kind::WrongFrames, 10),
    (Kind::Grpc, 8),
    (Kind::Hello, 10),
    (Kind::WebSocket, 8),
    (Kind::Layer4, 8),
    (Kind::Proxied, 8),
    (Kind::Registry, 14),
    (Kind::Config, 8),
    (Kind::Admin, 5),
    (Kind::Unix, 10),
    (Kind::Streams, 14),
    (Kind::StreamsLeft, 6),
    (Kind::WrongOverStreams, 6),
    (Kind::Packets, 8),
    (Kind::Datagrams, 8),
];

/// What is sent where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    Pipelined,
    Malformed,
    Mutated,
    WrongAnswers,
    OverTls,
    Frames,
    FramesOverTls,
    WrongFrames,
    Grpc,
    Hello,
    WebSocket,
    Layer4,
    Proxied,
    Registry,
    Config,
    Admin,
    Unix,
    Streams,
    StreamsLeft,
    WrongOverStreams,
    Packets,
    Datagrams,
}

impl Kind {
    /// For the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "HTTP/1.1, good",
            Self::Pipelined => "HTTP/1.1, pipelined",
            Self::Malformed => "HTTP/1.1, malformed",
            Self::Mutated => "HTTP/1.1, mutated",
            Self::WrongAnswers => "malformed answers",
            Self::OverTls => "mutated, over TLS",
            Self::Frames => "HTTP/2, mutated",
            Self::FramesOverTls => "the same over TLS",
            Self::WrongFrames => "malformed answers of HTTP/2",
            Self::Grpc => "gRPC",
            Self::Hello => "TLS handshakes, mutated",
            Self::WebSocket => "WebSocket",
            Self::Layer4 => "TCP, TLS by name",
            Self::Proxied => "PROXY protocol",
            Self::Registry => "registry",
            Self::Config => "config server",
            Self::Admin => "admin",
            Self::Unix => "Unix socket, mutated",
            Self::Streams => "HTTP/3, mutated",
            Self::StreamsLeft => "HTTP/3, left in its middle",
            Self::WrongOverStreams => "malformed answers over HTTP/3",
            Self::Packets => "QUIC packets, mutated",
            Self::Datagrams => "UDP datagrams",
        }
    }
}

/// What all turns share.
pub struct Stage {
    pub seeds: Rc<Seeds>,
    pub places: Places,
    pub paths: Paths,
    /// Over TLS, by HTTP/1.1 and HTTP/2.
    pub tls: [Way; 2],
    /// What ClientHellos are made with.
    pub hello: Arc<ClientConfig>,
    /// The same for QUIC.
    pub hello_of_quic: Arc<ClientConfig>,
    pub quic: Quic,
    /// What comes back to somebody else is told to.
    pub seen: Rc<Seen>,
}

/// What came of a turn.
#[derive(Debug, Default, Clone, Copy)]
pub struct Turn {
    /// Answers by class, 1xx first.
    pub answers: [u64; 5],
    /// The connection was closed without any.
    pub closed: bool,
}

impl Stage {
    /// A turn of this kind. An error says that the connection could not be made.
    pub async fn turn(&self, kind: Kind, rng: &mut Rng) -> std::io::Result<Turn> {
        let Places { web, proxied, admin, registry, config, .. } = self.places;
        match kind {
            Kind::Streams => self.streams(Manner::Wrong, rng).await,
            Kind::StreamsLeft => self.streams(Manner::Leaves, rng).await,
            Kind::WrongOverStreams => self.streams(Manner::Asks, rng).await,
            Kind::Packets => self.packets(rng).await,
            Kind::Datagrams => self.datagrams(rng).await,
            Kind::Unix => self.unix(rng).await,
            Kind::Grpc => self.grpc(rng).await,
            Kind::OverTls => over(&self.tls[0], &self.mutated(rng), rng).await,
            Kind::FramesOverTls => over(&self.tls[1], &frames::of_client(rng), rng).await,
            _ => {
                let (address, bytes) = match kind {
                    Kind::Pipelined => (web, self.pipelined(rng)),
                    Kind::Malformed => (web, some(rng, &self.seeds.malformed).to_vec()),
                    Kind::Mutated => (web, self.mutated(rng)),
                    Kind::WrongAnswers => (web, below("bad", rng)),
                    Kind::WrongFrames => (web, below("frames", rng)),
                    Kind::Frames => (web, frames::of_client(rng)),
                    Kind::Hello => self.hello(rng)?,
                    Kind::WebSocket => (web, self.websocket(rng)),
                    Kind::Layer4 => self.layer4(rng)?,
                    Kind::Proxied => (proxied, self.proxied(rng)),
                    Kind::Registry => (registry, control(&self.seeds.registry, rng)),
                    Kind::Config => (config, control(&self.seeds.config, rng)),
                    Kind::Admin => (admin, control(&self.seeds.admin, rng)),
                    _ => (web, some(rng, &self.seeds.good).to_vec()),
                };
                let heard = talk(dial(rng, &address.into()).await?, &bytes, rng).await;
                Ok(if kind == Kind::Frames { of_frames(&heard) } else { of_http1(&heard) })
            }
        }
    }

    /// As over TCP, and sometimes at a socket that comes and goes.
    async fn unix(&self, rng: &mut Rng) -> std::io::Result<Turn> {
        let path = if rng.u8(..6) == 0 { &self.paths.extra } else { &self.paths.web };
        let bytes = match rng.u8(..8) {
            0 => some(rng, &self.seeds.malformed).to_vec(),
            1 => self.pipelined(rng),
            2 => below("bad", rng),
            3 => self.websocket(rng),
            _ => self.mutated(rng),
        };
        Ok(of_http1(&talk(dial(rng, path).await?, &bytes, rng).await))
    }

    async fn streams(&self, manner: Manner, rng: &mut Rng) -> std::io::Result<Turn> {
        let to = if rng.u8(..6) == 0 { self.places.extra_tls } else { self.places.tls };
        self.quic.turn(streams::conversation(rng, manner), to, rng).await
    }

    fn mutated(&self, rng: &mut Rng) -> Vec<u8> {
        let seeds = if rng.bool() { &self.seeds.good } else { &self.seeds.malformed };
        mutated(some(rng, seeds), some(rng, &self.seeds.good), rng)
    }

    fn pipelined(&self, rng: &mut Rng) -> Vec<u8> {
        (0..rng.usize(2..20)).flat_map(|_| some(rng, &self.seeds.good).to_vec()).collect()
    }

    /// A handshake's first bytes, whole or not, and what doesn't belong behind them.
    fn hello(&self, rng: &mut Rng) -> std::io::Result<(SocketAddr, Vec<u8>)> {
        let name = *one(rng, &["bench.local", "a.example", "127.0.0.1"]);
        let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
        let mut client = ClientConnection::new(self.hello.clone(), name).map_err(std::io::Error::other)?;
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes)?;
        if rng.u8(..8) > 0 {
            bytes = mutated(&bytes, b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", rng);
        }
        bytes.extend(noise(rng, 20));
        Ok((if rng.bool() { self.places.tls } else { self.places.sni }, bytes))
    }

    fn websocket(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = some(rng, &self.seeds.upgrades).to_vec();
        if rng.u8(..3) == 0 {
            bytes = mutated(&bytes, some(rng, &self.seeds.good), rng);
        }
        bytes.extend(noise(rng, 9000));
        bytes
    }

    fn layer4(&self, rng: &mut Rng) -> std::io::Result<(SocketAddr, Vec<u8>)> {
        let (_, hello) = self.hello(rng)?;
        Ok(if rng.bool() { (self.places.tcp, noise(rng, 60_000)) } else { (self.places.sni, hello) })
    }

    fn proxied(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = if rng.bool() {
            let from = rng.u8(..);
            format!("PROXY TCP4 192.0.2.{from} 127.0.0.1 {} 80\r\n", rng.u16(..)).into_bytes()
        } else {
            let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02".to_vec();
            header.extend([rng.u8(..), 127, 0, 0, 1, rng.u8(..), rng.u8(..), 0, 80]);
            header
        };
        if rng.u8(..3) == 0 {
            bytes = mutated(&bytes, b"PROXY UNKNOWN\r\n", rng);
        }
        bytes.extend(some(rng, &self.seeds.good));
        bytes
    }
}

/// The same inside of a handshake that is whole.
async fn over(way: &Way, bytes: &[u8], rng: &mut Rng) -> std::io::Result<Turn> {
    let heard = talk(way.open().await?, bytes, rng).await;
    Ok(if way.name == "h2" { of_frames(&heard) } else { of_http1(&heard) })
}

/// Requests that are good, for services that aren't.
fn below(path: &str, rng: &mut Rng) -> Vec<u8> {
    let request = |rng: &mut Rng| match rng.u8(..6) {
        0 => format!("HEAD /{path}/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        1 => format!("POST /{path}/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        2 => format!("GET /{path}/x HTTP/1.0\r\nHost: a\r\n\r\n"),
        3 => {
            format!("GET /{path}/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        }
        _ => format!("GET /{path}/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    };
    (0..rng.usize(1..5)).flat_map(|_| request(rng).into_bytes()).collect()
}

/// A request to the control plane: as it is, or with its head or its body mutated.
fn control(seeds: &[Parts], rng: &mut Rng) -> Vec<u8> {
    let (parts, other) = (one(rng, seeds), one(rng, seeds));
    match rng.u8(..5) {
        0 => parts.whole(),
        1 => mutated(&parts.whole(), &other.whole(), rng),
        _ if parts.body.is_empty() => {
            let head = mutated(&parts.head, &other.head, rng);
            Parts { head, body: Vec::new() }.whole()
        }
        _ => {
            let body = mutated(&parts.body, &other.body, rng);
            parts.with(&body)
        }
    }
}

fn of_http1(heard: &Heard) -> Turn {
    let answers = heard.answers();
    Turn { answers, closed: heard.closed && heard.bytes.is_empty() }
}

fn of_frames(heard: &Heard) -> Turn {
    let answers = frames::answers(&heard.bytes);
    Turn { answers, closed: heard.closed && answers == [0; 5] }
}
