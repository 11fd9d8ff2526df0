//! A session: one client's datagrams to one endpoint, and the answers.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use haechi_core::Instant;
use haechi_route::config::Layer4;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, spawn_local};

use super::BURST;
use super::receive::Port;
use super::sessions::Key;
use super::stats::{Dropped, End};
use crate::exchange::Timing;
use crate::layer4::{NEVER, Passed, RunningLayer4, record};
use crate::service::{PickedOf, Service};
use crate::witness::{refused, unreachable};
use crate::worker::{Deadline, Place, Worker};

/// How long answers are waited for once no more comes from the client: its listener or route is gone, or another
/// process receives. The usual patience of a resolver (resolv.conf(5)); who asked gives up then.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// After so long without a refusal an endpoint that was ejected counts as taking datagrams: many services never
/// answer. The kernel gives up looking for a machine after three seconds.
const SETTLED: Duration = Duration::from_secs(5);

/// What the endpoint sends, and what its machine says instead: the kernel tells that as an error.
const ANSWERS: Interest = Interest::READABLE.add(Interest::ERROR);

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub key: Key,
    port: Rc<Port>,
    route: Rc<RunningLayer4>,
    /// Connected: the kernel takes datagrams and errors of the endpoint alone.
    socket: UdpSocket,
    /// Whether its endpoint was ejected from the start, as every other one was.
    doubtful: bool,
    /// Until it ends.
    held: RefCell<Option<Held>>,
    deadline: Deadline,
    idle: Cell<Duration>,
    /// When the last datagram came, from either side.
    last: Cell<Instant>,
    /// When its endpoint counts as taking datagrams again; nothing when it does.
    settles: Cell<Option<Instant>>,
    /// Whether the endpoint answered.
    answered: Cell<bool>,
    /// Whether its client sends elsewhere now.
    leaving: Cell<bool>,
    /// Datagrams and bytes of the client, and of the endpoint.
    received: Cell<(u64, u64)>,
    sent: Cell<(u64, u64)>,
    task: OnceCell<AbortHandle>,
}

/// What a session holds until it ends.
#[derive(Debug)]
pub(super) struct Held {
    pub picked: PickedOf<Rc<Service>>,
    pub timing: Timing,
    pub place: Place,
}

/// Why a session's task runs.
enum Woken {
    Answer,
    Deadline,
    /// Its route is gone.
    Leave,
}

impl Session {
    pub fn begin(
        key: Key,
        port: Rc<Port>,
        route: Rc<RunningLayer4>,
        socket: UdpSocket,
        held: Held,
        worker: &Rc<Worker>,
    ) -> Rc<Self> {
        route.udp.sessions.one();
        let (now, idle) = (held.timing.attempted, route.config.idle_timeout);
        let settles = held.picked.is_doubtful().then(|| now + SETTLED.min(idle));
        let session = Rc::new(Self {
            key,
            port,
            socket,
            doubtful: held.picked.endpoint.closed.get(),
            held: RefCell::new(Some(held)),
            deadline: worker.deadlines.register(),
            idle: Cell::new(idle),
            last: Cell::new(now),
            settles: Cell::new(settles),
            answered: Cell::new(false),
            leaving: Cell::new(false),
            received: Cell::default(),
            sent: Cell::default(),
            task: OnceCell::new(),
            route,
        });
        session.touch(now);
        worker.udp.insert(session.clone());
        let task = spawn_local(relay(session.clone(), worker.clone()));
        // It is set once, here.
        let _ = session.task.set(task.abort_handle());
        session
    }

    /// When its last datagram came.
    pub fn quiet_since(&self) -> Instant {
        self.last.get()
    }

    /// Why it doesn't take what its client sends now, if it doesn't.
    pub fn stale(&self, route: &RunningLayer4) -> Option<End> {
        let endpoint_left = || {
            let held = self.held.borrow();
            // When all are ejected, the next one would be no better.
            !self.doubtful && held.as_ref().is_none_or(|held| held.picked.endpoint.closed.get())
        };
        if self.leaving.get() {
            Some(End::Drained)
        } else if route.service.name != self.route.service.name {
            Some(End::Rerouted)
        } else {
            endpoint_left().then_some(End::EndpointLeft)
        }
    }

    /// Sends what its client sent. False: it was not sent, and the session is over.
    pub fn send(&self, bytes: &[u8], route: &RunningLayer4, worker: &Worker) -> bool {
        self.idle.set(route.config.idle_timeout);
        self.touch(worker.now());
        // The runtime isn't asked: it would not know yet that a new socket has room.
        match send(&self.socket, bytes, SendFlags::DONTWAIT) {
            Ok(_) => {
                add(&self.received, bytes.len());
                route.udp.to_service.one(bytes.len());
            }
            Err(Errno::AGAIN | Errno::NOBUFS) => route.udp.dropped(Dropped::ServiceBusy),
            Err(Errno::MSGSIZE) => route.udp.dropped(Dropped::TooLarge),
            Err(errno) => {
                self.failed(&errno.into(), worker);
                return false;
            }
        }
        true
    }

