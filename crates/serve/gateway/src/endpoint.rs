//! One endpoint of a service, as one worker knows it: its idle connections and what was seen of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use haechi_core::{Address, Instant};
use haechi_guard::Reuse;
use haechi_route::config::Connections;

use crate::conn::Conn;
use crate::h2::Pool;
use crate::stats::ServiceStats;

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub address: Address,
    /// What the service sees as Host unless a filter says otherwise.
    pub authority: String,
    /// The address, for the access log.
    pub text: String,
    /// Connections that wait for a request, the latest used last.
    idle: RefCell<VecDeque<Idle>>,
    /// When it closes idle connections.
    reuse: RefCell<Reuse>,
    /// When the idle connections were last looked through: those that are left were silent then.
    swept: Cell<Instant>,
    /// Connections that many requests share, to a service that speaks HTTP/2.
    pub h2: Pool,
    /// Whether it is ejected or left the service: no connection is kept then.
    pub closed: Cell<bool>,
    /// What a person must mend before there is a connection, as was said last.
    pub problem: RefCell<Option<String>>,
}

#[derive(Debug)]
struct Idle {
    conn: Conn,
    life: Life,
    since: Instant,
}

/// What a connection to an endpoint has been through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    made: Instant,
    /// Requests that it carried.
    requests: u32,
    /// Idle time before the request that it carries now; nothing when that is its first.
    idle: Option<Duration>,
}

impl Life {
    /// That of a new connection.
    pub const fn new(made: Instant) -> Self {
        Self { made, requests: 0, idle: None }
    }

    /// That of a connection which carries other requests too.
    pub const fn shared(now: Instant) -> Self {
        Self { made: now, requests: 0, idle: Some(Duration::ZERO) }
    }

    /// Whether it waited for the request that it carries.
    pub const fn was_idle(self) -> bool {
        self.idle.is_some()
    }

    /// Whether it may carry another request after the one that it carried.
    fn goes_on(self, now: Instant, bounds: &Connections) -> bool {
        let young = bounds.lifetime.is_zero() || now.since(self.made) < bounds.lifetime;
        young && (bounds.requests == 0 || self.requests < bounds.requests)
    }
}

impl Endpoint {
    pub fn new(address: Address, authority: String) -> Self {
        Self {
            text: address.to_string(),
            address,
            authority,
            idle: RefCell::default(),
            reuse: RefCell::default(),
            swept: Cell::new(Instant::ZERO),
            h2: Pool::default(),
            closed: Cell::new(false),
            problem: RefCell::default(),
        }
    }

    /// The connection used last, if it is still silent. One that is readable holds bytes that nobody asked for,
    /// or its end: a request sent on it would be lost or get another's answer.
    ///
    /// One that was idle for so long that the service may be about to close it is left: a close that is under
    /// way can't be seen yet.
    pub fn check_out(&self, now: Instant, repeatable: bool, service: &ServiceStats) -> Option<(Conn, Life)> {
        let within = self.reuse.borrow().within(now, repeatable);
        loop {
            let last = self.idle.borrow_mut().pop_back_if(|idle| now.since(idle.since) < within);
            let Idle { mut conn, life, since } = last?;
            service.idle_connections.less_one();
            if conn.is_silent() {
                return Some((conn, Life { idle: Some(now.since(since)), ..life }));
            }
            self.learn(since, now, service);
        }
    }

    /// Keeps a connection for the next request, the oldest giving way.
    pub fn check_in(
        &self,
        conn: Conn,
        life: Life,
        now: Instant,
        bounds: &Connections,
        service: &ServiceStats,
    ) {
        let most = bounds.idle_per_endpoint as usize;
        let life = Life { requests: life.requests.saturating_add(1), ..life };
        if self.closed.get() || most == 0 || !life.goes_on(now, bounds) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        while idle.len() >= most {
            idle.pop_front();
            service.idle_connections.less_one();
        }
        idle.push_back(Idle { conn, life, since: now });
        service.idle_connections.one();
    }

    /// Closes all idle connections, and keeps no other from now on.
    pub fn close(&self, service: &ServiceStats) {
        self.closed.set(true);
        self.h2.close();
        for _ in self.idle.borrow_mut().drain(..) {
            service.idle_connections.less_one();
        }
    }

    /// Closes connections that were idle too long, or that the service closed.
    pub fn sweep_idle(&self, now: Instant, bounds: &Connections, service: &ServiceStats) {
        self.h2.sweep(now, bounds.idle_timeout);
        let mut connections = self.idle.borrow_mut();
        let before = connections.len();
        connections.retain_mut(|idle| {
            // The runtime's word is cheap and may be old; the kernel's is asked when it says that there is something.
            if !idle.conn.seems_silent() && !idle.conn.is_silent() {
                self.learn(idle.since, now, service);
                return false;
            }
            now.since(idle.since) < bounds.idle_timeout && idle.life.goes_on(now, bounds)
        });
        for _ in connections.len()..before {
            service.idle_connections.less_one();
        }
        if let Some(oldest) = connections.front() {
            self.reuse.borrow_mut().open(now.since(oldest.since));
        }
        self.swept.set(now);
    }

