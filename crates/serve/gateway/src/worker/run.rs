//! A worker's thread: its runtime, and the commands that reach it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Instant};
use haechi_stream::Subscriber;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};

use super::accept::accept;
use super::{Places, Worker};
use crate::board::Board;
use crate::discover::Resolved;
use crate::plan::Applied;
use crate::status::WorkerStatus;

/// Threads of one worker that wait for disks, at most. They are made when they are needed.
const HELPERS: usize = 8;

/// How often idle connections to services are looked through.
///
/// A close is learned of this much late, at most: the shorter, the better is known when a service closes.
const HOUSEKEEPING: Duration = Duration::from_millis(200);

/// What a worker starts with.
pub(crate) struct Setup {
    pub clock: Arc<dyn Clock>,
    /// Of its randomness.
    pub seed: u64,
    pub board: Arc<Board>,
    pub subscriber: Option<Subscriber>,
    pub resolved: watch::Receiver<Arc<Resolved>>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    pub applied: Arc<Applied>,
    pub places: Arc<Places>,
}

/// A socket for a worker.
#[derive(Debug)]
pub(crate) struct NewListener {
    pub name: String,
    pub socket: std::net::TcpListener,
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run this. Listeners in `close` stop first.
    Apply { applied: Arc<Applied>, open: Vec<NewListener>, close: Vec<String>, done: oneshot::Sender<()> },
    /// Accept nothing more, finish what is in flight, say when nothing is left.
    Drain { idle_after: Duration, done: oneshot::Sender<()> },
    /// Say what is known of every endpoint.
    Status(oneshot::Sender<WorkerStatus>),
    /// Stop; cut what is left.
    Stop,
}

/// Runs a worker until it is told to stop.
pub(crate) fn run(setup: Setup) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(HELPERS)
        .build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, work(setup));
    Ok(())
}

async fn work(mut setup: Setup) {
    let worker = Rc::new(Worker::new(&setup, setup.applied.clone()));
    let clock = setup.clock.clone();
    spawn_local({
        let worker = worker.clone();
        let deadlines = worker.deadlines.clone();
        let mut next = Instant::ZERO;
        async move {
            deadlines
                .run(&*clock, |now| {
                    worker.tick(now);
                    if now >= next {
                        next = now + HOUSEKEEPING;
                        worker.housekeeping(now);
                    }
                })
                .await;
        }
    });
    if let Some(subscriber) = setup.subscriber.take() {
        spawn_local(follow_registry(worker.clone(), subscriber));
    }
    spawn_local(follow_dns(worker.clone(), setup.resolved.clone()));
    let mut listeners: BTreeMap<String, Rc<Notify>> = BTreeMap::new();
    while let Some(command) = setup.commands.recv().await {
        match command {
            Command::Apply { applied, open, close, done } => {
                for name in close {
                    if let Some(stop) = listeners.remove(&name) {
                        stop.notify_one();
                    }
                }
                worker.apply(&applied);
                for new in open {
                    if let Some(stop) = listen(new, &worker) {
                        listeners.insert(stop.0, stop.1);
                    }
                }
                // The caller may have stopped waiting.
                let _ = done.send(());
            }
            Command::Drain { idle_after, done } => {
                for (_, stop) in std::mem::take(&mut listeners) {
                    stop.notify_one();
                }
                worker.draining.set(true);
                // HTTP/2 tells its clients at once.
                worker.deadlines.wake_all();
                spawn_local(drain(worker.clone(), idle_after, done));
            }
            // The caller may have stopped waiting.
            Command::Status(to) => drop(to.send(worker.status())),
            Command::Stop => break,
        }
    }
    worker.flush_log();
}

fn listen(new: NewListener, worker: &Rc<Worker>) -> Option<(String, Rc<Notify>)> {
    let listener = match TcpListener::from_std(new.socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, listener = new.name, "can't watch a listener");
            return None;
        }
    };
    let stop = Rc::new(Notify::new());
    spawn_local(accept(listener, new.name.clone(), worker.clone(), stop.clone()));
    Some((new.name, stop))
}

async fn drain(worker: Rc<Worker>, idle_after: Duration, done: oneshot::Sender<()>) {
    // A client that is about to send gets an answer that says close; one that stays idle is closed.
    tokio::time::sleep(idle_after).await;
    worker.closing_idle.set(true);
    worker.deadlines.wake_all();
    while worker.open.get() > 0 {
        worker.emptied.notified().await;
    }
    let _ = done.send(());
}

async fn follow_registry(worker: Rc<Worker>, mut subscriber: Subscriber) {
    loop {
        *worker.directory.borrow_mut() = subscriber.current();
        worker.discover();
        if !subscriber.changed().await {
            return;
        }
    }
}

async fn follow_dns(worker: Rc<Worker>, mut resolved: watch::Receiver<Arc<Resolved>>) {
    loop {
        *worker.resolved.borrow_mut() = resolved.borrow_and_update().clone();
        worker.discover();
        if resolved.changed().await.is_err() {
            return;
        }
    }
}
