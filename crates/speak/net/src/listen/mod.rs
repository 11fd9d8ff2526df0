//! Listening sockets: one per worker on the same port, or a Unix socket.

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

/// A bound socket. The kernel sends it no connection before it listens.
#[derive(Debug)]
pub struct Socket(socket2::Socket);

impl Socket {
    /// Takes connections from now on. Does no harm to one that does already.
    pub fn listen(&self) -> std::io::Result<()> {
        self.0.listen(BACKLOG)
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

/// Binds `count` sockets that share one port, over which the kernel spreads connections once they listen. Port 0
/// lets the system choose one port for all of them.
///
/// A port that any other socket listens on is refused, although `SO_REUSEPORT` would let a second process of
/// the same user take half of its connections.
pub fn shared(address: SocketAddr, count: usize) -> Result<Vec<Socket>, ListenError> {
    let fail = |source| ListenError { address: address.to_string(), source };
    let alone = bind(address, false).map_err(fail)?;
    alone.listen().map_err(fail)?;
    drop(alone);
    let first = bind(address, true).map_err(fail)?;
    let bound = first.local_addr().map_err(fail)?;
    let mut sockets = vec![first];
    sockets.extend(beside(bound, count.saturating_sub(1))?);
    Ok(sockets)
}

/// Binds `count` sockets more to a port on which sockets of [`shared`] are.
pub fn beside(address: SocketAddr, count: usize) -> Result<Vec<Socket>, ListenError> {
    let fail = |source| ListenError { address: address.to_string(), source };
    let bind = |_| bind(address, true).map_err(fail);
    (0..count).map(bind).collect()
}

/// Binds a socket for datagrams. Nobody else may use its port.
pub fn udp(address: SocketAddr) -> Result<UdpSocket, ListenError> {
    let fail = |source| ListenError { address: address.to_string(), source };
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP));
    let socket = socket.map_err(fail)?;
    socket.set_nonblocking(true).map_err(fail)?;
    socket.bind(&address.into()).map_err(fail)?;
    // What is lost for want of room is sent again.
    let _ = (socket.set_recv_buffer_size(DATAGRAM_BYTES), socket.set_send_buffer_size(DATAGRAM_BYTES));
    Ok(socket.into())
}

fn bind(address: SocketAddr, share: bool) -> std::io::Result<Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections in TIME_WAIT from before a restart must not keep the port.
    socket.set_reuse_address(true)?;
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
        let sockets = shared(([127, 0, 0, 1], 0).into(), 3).unwrap();
        let ports: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
        sockets[0].listen().unwrap();
        sockets[0].listen().unwrap();
        let taken = shared(([127, 0, 0, 1], ports[0]).into(), 1).unwrap_err();
        assert_eq!(taken.source.kind(), std::io::ErrorKind::AddrInUse);
    }
}
