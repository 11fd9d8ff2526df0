//! The header of the PROXY protocol in front of a connection, within its limits.

use std::io;
use std::task::{Poll, ready};

use haechi_net::proxy_protocol::{Addresses, BadHeader, Header, MAX_BYTES, Said, read};
use rustix::net::{RecvFlags, recv};

use super::queue::Peer;
use super::{Deadline, Worker};
use crate::stream::Plain;

/// Takes the header from the front of a connection and nothing behind it. Without one the connection is to be
/// closed; that was counted.
pub(super) async fn take_header(
    stream: Plain<'_>,
    peer: Peer,
    deadline: &Deadline,
    worker: &Worker,
) -> Option<Said> {
    let now = worker.now();
    deadline.set_waiting(now + worker.plan.borrow().config.limits.handshake_timeout, now);
    let mut taking = Taking { stream, seen: Vec::new() };
    let taken = std::future::poll_fn(|cx| {
        if let Poll::Ready(taken) = taking.poll(cx) {
            return Poll::Ready(taken);
        }
        deadline.poll(cx).map(|()| Err(NoHeader::Late))
    })
    .await;
    let stats = &worker.stats.proxy_headers;
    match &taken {
        Ok(Said::Proxied(_)) => stats.proxied.one(),
        Ok(Said::Unknown) => stats.unknown.one(),
        Ok(Said::Local) => stats.local.one(),
        Err(NoHeader::Closed) => stats.closed.one(),
        Err(NoHeader::Bad(BadHeader::Absent)) => stats.absent.one(),
        Err(NoHeader::Bad(BadHeader::Malformed(_))) => stats.malformed.one(),
        Err(NoHeader::Bad(BadHeader::TooLong)) => {
            stats.malformed.one();
            worker.stats.limits.proxy_header.one();
        }
        Err(NoHeader::Late) => {
            stats.late.one();
            if !deadline.gave_way() {
                worker.stats.limits.handshake_timeout.one();
            }
        }
    }
    taken.inspect_err(|error| tracing::debug!(?peer, %error, "no PROXY header; closed")).ok()
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
enum NoHeader {
    #[error("{0}")]
    Bad(BadHeader),
    #[error("the connection ended before its PROXY header")]
    Closed,
    #[error("the PROXY header did not arrive in time")]
    Late,
}

struct Taking<'a> {
    stream: Plain<'a>,
    /// What was taken of the header.
    seen: Vec<u8>,
}

impl Taking<'_> {
    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<Said, NoHeader>> {
        loop {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(Err(NoHeader::Closed));
            }
            let took = self.stream.try_io(tokio::io::Interest::READABLE, || {
                // Looked at first: what follows the header may be a TLS handshake, which is read by others.
                let mut area = [0; MAX_BYTES];
                let room = area.len() - self.seen.len();
                let (count, _) = recv(self.stream, &mut area[..room], RecvFlags::PEEK)?;
                if count == 0 {
                    return Ok(Err(NoHeader::Closed));
                }
                let before = self.seen.len();
                self.seen.extend_from_slice(&area[..count]);
                let header = match read(&self.seen) {
                    Ok(header) => header,
                    Err(bad) => return Ok(Err(NoHeader::Bad(bad))),
                };
                // Bytes that don't make up a header belong to it, all of them.
                let taken = header.map_or(count, |header| header.len.saturating_sub(before));
                let (count, _) = recv(self.stream, &mut area[..taken], RecvFlags::empty())?;
                if count < taken {
                    // They were there a moment ago.
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Ok(header))
            });
            match took {
                Ok(Ok(Some(Header { said, .. }))) => return Poll::Ready(Ok(said)),
                Ok(Ok(None)) => {}
                Ok(Err(no_header)) => return Poll::Ready(Err(no_header)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(Err(NoHeader::Closed)),
            }
        }
    }
}

/// For whom a connection from `peer` is, after its header.
pub(super) const fn asks(said: Said) -> Option<Addresses> {
    match said {
        Said::Proxied(addresses) => Some(addresses),
        Said::Unknown | Said::Local => None,
    }
}
