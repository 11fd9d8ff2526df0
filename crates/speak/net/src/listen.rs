//! Listening sockets, one per worker on the same port.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel holds until they are accepted. The kernel cuts it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A port can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {source}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: std::io::Error,
}

/// Opens `count` sockets that share one port, over which the kernel spreads connections. Port 0 lets the system
/// choose one port for all of them.
///
/// A port that any other socket listens on is refused, although `SO_REUSEPORT` would let a second process of
/// the same user take half of its connections.
pub fn shared(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, ListenError> {
    let fail = |source| ListenError { address, source };
    drop(open(address, false).map_err(fail)?);
    let first = open(address, true).map_err(fail)?;
    let bound = first.local_addr().map_err(fail)?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        sockets.push(open(bound, true).map_err(fail)?);
    }
    Ok(sockets)
}

fn open(address: SocketAddr, share: bool) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections in TIME_WAIT from before a restart must not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_that_others_cannot_take() {
        let sockets = shared(([127, 0, 0, 1], 0).into(), 3).unwrap();
        let ports: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
        let taken = shared(([127, 0, 0, 1], ports[0]).into(), 1).unwrap_err();
        assert_eq!(taken.source.kind(), std::io::ErrorKind::AddrInUse);
    }
}
