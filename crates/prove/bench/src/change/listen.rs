//! Where services listen: a port, or a Unix socket.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use haechi_core::Address;
use tokio::net::{TcpListener, UnixListener};

use super::dial::Io;

/// A connection that came, of which options can be set.
pub trait Accepted: Io + AsFd {}

impl<T: Io + AsFd> Accepted for T {}

/// What a service accepts from.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// A port that the system chooses.
    pub async fn tcp() -> io::Result<Self> {
        Ok(Self::Tcp(TcpListener::bind("127.0.0.1:0").await?))
    }

    /// A Unix socket.
    pub fn unix(path: &Path) -> io::Result<Self> {
        UnixListener::bind(path).map(Self::Unix)
    }

    /// Where.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.into()),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
                Ok(Address::unix(path.to_owned()))
            }
        }
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Box<dyn Accepted>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}
