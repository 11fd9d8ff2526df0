//! What a witness saw of an instance's failure. Hard evidence removes that one instance at once; soft
//! evidence only counts.

use std::net::SocketAddr;

use crate::{Instant, ServiceName};

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// The process exited (seen by whoever started it).
    Exited,
    /// A connection attempt was refused.
    Refused,
    /// An established connection was reset, or closed before a complete answer.
    Reset,
    /// No connection, or no first byte, within the timeout.
    TimedOut,
    /// A lease ran out.
    LeaseExpired,
}

impl Witness {
    /// Hard evidence can't come from a slow network: the process, or its listening socket, is gone.
    pub const fn is_hard(self) -> bool {
        matches!(self, Self::Exited | Self::Refused)
    }

    /// The word used in logs, in JSON and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed_out",
            Self::LeaseExpired => "lease_expired",
        }
    }
}

/// One observation of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The service that was called, as named in the directory.
    pub service: ServiceName,
    /// The address that failed.
    pub address: SocketAddr,
    /// What was seen.
    pub witness: Witness,
    /// When, on this process's clock.
    pub at: Instant,
}
