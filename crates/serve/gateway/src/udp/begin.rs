//! Beginning a session: whether there may be one, and its endpoint.

use std::io;
use std::rc::Rc;

use haechi_core::Address;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::receive::Port;
use super::session::{Held, Session};
use super::sessions::Key;
use super::stats::Dropped;
use crate::exchange::{FailedAttempt, Timing};
use crate::failure::Failure;
use crate::layer4::RunningLayer4;
use crate::witness::unreachable;
use crate::worker::Worker;

/// Begins a session with its client's first datagram.
pub(super) fn begin(
    port: &Rc<Port>,
    route: &Rc<RunningLayer4>,
    key: Key,
    bytes: &[u8],
    worker: &Rc<Worker>,
) -> Result<(), Dropped> {
    let service = &route.service;
    if !worker.udp.make_room(worker) {
        return Err(Dropped::Sessions);
    }
    if service.is_full() {
        return Err(Dropped::ServiceFull);
    }
    let client = key.client.ip().to_canonical();
    let place = worker.places.take_for_session(worker, client).ok_or(Dropped::Address)?;
    let mut timing = Timing::new(worker.now());
    loop {
        timing.attempted = worker.now();
        let picked = service.pick_held(timing.attempted, &mut worker.rng.borrow_mut(), &timing.tried);
        let Some(picked) = picked else {
            if timing.attempts == 0 {
                service.stats.no_endpoint.one();
            }
            return Err(Dropped::NoEndpoint);
        };
        if timing.attempts > 0 && !service.take_retry(timing.attempted) {
            return Err(Dropped::NoEndpoint);
        }
        timing.attempts += 1;
        service.stats.attempts.one();
        timing.tried.push(picked.key);
        let endpoint = picked.endpoint.clone();
        timing.endpoint = Some(endpoint.clone());
        match connected(&endpoint.address) {
            Ok(socket) => {
                service.stats.connects.one();
                let held = Held { picked, timing, place };
                let session = Session::begin(key, port.clone(), route.clone(), socket, held, worker);
                // Should it end by this, the next datagram begins another.
                session.send(bytes, route, worker);
                return Ok(());
            }
            Err(NoSocket::Own) => {
                worker.stats.limits.descriptors.one();
                return Err(Dropped::NoSocket);
            }
            Err(NoSocket::Unreachable) => {
                timing.failed.push(FailedAttempt {
                    endpoint,
                    at: timing.attempted,
                    failure: Failure::Unreachable,
                });
                unreachable(picked, worker.now());
                if timing.attempts >= route.config.attempts {
                    return Err(Dropped::NoEndpoint);
                }
            }
        }
    }
}

/// Why there is no socket.
enum NoSocket {
    /// This process or machine has none left: descriptors, ports, memory.
    Own,
    /// No route leads to the endpoint.
    Unreachable,
}

/// A socket that sends to one endpoint, and receives from there alone.
fn connected(endpoint: &Address) -> Result<UdpSocket, NoSocket> {
    let endpoint = endpoint.tcp().ok_or(NoSocket::Unreachable)?;
    let new = || -> io::Result<Socket> {
        Socket::new(Domain::for_address(endpoint), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
    };
    let socket = new().map_err(|_| NoSocket::Own)?;
    socket.connect(&endpoint.into()).map_err(|error| match error.kind() {
        // The kernel found no port for it.
        io::ErrorKind::WouldBlock | io::ErrorKind::AddrInUse => NoSocket::Own,
        _ => NoSocket::Unreachable,
    })?;
    UdpSocket::from_std(socket.into()).map_err(|_| NoSocket::Own)
}
