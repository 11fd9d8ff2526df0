//! One endpoint of a service, as one worker knows it: its idle connections and what was seen of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use haechi_core::Instant;

use crate::conn::Conn;
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
    conn: Conn,
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
    pub fn check_out(&self, now: Instant, within: Duration, service: &ServiceStats) -> Option<Conn> {
        loop {
            let mut idle = self.idle.borrow_mut().pop_back_if(|idle| now.since(idle.since) < within)?;
            service.idle_connections.less_one();
            if idle.conn.is_silent() {
                return Some(idle.conn);
            }
        }
    }

    /// Keeps a connection for the next request, the oldest giving way.
    pub fn check_in(&self, conn: Conn, now: Instant, most: usize, service: &ServiceStats) {
        if self.closed.get() || most == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        while idle.len() >= most {
            idle.pop_front();
            service.idle_connections.less_one();
        }
        idle.push_back(Idle { conn, since: now });
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
        idle.retain(|idle| now.since(idle.since) < timeout && idle.conn.seems_silent());
        for _ in idle.len()..before {
            service.idle_connections.less_one();
        }
    }
}
