//! Listening sockets: one per worker on the same port, of TCP and of UDP, where nothing listens but all else is alike;
//! or a Unix socket.

mod unix;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Type};
pub use unix::{SocketFile, unix};

/// Connections that the kernel holds until they are accepted. The kernel cuts it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Bytes of datagrams that wait to be read, or sent, on one socket. The kernel cuts it at `net.core.rmem_max`.
const DATAGRAM_BYTES: usize = 4 << 20;

/// A port or a path can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {source}")]
pub struct ListenError {
    /// Where.
    pub address: String,
    /// Why.
    pub source: std::io::Error,
}

/// What comes in at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// A bound socket. The kernel sends it no connection before it listens; datagrams it sends at once.
#[derive(Debug)]
pub struct Socket(socket2::Socket);

impl Socket {
    /// Takes connections from now on. Does no harm to one that does already, nor to one of UDP.
    pub fn listen(&self) -> std::io::Result<()> {
        match self.transport()? {
            Transport::Tcp => self.0.listen(BACKLOG),
            Transport::Udp => Ok(()),
        }
    }

    /// What comes in here. The kernel knows it of a socket that another process made, too.
    pub fn transport(&self) -> std::io::Result<Transport> {
        Ok(if self.0.r#type()? == Type::DGRAM { Transport::Udp } else { Transport::Tcp })
    }

    /// Where it is bound.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()?.as_socket().ok_or_else(|| std::io::ErrorKind::InvalidInput.into())
    }

    /// The file of a Unix socket.
    pub fn path(&self) -> Option<PathBuf> {
        self.0.local_addr().ok()?.as_pathname().map(Into::into)
    }

    /// Another handle of the same socket: its queue closes with the last of them.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// To accept from, when it is of TCP.
    pub fn into_listener(self) -> TcpListener {
        self.0.into()
    }

    /// To receive from.
    pub fn into_udp(self) -> UdpSocket {
        self.0.into()
    }

    /// To accept from, when it is a Unix socket.
    pub fn into_unix_listener(self) -> UnixListener {
        self.0.into()
    }
}

impl From<OwnedFd> for Socket {
    fn from(socket: OwnedFd) -> Self {
        Self(socket.into())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Binds `count` sockets that share one port, over which the kernel spreads connections once they listen, and datagrams
/// from now on, by the addresses of both sides. Port 0 lets the system choose one port for all of them.
///
/// A port that any other socket listens on is refused, although `SO_REUSEPORT` would let a second process of
/// the same user take half of its connections.
pub fn shared(address: SocketAddr, transport: Transport, count: usize) -> Result<Vec<Socket>, ListenError> {
    let fail = |source| ListenError { address: address.to_string(), source };
    let alone = bind(address, transport, false).map_err(fail)?;
    alone.listen().map_err(fail)?;
    drop(alone);
    let first = bind(address, transport, true).map_err(fail)?;
    let bound = first.local_addr().map_err(fail)?;
    let mut sockets = vec![first];
    sockets.extend(beside(bound, transport, count.saturating_sub(1))?);
    Ok(sockets)
}

/// Binds `count` sockets more to a port on which sockets of [`shared`] are.
pub fn beside(address: SocketAddr, transport: Transport, count: usize) -> Result<Vec<Socket>, ListenError> {
    let fail = |source| ListenError { address: address.to_string(), source };
    let bind = |_| bind(address, transport, true).map_err(fail);
    (0..count).map(bind).collect()
}

/// Binds a socket for QUIC. Nobody else may use its port.
pub fn quic(address: SocketAddr) -> Result<UdpSocket, ListenError> {
    let fail = |source| ListenError { address: address.to_string(), source };
    let socket = bind(address, Transport::Udp, false).map_err(fail)?;
    // What is lost for want of room is sent again.
    let _ = (socket.0.set_recv_buffer_size(DATAGRAM_BYTES), socket.0.set_send_buffer_size(DATAGRAM_BYTES));
    Ok(socket.0.into())
}

fn bind(address: SocketAddr, transport: Transport, share: bool) -> std::io::Result<Socket> {
    let (kind, protocol) = match transport {
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let socket = socket2::Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    // Connections in TIME_WAIT from before a restart must not keep the port. For UDP it would mean something else:
    // that others may take the port as well.
    socket.set_reuse_address(transport == Transport::Tcp)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(Socket(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_that_others_cannot_take() {
        for transport in [Transport::Tcp, Transport::Udp] {
            share_a_port(transport);
        }
    }

    fn share_a_port(transport: Transport) {
        let sockets = shared(([127, 0, 0, 1], 0).into(), transport, 3).unwrap();
        let ports: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
        sockets[0].listen().unwrap();
        sockets[0].listen().unwrap();
        assert_eq!(sockets[0].transport().unwrap(), transport);
        let taken = shared(([127, 0, 0, 1], ports[0]).into(), transport, 1).unwrap_err();
        assert_eq!(taken.source.kind(), std::io::ErrorKind::AddrInUse);
    }
}
