//! A new binary takes over from the one that runs (`haechi upgrade`, SIGUSR2).
//!
//! 1. The old process starts the binary that is on disk now, and sends it every listening socket.
//! 2. The new one reads the file, starts everything that can fail, and says that it is prepared.
//! 3. The old one holds its registry still and sends its state.
//! 4. The new one accepts, and says so. Only then the old one accepts nothing more and drains.
//!
//! Until step 4 is done the old process can end the new one and go on as if nothing had happened.
//! `docs/decisions/0400-binary-upgrades.md` says why it is so.

pub mod control;
mod predecessor;
mod program;
mod successor;
pub mod wire;

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use predecessor::Predecessor;
pub use program::Program;
pub use successor::Successor;

/// A socket that is handed over.
#[derive(Debug)]
pub struct Socket {
    /// Whose it is: `gateway`, or one of the parts below.
    pub part: String,
    /// The listener's name, where a part has several.
    pub name: String,
    /// Where it was configured to listen.
    pub listen: String,
    /// The socket itself.
    pub file: OwnedFd,
}

/// The gateway's sockets.
pub const GATEWAY: &str = "gateway";
/// The registry's.
pub const REGISTRY: &str = "registry";
/// The config server's.
pub const CONFIG: &str = "config";
/// The admin port's.
pub const ADMIN: &str = "admin";
/// Where `haechi upgrade` asks.
pub const CONTROL: &str = "control";

impl Socket {
    /// Another handle of a socket, to hand over.
    pub fn of(part: &str, name: &str, listen: &dyn Display, socket: &impl AsFd) -> io::Result<Self> {
        Ok(Self {
            part: part.to_owned(),
            name: name.to_owned(),
            listen: listen.to_string(),
            file: socket.as_fd().try_clone_to_owned()?,
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
