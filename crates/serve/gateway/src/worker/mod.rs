//! A worker: one thread with its own accept queue, connections, pools and timers. Workers share nothing hot.

mod accept;
mod buffers;
mod crew;
mod deadline;
mod handshake;
mod places;
mod proxy_header;
mod queue;
mod run;
mod shortage;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use haechi_core::rng::{self, Rng};
use haechi_core::{Clock, Directory, Instant, RouteName, WallTime};
use haechi_stream::Subscriber;
use tokio::sync::Notify;

pub(crate) use accept::Accepting;
pub(crate) use buffers::{Buffers, Scratch};
pub(crate) use crew::{Crew, Posted};
pub(crate) use deadline::{Deadline, Deadlines};
pub(crate) use places::{Place, Places};
pub(crate) use run::{Accepts, Command, NewListener, Setup, run};
pub(crate) use shortage::is_shortage;

use crate::access_log::Lines;
use crate::board::Board;
use crate::conn::Conn;
use crate::discover::{Resolved, targets};
use crate::plan::{Applied, Plan};
use crate::splice::{Pipes, SPLICE_FROM, Splice};
use crate::stats::WorkerStats;
use crate::status::WorkerStatus;
use crate::udp;

/// What the connections of one worker share.
pub(crate) struct Worker {
    clock: Arc<dyn Clock>,
    pub rng: RefCell<Rng>,
    board: Arc<Board>,
    pub plan: RefCell<Rc<Plan>>,
    pub scratch: RefCell<Scratch>,
    /// Where heads of answers are written before they leave.
    pub head: RefCell<Vec<u8>>,
    pub buffers: Buffers,
    pub pipes: Pipes,
    /// Answers that are being compressed.
    pub compressors: Rc<Cell<usize>>,
    /// Contents of small files.
    pub files: RefCell<crate::files::Cache>,
    /// Lines of the access log that were not handed over yet.
    pub lines: Lines,
    /// The date at a moment of the monotonic clock, taken at each sweep.
    date: Cell<(Instant, WallTime)>,
    /// When the clock was last read.
    read: Cell<Instant>,
    pub deadlines: Rc<Deadlines>,
    /// To tell the registry what was seen.
    pub subscriber: Option<Subscriber>,
    directory: RefCell<Arc<Directory>>,
    resolved: RefCell<Arc<Resolved>>,
    /// Whether answers say that the connection will be closed.
    pub draining: Cell<bool>,
    /// Whether idle connections are closed.
    pub closing_idle: Cell<bool>,
    /// All workers, and which of them this is.
    crew: Arc<Crew>,
    index: usize,
    /// Of all workers, for client connections.
    pub places: Arc<Places>,
    /// Sessions of UDP.
    pub udp: udp::Sessions,
    /// Open client connections, and sessions.
    open: Cell<usize>,
    /// Sockets that are accepted from.
    accepting: Cell<usize>,
    /// Told when the last of either is gone.
    emptied: Notify,
    /// When it was last said that descriptors ran out.
    short: Cell<Option<Instant>>,
    pub stats: WorkerView,
}

/// The worker's own counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerView(Arc<Board>);

