//! What a worker accepts from: a port, or a Unix socket.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use haechi_net::listen::Socket;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::stream::Stream;

/// Connections that wait in the kernel.
#[derive(Debug)]
pub(super) enum Queue {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// From where a connection is; at a Unix socket from nowhere.
pub(super) type Peer = Option<SocketAddr>;

impl Queue {
    pub fn new(socket: Socket) -> io::Result<Self> {
        if socket.path().is_some() {
            UnixListener::from_std(socket.into_unix_listener()).map(Self::Unix)
        } else {
            TcpListener::from_std(socket.into_listener()).map(Self::Tcp)
        }
    }

    /// The port that is connected to.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(|address| address.port()),
            Self::Unix(_) => None,
        }
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Some(peer)))
            }
            Self::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }

    /// Takes a connection that waits in the kernel. The kernel is asked: the runtime says that none waits when it did
    /// not look yet, and after so many in one turn.
    pub fn accept_waiting(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = SockRef::from(listener).accept()?;
                socket.set_nonblocking(true)?;
                let peer = peer.as_socket().ok_or(ErrorKind::ConnectionAborted)?;
                Ok((Stream::Tcp(TcpStream::from_std(socket.into())?), Some(peer)))
            }
            Self::Unix(listener) => {
                let (socket, _) = SockRef::from(listener).accept()?;
                socket.set_nonblocking(true)?;
                Ok((Stream::Unix(UnixStream::from_std(socket.into())?), None))
            }
        }
    }
}