    /// Takes what the endpoint sent, or what its machine said instead.
    fn receive(&self, worker: &Worker) -> io::Result<usize> {
        let take = || {
            let (bytes, _) = recv(&self.socket, worker.scratch.borrow_mut().area(), RecvFlags::DONTWAIT)?;
            Ok(bytes)
        };
        // The runtime forgets one kind of readiness at a time.
        match self.socket.try_io(Interest::READABLE, take) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.try_io(Interest::ERROR, take)
            }
            received => received,
        }
    }

    /// Passes an answer on to the client, if there is one.
    fn answer(&self, worker: &Worker) -> ControlFlow<()> {
        let bytes = match self.receive(worker) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ControlFlow::Break(()),
            Err(error) => {
                self.failed(&error, worker);
                return ControlFlow::Break(());
            }
        };
        let now = worker.now();
        self.touch(now);
        if !self.answered.replace(true) {
            self.works(now);
        }
        let scratch = worker.scratch.borrow();
        let udp = &self.route.udp;
        match self.port.socket.try_send(scratch.filled(bytes), self.key.client, self.key.asked) {
            Ok(()) => {
                add(&self.sent, bytes);
                udp.to_client.one(bytes);
            }
            Err(error) => udp.dropped(match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::NOBUFS) => Dropped::ClientBusy,
                Some(Errno::MSGSIZE) => Dropped::TooLarge,
                _ => Dropped::NoClient,
            }),
        }
        ControlFlow::Continue(())
    }

    /// Its endpoint takes datagrams.
    fn works(&self, now: Instant) {
        self.settles.set(None);
        if let Some(held) = &mut *self.held.borrow_mut() {
            held.picked.connected(now);
        }
    }

    /// A datagram came or went.
    fn touch(&self, now: Instant) {
        self.last.set(now);
        if !self.leaving.get() {
            let ends = now + self.idle.get();
            let next = self.settles.get().map_or(ends, |settles| settles.min(ends));
            self.deadline.set_waiting(next, now);
        }
    }

    /// Waits for answers that are on their way, and no longer.
    pub fn leave(&self, worker: &Worker) {
        if !self.leaving.replace(true) {
            self.deadline.set(worker.now() + LAST_ANSWERS.min(self.idle.get()));
        }
    }

    fn deadline_came(&self, worker: &Worker) {
        let now = worker.now();
        if self.deadline.gave_way() {
            worker.stats.limits.udp_sessions.one();
            return self.end(End::GaveWay, worker);
        }
        if self.leaving.get() {
            return self.end(End::Drained, worker);
        }
        let ends = self.last.get() + self.idle.get();
        if self.settles.get().is_some_and(|settles| settles <= now) {
            self.works(now);
        }
        if ends > now {
            return self.deadline.set_waiting(ends, self.last.get());
        }
        self.end(End::Idle, worker);
    }

    /// The kernel says that the endpoint can't be sent to.
    fn failed(&self, error: &io::Error, worker: &Worker) {
        self.end(
            if error.kind() == io::ErrorKind::ConnectionRefused { End::Refused } else { End::Unreachable },
            worker,
        );
    }

    /// Ends it, unless it ended before.
    pub fn end(&self, end: End, worker: &Worker) {
        let Some(Held { picked, timing, place }) = self.held.borrow_mut().take() else { return };
        let now = worker.now();
        match end {
            End::Refused => refused(picked, now),
            End::Unreachable => unreachable(picked, now),
            _ => drop(picked),
        }
        drop(place);
        self.route.udp.ended(end);
        let ((datagrams_in, received), (datagrams_out, sent)) = (self.received.get(), self.sent.get());
        let passed = Passed {
            kind: Layer4::Udp,
            ip: &self.key.client.ip().to_canonical().to_string(),
            listener: &self.port.listener(),
            name: None,
            received,
            sent,
            datagrams: Some((datagrams_in, datagrams_out)),
        };
        record(worker, &self.route, &passed, end.as_str(), &timing);
        worker.udp.remove(&self.key);
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn is_over(&self) -> bool {
        self.held.borrow().is_none()
    }

    /// Waits for something to do.
    async fn woken(&self) -> Woken {
        let mut answer = pin!(self.socket.ready(ANSWERS));
        poll_fn(|cx| {
            if !self.leaving.get() && self.route.until.get() != NEVER {
                Poll::Ready(Woken::Leave)
            } else if answer.as_mut().poll(cx).is_ready() {
                Poll::Ready(Woken::Answer)
            } else {
                self.deadline.poll(cx).map(|()| Woken::Deadline)
            }
        })
        .await
    }
}

/// Waits for answers until the session ends.
async fn relay(session: Rc<Session>, worker: Rc<Worker>) {
    while !session.is_over() {
        match session.woken().await {
            Woken::Answer => {
                if (0..BURST).all(|_| session.answer(&worker).is_continue()) {
                    tokio::task::yield_now().await;
                }
            }
            Woken::Deadline => session.deadline_came(&worker),
            Woken::Leave => session.leave(&worker),
        }
    }
}

fn add(to: &Cell<(u64, u64)>, bytes: usize) {
    let (datagrams, before) = to.get();
    to.set((datagrams + 1, before + bytes as u64));
}