impl Deref for WorkerView {
    type Target = WorkerStats;
    fn deref(&self) -> &WorkerStats {
        &self.0.worker
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Worker {
    fn new(setup: &Setup, applied: Arc<Applied>) -> Self {
        let now = setup.clock.now();
        let plan = Plan::new(applied, None, &setup.board, now);
        let worker = Self {
            clock: setup.clock.clone(),
            rng: RefCell::new(rng::seeded(setup.seed)),
            board: setup.board.clone(),
            plan: RefCell::new(Rc::new(plan)),
            scratch: RefCell::new(Scratch::new()),
            head: RefCell::default(),
            buffers: Buffers::default(),
            pipes: Pipes::default(),
            compressors: Rc::default(),
            files: RefCell::default(),
            lines: Lines::default(),
            date: Cell::new((now, setup.clock.wall())),
            read: Cell::new(now),
            deadlines: Rc::default(),
            subscriber: setup.subscriber.clone(),
            directory: RefCell::default(),
            resolved: RefCell::default(),
            draining: Cell::new(false),
            closing_idle: Cell::new(false),
            crew: setup.crew.clone(),
            index: setup.index,
            places: setup.places.clone(),
            udp: udp::Sessions::default(),
            open: Cell::new(0),
            accepting: Cell::new(0),
            emptied: Notify::new(),
            short: Cell::default(),
            stats: WorkerView(setup.board.clone()),
        };
        worker.discover();
        worker
    }

    /// A way through the kernel for the rest of a body of which `left` bytes are left, where it pays.
    pub fn splice(&self, from: &Conn, to: &Conn, left: Option<u64>) -> Option<Splice> {
        let (Some(_), Some(_)) = (from.plain(), to.plain()) else { return None };
        left.filter(|left| *left >= SPLICE_FROM)?;
        let splice = self.pipes.take(self.plan.borrow().config.limits.pipes);
        if splice.is_none() {
            self.stats.limits.pipes.one();
        }
        splice
    }

    /// The monotonic time.
    #[inline]
    pub fn now(&self) -> Instant {
        let now = self.clock.now();
        self.read.set(now);
        now
    }

    /// The time when the clock was last read, by whomever: by the sweep of the deadlines if by nobody later. It is
    /// good enough for a deadline, which strikes as late as a sweep anyway, and costs no reading.
    #[inline]
    pub fn recently(&self) -> Instant {
        self.read.get()
    }

    /// The clock itself, for what outlives a call.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The date at `now`.
    #[inline]
    pub fn wall(&self, now: Instant) -> WallTime {
        let (then, wall) = self.date.get();
        WallTime(wall.0 + now.since(then).as_millis() as u64)
    }

    /// What is known of every endpoint.
    fn status(&self) -> WorkerStatus {
        let (plan, now) = (self.plan.borrow().clone(), self.now());
        plan.services.iter().map(|(name, service)| (name.clone(), service.status(now))).collect()
    }

    /// What comes with every sweep of the deadlines: lines leave for the log, the date is read, connections
    /// give way to those of other workers.
    fn tick(&self, now: Instant) {
        self.date.set((now, self.clock.wall()));
        self.read.set(now);
        self.flush_log();
        self.places.help(self);
    }

    fn flush_log(&self) {
        if let Some(writer) = &self.plan.borrow().log {
            self.lines.flush(writer, &self.stats.access_log_dropped);
        }
    }

    /// Replaces what is run.
    fn apply(&self, applied: &Arc<Applied>) {
        // What is in the old log's batch belongs there.
        self.flush_log();
        let before = self.plan.borrow().clone();
        let plan = Plan::new(applied.clone(), Some(&before), &self.board, self.now());
        *self.plan.borrow_mut() = Rc::new(plan);
        self.discover();
        let drained = self.now() + applied.config.limits.tunnel_drain;
        if before.layer4.retire(&self.plan.borrow().layer4, drained) {
            self.deadlines.wake_all();
        }
        for (name, service) in &before.services {
            // One that was replaced shares its endpoints with what replaced it.
            if !self.plan.borrow().services.contains_key(name) {
                service.update(&[], self.now());
            }
        }
        if !applied.fewer {
            return;
        }
        // Requests wait while this runs, so it must not look through all routes for each of them.
        let routes: HashSet<&RouteName> = applied.config.routes.iter().map(|route| &route.name).collect();
        let plan = self.plan.borrow();
        self.board.keep(
            |route| routes.contains(route),
            |service| applied.config.services.contains_key(service),
            |route, is_udp| plan.layer4.has(route, is_udp),
        );
    }

    /// Takes what the registry knows now.
    fn meet(&self, directory: Arc<Directory>) {
        *self.directory.borrow_mut() = directory;
        self.discover();
    }

    /// As [`Worker::meet`], asking for it.
    fn meet_directory(&self) {
        if let Some(mut subscriber) = self.subscriber.clone() {
            self.meet(subscriber.current());
        }
    }

    /// Gives every service the endpoints that its source names now.
    fn discover(&self) {
        let (plan, now) = (self.plan.borrow().clone(), self.now());
        let (directory, resolved) = (self.directory.borrow().clone(), self.resolved.borrow().clone());
        for service in plan.services.values() {
            let targets = targets(&service.config, &directory, &resolved);
            service.update(&targets, now);
        }
    }

    /// What is done now and then: idle connections to services are looked through.
    fn housekeeping(&self, now: Instant) {
        let plan = self.plan.borrow().clone();
        for service in plan.services.values() {
            service.sweep(now);
        }
        self.keep_within_descriptors(&plan);
    }
}