    /// Since when each connection is idle.
    pub fn idle_since(&self, times: &mut Vec<Instant>) {
        times.extend(self.idle.borrow().iter().map(|idle| idle.since));
        self.h2.idle_since(times);
    }

    /// Closes connections that are idle since `until` or longer, the oldest first, but no more than `left`, from which
    /// they are taken off.
    pub fn close_idle(&self, until: Instant, left: &mut usize, service: &ServiceStats) {
        let mut idle = self.idle.borrow_mut();
        while *left > 0 && idle.pop_front_if(|oldest| oldest.since <= until).is_some() {
            service.idle_connections.less_one();
            *left -= 1;
        }
        self.h2.close_idle(until, left);
    }

    /// The service said when it closes idle connections.
    pub fn announced(&self, timeout: Duration) {
        self.reuse.borrow_mut().announced(timeout);
    }

    /// A request sent at `sent` met a connection that the service closed.
    pub fn was_closed(&self, life: Life, sent: Instant, service: &ServiceStats) {
        if let Some(idle) = life.idle {
            service.stale_attempts.one();
            // It was silent just before.
            self.reuse.borrow_mut().closed(idle, idle, sent);
        }
    }

    /// Until when its idle connections are used, in words.
    pub fn explain_reuse(&self, now: Instant) -> String {
        self.reuse.borrow().explain(now).to_string()
    }

    /// An idle connection was closed by the service since the last sweep.
    fn learn(&self, since: Instant, now: Instant, service: &ServiceStats) {
        service.closed_idle.one();
        let silent = self.swept.get().since(since);
        self.reuse.borrow_mut().closed(silent, now.since(since), now);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    async fn pair() -> (Conn, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Conn::tcp(near.unwrap()).unwrap(), far.unwrap().0)
    }

    fn endpoint() -> (Endpoint, ServiceStats, Connections) {
        let endpoint = Endpoint::new(Address::Tcp(([127, 0, 0, 1], 1).into()), String::new());
        (endpoint, ServiceStats::default(), Connections::default())
    }

    /// Waits until the kernel knows of the end.
    async fn end(far: TcpStream, conn: &Conn) {
        drop(far);
        let Conn::Tcp(stream) = conn else { panic!("a TCP connection") };
        stream.readable().await.unwrap();
    }

    #[tokio::test]
    async fn a_close_between_two_sweeps_is_learned_as_the_idle_time_at_the_first() {
        let (endpoint, stats, bounds) = endpoint();
        let (conn, far) = pair().await;
        endpoint.check_in(conn, Life::new(at(0)), at(0), &bounds, &stats);
        endpoint.sweep_idle(at(2000), &bounds, &stats);
        let Idle { conn, life, since } = endpoint.idle.borrow_mut().pop_back().unwrap();
        end(far, &conn).await;
        endpoint.idle.borrow_mut().push_back(Idle { conn, life, since });
        endpoint.sweep_idle(at(2200), &bounds, &stats);
        assert_eq!((stats.closed_idle.get(), stats.idle_connections.get()), (1, 0));
        assert_eq!(
            endpoint.explain_reuse(at(2200)),
            "was seen to close idle connections after 2s; they are used for 1.5s"
        );
        let (conn, _far) = pair().await;
        endpoint.check_in(conn, Life::new(at(3000)), at(3000), &bounds, &stats);
        assert!(endpoint.check_out(at(4500), true, &stats).is_none());
        let (_, life) = endpoint.check_out(at(4499), true, &stats).unwrap();
        assert_eq!(life.idle, Some(Duration::from_millis(1499)));
    }

    #[tokio::test]
    async fn a_connection_that_has_bytes_or_is_closed_is_not_checked_out() {
        let (endpoint, stats, bounds) = endpoint();
        let (conn, mut far) = pair().await;
        far.write_all(b"x").await.unwrap();
        let Conn::Tcp(stream) = &conn else { panic!("a TCP connection") };
        stream.readable().await.unwrap();
        endpoint.check_in(conn, Life::new(at(0)), at(0), &bounds, &stats);
        let (conn, far) = pair().await;
        end(far, &conn).await;
        endpoint.check_in(conn, Life::new(at(0)), at(0), &bounds, &stats);
        assert!(endpoint.check_out(at(0), true, &stats).is_none());
        assert_eq!((stats.closed_idle.get(), stats.idle_connections.get()), (2, 0));
    }

    #[tokio::test]
    async fn a_connection_goes_when_it_is_too_old_or_carried_enough() {
        let (endpoint, stats, mut bounds) = endpoint();
        bounds.requests = 2;
        bounds.lifetime = Duration::from_secs(1);
        let (conn, _far) = pair().await;
        endpoint.check_in(conn, Life::new(at(0)), at(0), &bounds, &stats);
        let (conn, life) = endpoint.check_out(at(1), true, &stats).unwrap();
        endpoint.check_in(conn, life, at(1), &bounds, &stats);
        assert_eq!(stats.idle_connections.get(), 0, "it carried two requests");
        let (conn, _far) = pair().await;
        endpoint.check_in(conn, Life::new(at(0)), at(999), &bounds, &stats);
        endpoint.sweep_idle(at(1000), &bounds, &stats);
        assert_eq!(stats.idle_connections.get(), 0, "it is a second old");
    }
}
