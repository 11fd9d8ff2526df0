//! Where something listens: a port, or a Unix socket.

use std::fmt;
use std::net::{AddrParseError, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// In front of the path of a Unix socket, in text.
const UNIX: &str = "unix:";

/// Where something listens. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(Arc<Path>),
}

impl Address {
    /// Bytes of a Unix socket's path, at most (unix(7)).
    pub const UNIX_BYTES: usize = 107;

    /// A Unix socket.
    pub fn unix(path: PathBuf) -> Self {
        Self::Unix(path.into())
    }

    /// The IP address and port.
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The file of a Unix socket.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// The path in a text that names a Unix socket: `unix:/run/app.sock`.
    pub fn unix_path(text: &str) -> Option<&str> {
        text.strip_prefix(UNIX)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As it shows itself.
impl FromStr for Address {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match Self::unix_path(text) {
            Some(path) => Ok(Self::unix(path.into())),
            None => text.parse().map(Self::Tcp),
        }
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_what_it_shows() {
        for text in ["127.0.0.1:80", "[::1]:8080", "unix:/run/app.sock", "unix:app.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!("/run/app.sock".parse::<Address>().is_err());
        assert_eq!("unix:/a".parse::<Address>().unwrap().path(), Some(Path::new("/a")));
        assert_eq!("127.0.0.1:80".parse::<Address>().unwrap().path(), None);
    }
}
