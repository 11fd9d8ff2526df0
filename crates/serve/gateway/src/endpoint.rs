//! One endpoint of a service, as one worker knows it: its idle connections and what was seen of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::task::{Context, Waker};
use std::time::Duration;

use haechi_core::Instant;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::stats::ServiceStats;

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub address: SocketAddr,
    /// What the service sees as Host unless a filter says otherwise.
    pub authority: String,
    /// The address, for the access log.
    pub text: String,
    /// Connections that wait for a request, the latest used last.
    idle: RefCell<VecDeque<Idle>>,
    /// Whether it is ejected or left the service: no connection is kept then.
    pub closed: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    since: Instant,
}

impl Endpoint {
    pub fn new(address: SocketAddr, authority: String) -> Self {
        Self {
            address,
            text: address.to_string(),
            authority,
            idle: RefCell::default(),
            closed: Cell::new(false),
        }
    }

    /// The connection used last, if it is still silent. One that is readable holds bytes that nobody asked for,
    /// or its end: a request sent on it would be lost or get another's answer.
    ///
    /// One that was idle for longer than `within` is left: services close what they think forgotten, and a close
    /// that is under way can't be seen yet.
    pub fn check_out(&self, now: Instant, within: Duration, service: &ServiceStats) -> Option<TcpStream> {
        loop {
            let idle = self.idle.borrow_mut().pop_back_if(|idle| now.since(idle.since) < within)?;
            service.idle_connections.less_one();
            if is_silent(&idle.stream) {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps a connection for the next request, the oldest giving way.
    pub fn check_in(&self, stream: TcpStream, now: Instant, most: usize, service: &ServiceStats) {
        if self.closed.get() || most == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        while idle.len() >= most {
            idle.pop_front();
            service.idle_connections.less_one();
        }
        idle.push_back(Idle { stream, since: now });
        service.idle_connections.one();
    }

    /// Closes all idle connections, and keeps no other from now on.
    pub fn close(&self, service: &ServiceStats) {
        self.closed.set(true);
        for _ in self.idle.borrow_mut().drain(..) {
            service.idle_connections.less_one();
        }
    }

    /// Closes connections that were idle too long, or that the service closed.
    pub fn sweep_idle(&self, now: Instant, timeout: Duration, service: &ServiceStats) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        // Readiness as the runtime knows it already: no system call per connection.
        let quiet =
            |stream: &TcpStream| stream.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_pending();
        idle.retain(|idle| now.since(idle.since) < timeout && quiet(&idle.stream));
        for _ in idle.len()..before {
            service.idle_connections.less_one();
        }
    }
}

/// Whether a read would wait. Asked of the kernel: the runtime learns of bytes only when it next polls.
fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit(); 1];
    match SockRef::from(stream).peek(&mut byte) {
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        Ok(_) => false,
    }
}
