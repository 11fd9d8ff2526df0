//! The handshake with a client.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::Acceptor;
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::challenge::ChallengeCertificates;
use crate::identity::forwarded_client_certificate;
use crate::server::ServerState;

/// A TLS record of a handshake begins with this byte (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// What was agreed on.
    pub session: Session,
}

/// What was agreed on with a client.
#[derive(Debug)]
pub struct Session {
    state: Arc<ServerState>,
    /// The host that the client named, lower case.
    pub server_name: Option<Box<str>>,
    /// Whether the client was asked for a certificate.
    asked: bool,
    /// The client's certificate, as `X-Forwarded-Client-Cert` tells it.
    pub client: Option<Box<str>>,
    /// Whether it is TLS 1.3.
    pub is_tls13: bool,
    /// Whether an earlier session was resumed.
    pub resumption: Resumption,
    /// The protocol that was agreed on by ALPN.
    pub protocol: Option<Box<[u8]>>,
}

/// Whether a handshake resumed an earlier session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// It was done in full.
    Full,
    /// It resumed an earlier session.
    Resumed,
}

impl Session {
    /// Of a QUIC connection: `asked` says whether its client was asked for a certificate, `leaf` is what it showed.
    /// Whether it resumed an earlier session is not known.
    pub fn of_quic(
        state: Arc<ServerState>,
        server_name: Option<&str>,
        asked: bool,
        leaf: Option<&CertificateDer<'_>>,
    ) -> Self {
        Self {
            state,
            server_name: server_name.map(|name| Box::from(name.to_ascii_lowercase())),
            asked,
            client: leaf.map(|leaf| forwarded_client_certificate(leaf).into()),
            is_tls13: true,
            resumption: Resumption::Full,
            protocol: Some(Box::from(&b"h3"[..])),
        }
    }

    /// Whether a request for this host may be answered on this connection. It may not if the host asks for a client
    /// certificate and the connection did not, nor if the client named a host with another certificate
    /// (421 of RFC 9110 §15.5.20).
    pub fn may_serve(&self, host: &str) -> bool {
        if self.server_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(host)) {
            return true;
        }
        if self.state.asks(host) && !self.asked {
            return false;
        }
        self.server_name.as_deref().is_none_or(|name| self.state.same_certificate(name, host))
    }
}

/// Why a handshake led to nothing.
#[derive(Debug)]
pub enum HandshakeError {
    /// The client left.
    Closed,
    /// The client speaks plain HTTP; nothing of it was read.
    PlainHttp(TcpStream),
    /// A CA asked, and has its answer.
    Challenge,
    /// What the client sends is not TLS.
    NotTls,
    /// No certificate for the host that the client named, or for none.
    UnknownName,
    /// The CAs of client certificates can't be read.
    NoTrust,
    /// The client showed no certificate, or none that is good.
    ClientCertificate(String),
    /// The client speaks nothing that is spoken here: an older version, other ciphers or protocols.
    Incompatible(String),
    /// The client refused, most often because it doesn't trust the certificate.
    Alert(String),
    /// Anything else that is wrong with what the client sent.
    Protocol(String),
}

impl HandshakeError {
    /// The word for it in metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::PlainHttp(_) => "plain_http",
            Self::Challenge => "challenge",
            Self::NotTls => "not_tls",
            Self::UnknownName => "unknown_name",
            Self::NoTrust => "no_trust",
            Self::ClientCertificate(_) => "client_certificate",
            Self::Incompatible(_) => "incompatible",
            Self::Alert(_) => "alert",
            Self::Protocol(_) => "protocol",
        }
    }

    /// More about it, for the log.
    pub fn detail(&self) -> &str {
        match self {
            Self::ClientCertificate(why)
            | Self::Incompatible(why)
            | Self::Alert(why)
            | Self::Protocol(why) => why,
            Self::Closed
            | Self::PlainHttp(_)
            | Self::Challenge
            | Self::NotTls
            | Self::UnknownName
            | Self::NoTrust => "",
        }
    }
}

/// Shakes hands. The caller bounds the time. A CA that asks gets its answer from `challenges`.
pub async fn accept(
    state: Arc<ServerState>,
    challenges: Option<&ChallengeCertificates>,
    stream: TcpStream,
) -> Result<Accepted, HandshakeError> {
    let mut first = [0; 1];
    match stream.peek(&mut first).await {
        Ok(0) | Err(_) => return Err(HandshakeError::Closed),
        Ok(_) if first[0] == HANDSHAKE => {}
        Ok(_) if first[0].is_ascii_uppercase() => return Err(HandshakeError::PlainHttp(stream)),
        Ok(_) => return Err(HandshakeError::NotTls),
    }
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(|error| failed(&error))?;
    let hello = start.client_hello();
    if let Some(challenges) = challenges
        && let Some(config) = challenges.answer(&hello)
    {
        return Err(answer(challenges, start.into_stream(config).await).await);
    }
    let server_name = hello.server_name().map(|name| Box::from(name.to_ascii_lowercase()));
    let covered = state.covers(server_name.as_deref());
    let (config, asked) = state.choose(server_name.as_deref());
    let config = config.ok_or(HandshakeError::NoTrust)?;
    let stream = match start.into_stream(config).await {
        Ok(stream) => stream,
        Err(_) if !covered => return Err(HandshakeError::UnknownName),
        Err(error) => return Err(failed(&error)),
    };
    let (_, connection) = stream.get_ref();
    let client = connection.peer_certificates().and_then(|chain| chain.first());
    let session = Session {
        server_name,
        asked,
        client: client.map(|leaf| forwarded_client_certificate(leaf).into()),
        is_tls13: connection.protocol_version() == Some(ProtocolVersion::TLSv1_3),
        resumption: match connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => Resumption::Resumed,
            _ => Resumption::Full,
        },
        protocol: connection.alpn_protocol().map(Box::from),
        state,
    };
    Ok(Accepted { stream, session })
}

/// The CA saw what it wanted in the handshake itself; there is nothing to serve (RFC 8737 §3).
async fn answer(
    challenges: &ChallengeCertificates,
    done: io::Result<TlsStream<TcpStream>>,
) -> HandshakeError {
    match done {
        Ok(mut stream) => {
            challenges.count();
            // The CA may be gone: it has what it came for.
            let _ = stream.shutdown().await;
            HandshakeError::Challenge
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> HandshakeError {
    use rustls::Error;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return HandshakeError::Closed;
    };
    let why = tls.to_string();
    match tls {
        Error::NoCertificatesPresented
        | Error::InvalidCertificate(_)
        | Error::InvalidCertRevocationList(_) => HandshakeError::ClientCertificate(why),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => HandshakeError::Incompatible(why),
        Error::AlertReceived(_) => HandshakeError::Alert(why),
        _ => HandshakeError::Protocol(why),
    }
}
