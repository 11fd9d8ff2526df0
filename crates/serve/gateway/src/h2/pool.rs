//! The HTTP/2 connections to one endpoint, each shared by many requests.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use h2::client::{Builder, Connection, SendRequest};
use haechi_core::{Clock, Instant};
use haechi_route::config::Limits;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::SEND_BUFFER;
use super::meter::{Meter, Metered};
use super::outbound::Outbound;
use crate::answer::RESPONSE_LIMITS;
use crate::conn::Conn;
use crate::unsent::Handed;

/// The connections to one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    links: RefCell<Vec<Rc<Link>>>,
    opening: Cell<bool>,
    opened: Notify,
}

/// Held while a connection is being made. Others wait for it instead of making their own.
#[derive(Debug)]
pub(crate) struct Turn<'p>(&'p Pool);

/// A connection.
pub(crate) struct Link {
    pub(super) send: SendRequest<Handed>,
    pub(super) https: bool,
    streams: Cell<usize>,
    /// When its last stream ended.
    since: Cell<Instant>,
    state: Rc<State>,
    clock: Arc<dyn Clock>,
}

/// What the task that drives a connection tells.
#[derive(Debug)]
struct State {
    meter: Rc<Meter>,
    /// No stream may be opened any more.
    closed: Cell<bool>,
    /// Streams that wait for the service's first SETTINGS.
    waiting: RefCell<Vec<Waker>>,
}

impl Pool {
    /// A stream on the connection with the fewest, if one has room or `most` connections are open.
    pub fn check_out(&self, most: usize) -> Option<Outbound> {
        let mut links = self.links.borrow_mut();
        links.retain(|link| !link.state.closed.get());
        let link = links.iter().min_by_key(|link| link.streams.get())?;
        let full = link.streams.get() >= link.send.current_max_send_streams();
        (!full || links.len() >= most.max(1)).then(|| Outbound::new(link.clone()))
    }

    /// The right to make a connection; nothing while somebody else makes one.
    pub fn turn(&self) -> Option<Turn<'_>> {
        (!self.opening.replace(true)).then_some(Turn(self))
    }

    /// Waits until whoever makes a connection is done.
    pub async fn wait(&self) {
        self.opened.notified().await;
    }

    /// Opens HTTP/2 on a connection and returns its first stream.
    pub async fn open(
        &self,
        conn: Conn,
        https: bool,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Outbound> {
        let now = clock.now();
        let meter = Meter::new(u32::MAX, u32::MAX, 0, now);
        let metered = Metered::new(conn, Vec::new(), meter.clone(), clock.clone());
        let (send, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(limits.http2_window)
            .initial_connection_window_size(limits.http2_connection_window)
            .max_header_list_size(RESPONSE_LIMITS.head_bytes as u32)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake(metered)
            .await
            .map_err(super::broken)?;
        let state = Rc::new(State { meter, closed: Cell::new(false), waiting: RefCell::default() });
        spawn_local(drive(connection, state.clone()));
        let link = Rc::new(Link { send, https, streams: Cell::new(0), since: Cell::new(now), state, clock });
        self.links.borrow_mut().push(link.clone());
        Ok(Outbound::new(link))
    }

    /// Lets go of connections that were idle too long, or that the service closed.
    pub fn sweep(&self, now: Instant, timeout: Duration) {
        self.links.borrow_mut().retain(|link| {
            let idle = link.streams.get() == 0 && now.since(link.since.get()) >= timeout;
            !link.state.closed.get() && !idle
        });
    }

    /// Connections that are kept.
    pub fn count(&self) -> usize {
        self.links.borrow().len()
    }

    /// Since when each connection carries no stream.
    pub fn idle_since(&self, times: &mut Vec<Instant>) {
        let links = self.links.borrow();
        times.extend(links.iter().filter(|link| link.streams.get() == 0).map(|link| link.since.get()));
    }

    /// Lets go of connections without a stream since `until`, but of no more than `left`, from which they are taken off.
    /// They are closed when their tasks run.
    pub fn close_idle(&self, until: Instant, left: &mut usize) {
        self.links.borrow_mut().retain(|link| {
            let goes = *left > 0 && link.streams.get() == 0 && link.since.get() <= until;
            *left -= usize::from(goes);
            !goes
        });
    }

    /// Lets go of all connections. Each ends with its last stream.
    pub fn close(&self) {
        self.links.borrow_mut().clear();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("streams", &self.streams)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.opening.set(false);
        self.0.opened.notify_waiters();
    }
}

impl Link {
    pub(super) fn opened(&self) {
        self.streams.set(self.streams.get() + 1);
    }

    pub(super) fn closed(&self) {
        self.streams.set(self.streams.get() - 1);
        self.since.set(self.clock.now());
    }

    pub(super) fn retire(&self) {
        self.state.closed.set(true);
    }

    /// Whether the service takes an extended CONNECT, once its SETTINGS are here.
    pub(super) fn poll_takes_connect(&self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.send.is_extended_connect_protocol_enabled() {
            return Poll::Ready(true);
        }
        if self.state.meter.settled() {
            return Poll::Ready(false);
        }
        self.state.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }
}

/// Moves a connection's frames until it ends.
async fn drive(connection: Connection<Metered, Handed>, state: Rc<State>) {
    let mut connection = pin!(connection);
    let ended = poll_fn(|cx| {
        let ended = connection.as_mut().poll(cx);
        if state.meter.settled() {
            for waiting in state.waiting.borrow_mut().drain(..) {
                waiting.wake();
            }
        }
        match state.meter.offence() {
            Some(offence) if ended.is_pending() => {
                tracing::debug!(?offence, "a connection to a service is given up");
                Poll::Ready(Ok(()))
            }
            _ => ended,
        }
    })
    .await;
    state.closed.set(true);
    for waiting in state.waiting.borrow_mut().drain(..) {
        waiting.wake();
    }
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a service ended");
    }
}
