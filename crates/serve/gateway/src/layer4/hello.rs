//! The ClientHello of a connection that is passed on by its name: read within bounds, kept as it came.

use std::future::poll_fn;
use std::task::{Poll, ready};

use haechi_tls::{Alert, BadHello, HelloReader};

use crate::client::poll_read;
use crate::conn::Conn;
use crate::worker::{Deadline, Worker};

/// What a client said first.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// The name that it asks for, in lower case.
    pub name: Option<String>,
    /// All that came.
    pub bytes: Vec<u8>,
}

/// Why a connection is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The listener has no route.
    NoRoute,
    /// No route takes the name that the client asks for, or asks for none.
    UnknownName,
    /// It speaks something else.
    NotTls,
    /// Its ClientHello can't be read.
    Malformed,
    /// Its ClientHello is longer than any real one.
    TooLong,
    /// Its ClientHello did not arrive within `limits.handshake-timeout`.
    Timeout,
    /// It left before its ClientHello was whole.
    ClientGone,
    /// Too many wait for theirs: `limits.handshakes`.
    Busy,
}

impl Refusal {
    pub const ALL: [Self; 8] = [
        Self::NoRoute,
        Self::UnknownName,
        Self::NotTls,
        Self::Malformed,
        Self::TooLong,
        Self::Timeout,
        Self::ClientGone,
        Self::Busy,
    ];

    /// For metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::UnknownName => "unknown_name",
            Self::NotTls => "not_tls",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Timeout => "timeout",
            Self::ClientGone => "client_gone",
            Self::Busy => "busy",
        }
    }

    /// What a client that speaks TLS is told.
    pub const fn alert(self) -> Option<Alert> {
        match self {
            Self::UnknownName => Some(Alert::UnrecognizedName),
            Self::Malformed | Self::TooLong => Some(Alert::DecodeError),
            Self::NoRoute | Self::NotTls | Self::Timeout | Self::ClientGone | Self::Busy => None,
        }
    }
}

impl From<BadHello> for Refusal {
    fn from(bad: BadHello) -> Self {
        match bad {
            BadHello::NotTls => Self::NotTls,
            BadHello::Malformed => Self::Malformed,
            BadHello::TooLong => Self::TooLong,
        }
    }
}

/// Reads a ClientHello. Counts as a handshake under way meanwhile.
pub(super) async fn read(
    client: &mut Conn,
    deadline: &Deadline,
    worker: &Worker,
) -> Result<Opening, Refusal> {
    let (most, within) = {
        let limits = &worker.plan.borrow().config.limits;
        (limits.handshakes, limits.handshake_timeout)
    };
    if worker.stats.tls.under_way.get() >= most as u64 {
        worker.stats.limits.handshakes.one();
        return Err(Refusal::Busy);
    }
    let now = worker.now();
    deadline.set_waiting(now + within, now);
    worker.stats.tls.under_way.one();
    let mut reader = HelloReader::default();
    let read = poll_fn(|cx| {
        loop {
            let Poll::Ready(read) = poll_read(client, cx, worker) else {
                ready!(deadline.poll(cx));
                if !deadline.gave_way() {
                    worker.stats.limits.handshake_timeout.one();
                }
                return Poll::Ready(Err(Refusal::Timeout));
            };
            let count = match read {
                Ok(0) | Err(_) => return Poll::Ready(Err(Refusal::ClientGone)),
                Ok(count) => count,
            };
            match reader.push(worker.scratch.borrow().filled(count)) {
                Ok(None) => {}
                Ok(Some(hello)) => return Poll::Ready(Ok(hello)),
                Err(bad) => return Poll::Ready(Err(bad.into())),
            }
        }
    })
    .await;
    worker.stats.tls.under_way.less_one();
    read.map(|hello| Opening { name: hello.server_name, bytes: reader.into_bytes() })
}
