//! A worker's thread: its runtime, and the commands that reach it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Instant};
use haechi_net::datagram::Datagrams;
use haechi_net::listen::Socket;
use haechi_stream::Subscriber;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};

use super::accept::{Accepting, accept};
use super::queue::Queue;
use super::{Crew, Places, Posted, Worker, crew};
use crate::board::Board;
use crate::discover::Resolved;
use crate::h3;
use crate::plan::Applied;
use crate::status::WorkerStatus;
use crate::udp;

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
    /// All workers, which of them this is, and what the others hand over.
    pub crew: Arc<Crew>,
    pub index: usize,
    pub posted: mpsc::UnboundedReceiver<Posted>,
}

/// A socket for a worker.
#[derive(Debug)]
pub(crate) struct NewListener {
    pub name: String,
    pub accepts: Accepts,
}

/// What a worker accepts from.
#[derive(Debug)]
pub(crate) enum Accepts {
    /// Over TCP, or a Unix socket.
    Connections(Socket),
    /// Of UDP.
    Datagrams(Arc<Socket>),
    /// QUIC at this address, of this listener. Without a socket the port is waited for.
    Quic { address: SocketAddr, listener: String, socket: Option<UdpSocket> },
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run this. Listeners in `close` stop first; then those in `renamed` take their new names.
    Apply {
        applied: Arc<Applied>,
        open: Vec<NewListener>,
        close: Vec<String>,
        renamed: Vec<(String, String)>,
        done: oneshot::Sender<()>,
    },
    /// Accept from these too, knowing the newest directory.
    Accept { open: Vec<NewListener>, done: oneshot::Sender<()> },
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
    spawn_local(crew::receive(setup.posted, worker.clone()));
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
    // A listener can have more than one socket.
    let mut listeners: BTreeMap<String, Vec<Rc<Accepting>>> = BTreeMap::new();
    while let Some(command) = setup.commands.recv().await {
        match command {
            Command::Apply { applied, open, close, renamed, done } => {
                for name in close {
                    for accepting in listeners.remove(&name).into_iter().flatten() {
                        accepting.close(&worker);
                    }
                }
                rename(&mut listeners, renamed);
                worker.apply(&applied);
                listen(open, &worker, &mut listeners);
                // The caller may have stopped waiting.
                let _ = done.send(());
            }
            Command::Accept { open, done } => {
                // Who follows the registry may not have run since the directory changed.
                worker.meet_directory();
                listen(open, &worker, &mut listeners);
                let _ = done.send(());
            }
            Command::Drain { idle_after, done } => {
                for accepting in std::mem::take(&mut listeners).into_values().flatten() {
                    accepting.close(&worker);
                }
                worker.crew.close(worker.index);
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

/// Names may change places, so that all are taken before one is given.
fn rename(listeners: &mut BTreeMap<String, Vec<Rc<Accepting>>>, renamed: Vec<(String, String)>) {
    let taken: Vec<_> =
        renamed.into_iter().map(|(old, new)| (new, listeners.remove(&old).unwrap_or_default())).collect();
    for (name, accepting) in taken {
        for one in &accepting {
            one.rename(&name);
        }
        listeners.insert(name, accepting);
    }
}

fn listen(open: Vec<NewListener>, worker: &Rc<Worker>, listeners: &mut BTreeMap<String, Vec<Rc<Accepting>>>) {
    for NewListener { name, accepts } in open {
        // QUIC is known beside the listener's TCP, under a name of its own.
        let listener = if let Accepts::Quic { listener, .. } = &accepts { listener } else { &name };
        let own = Accepting::new(listener);
        let begun = match accepts {
            Accepts::Connections(socket) => {
                Queue::new(socket).map(|queue| begin(accept(queue, own.clone(), worker.clone()), worker))
            }
            Accepts::Datagrams(left) => left
                .try_clone()
                .and_then(Datagrams::new)
                .map(|socket| begin(udp::receive(socket, left, own.clone(), worker.clone()), worker)),
            Accepts::Quic { address, listener, socket } => {
                begin(h3::accept(socket, address, listener, worker.clone(), own.clone()), worker);
                Ok(())
            }
        };
        match begun {
            Ok(()) => listeners.entry(name).or_default().push(own),
            Err(error) => tracing::error!(%error, listener = name, "can't watch a listener"),
        }
    }
}

/// Runs what accepts or receives, which a drain waits for.
fn begin(accepting: impl Future<Output = ()> + 'static, worker: &Rc<Worker>) {
    worker.accepting.set(worker.accepting.get() + 1);
    let worker = worker.clone();
    spawn_local(async move {
        accepting.await;
        worker.accepting.set(worker.accepting.get() - 1);
        worker.emptied.notify_one();
    });
}

async fn drain(worker: Rc<Worker>, idle_after: Duration, done: oneshot::Sender<()>) {
    let empty = async {
        let on_the_way = || worker.crew.coming(worker.index);
        while worker.open.get() > 0 || worker.accepting.get() > 0 || on_the_way() > 0 {
            worker.emptied.notified().await;
        }
    };
    tokio::pin!(empty);
    // A client that is about to send gets an answer that says close; one that stays idle is closed.
    tokio::select! {
        () = &mut empty => {}
        () = tokio::time::sleep(idle_after) => {
            worker.closing_idle.set(true);
            worker.deadlines.wake_all();
            empty.await;
        }
    }
    let _ = done.send(());
}

async fn follow_registry(worker: Rc<Worker>, mut subscriber: Subscriber) {
    loop {
        worker.meet(subscriber.current());
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
