//! The clients' side of QUIC: a connection, and what is said on its streams.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::rng::Rng;
use haechi_testkit::h3::statuses;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use tokio::task::JoinSet;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::kinds::Turn;
use super::streams::{End, Said};
use super::talk::{KEPT, LONGEST, QUIET, source};
use crate::change::dial::{NAME, trusting};
use crate::error::Error;

/// For a handshake; the port of a listener that comes and goes doesn't answer.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Some stay for longer than the gateway waits for a head.
const STAYS: Duration = Duration::from_secs(4);

/// Connects by QUIC.
#[derive(Clone)]
pub struct Quic {
    config: ClientConfig,
}

impl Quic {
    /// `certificate` is trusted and nothing else is.
    pub fn trusting(certificate: &CertificateDer<'static>) -> Result<Self, Error> {
        let crypto = QuicClientConfig::try_from(trusting(certificate, b"h3")?).map_err(io::Error::other)?;
        Ok(Self { config: ClientConfig::new(Arc::new(crypto)) })
    }

    /// Connects from this address, with a socket of its own.
    pub async fn open(&self, from: SocketAddr, to: SocketAddr) -> io::Result<(Endpoint, Connection)> {
        let endpoint = Endpoint::client(from)?;
        let connecting = endpoint.connect_with(self.config.clone(), to, NAME).map_err(io::Error::other)?;
        let connection = tokio::time::timeout(HANDSHAKE, connecting).await??;
        Ok((endpoint, connection))
    }

    /// A turn: all of it is said at once, each on its stream, and the client leaves in one of its ways.
    pub async fn turn(&self, said: Vec<Said>, to: SocketAddr, rng: &mut Rng) -> io::Result<Turn> {
        let (endpoint, connection) = self.open(source(rng), to).await?;
        let (moved, stays, code) = (rng.u8(..8) == 0, rng.u8(..16) == 0, rng.u32(..0x300));
        let (moment, next) = (Duration::from_millis(rng.u64(..50)), source(rng));
        let heard = Rc::new(RefCell::new([0; 5]));
        let mut streams = JoinSet::new();
        for said in said {
            streams.spawn_local(say(connection.clone(), said, heard.clone()));
        }
        let all = async {
            if moved {
                // As a client whose network changes.
                tokio::time::sleep(moment).await;
                endpoint.rebind(std::net::UdpSocket::bind(next)?)?;
            }
            // Dropped ones would end.
            let mut open = Vec::new();
            while let Some(ended) = streams.join_next().await {
                open.push(ended);
            }
            if stays {
                tokio::time::sleep(STAYS).await;
            }
            Ok::<_, io::Error>(())
        };
        let done = tokio::time::timeout(LONGEST, all).await;
        let answers = *heard.borrow();
        let closed = connection.close_reason().is_some() && answers == [0; 5];
        connection.close(code.into(), b"");
        done.unwrap_or(Ok(())).map(|()| Turn { answers, closed })
    }
}

/// Says it on a stream of its own and hears what comes of it. Returns the stream, if it is to stay open.
async fn say(connection: Connection, said: Said, heard: Rc<RefCell<[u64; 5]>>) -> Option<SendStream> {
    tokio::time::sleep(said.before).await;
    if said.one_way {
        let mut send = tokio::time::timeout(QUIET, connection.open_uni()).await.ok()?.ok()?;
        write(&mut send, &said).await;
        return (said.end == End::Open).then_some(send);
    }
    let (mut send, mut receive) = tokio::time::timeout(QUIET, connection.open_bi()).await.ok()?.ok()?;
    let hear = async {
        match said.stop {
            None => hear(&mut receive).await,
            Some(after) => {
                let bytes = tokio::time::timeout(after, hear(&mut receive)).await;
                let _ = receive.stop(said.code.into());
                bytes.unwrap_or_default()
            }
        }
    };
    let ((), bytes) = tokio::join!(write(&mut send, &said), hear);
    for status in statuses(&bytes) {
        if let Some(count) = heard.borrow_mut().get_mut(usize::from(status / 100).wrapping_sub(1)) {
            *count += 1;
        }
    }
    (said.end == End::Open).then_some(send)
}

async fn write(send: &mut SendStream, said: &Said) {
    for piece in said.bytes.chunks(said.piece) {
        if !matches!(tokio::time::timeout(QUIET, send.write_all(piece)).await, Ok(Ok(()))) {
            return;
        }
        // Each piece in a packet of its own, as far as QUIC likes.
        tokio::task::yield_now().await;
    }
    let _ = match said.end {
        End::Finish => send.finish(),
        End::Reset => send.reset(said.code.into()),
        End::Open => Ok(()),
    };
}

/// Until it ends or nothing comes for a while.
async fn hear(receive: &mut RecvStream) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    while let Ok(Ok(Some(count))) = tokio::time::timeout(QUIET, receive.read(&mut buffer)).await {
        if bytes.len() < KEPT {
            bytes.extend_from_slice(&buffer[..count]);
        }
    }
    bytes
}
