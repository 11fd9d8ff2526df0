//! The gateway as the rest of the program sees it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_core::{Address, Clock, Generation};
use haechi_net::dns::Resolver;
use haechi_net::listen::ListenError;
use haechi_route::{GatewayConfig, Refused, RouteTable};
use haechi_stream::Subscriber;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::acme::Keeper;
use crate::board::Board;
use crate::layer4;
use crate::listeners::{Listeners, Listening};
use crate::log_writer::Writer;
use crate::metrics;
use crate::plan::Applied;
use crate::resolving::Resolving;
use crate::status::{AcmeStatus, Status};
use crate::tls::{self, Live};
use crate::udp;
use crate::worker::{Command, Crew, Places, Setup, run};

/// How the gateway is started.
pub struct Options {
    /// What it runs first.
    pub config: GatewayConfig,
    /// The number of that configuration, 1 or more.
    pub generation: Generation,
    /// Threads; 0 is one per core.
    pub workers: usize,
    /// The process's clock.
    pub clock: Arc<dyn Clock>,
    /// The registry's stream, for services whose endpoints come from there.
    pub subscriber: Option<Subscriber>,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The first configuration can't be applied.
    #[error("{0}")]
    Apply(#[from] ApplyError),
    /// A thread can't be started.
    #[error("can't start a worker thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a configuration was not applied. The one before still runs, unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A listener's port can't be had.
    #[error("listener {name}: {source}")]
    Listen {
        /// The listener.
        name: String,
        /// Why.
        source: ListenError,
    },
    /// The configuration is not newer than the one that runs.
    #[error("generation {given} is not newer than {running}, which runs")]
    Stale {
        /// The one that was given.
        given: Generation,
        /// The one that runs.
        running: Generation,
    },
    /// The access log's file can't be opened.
    #[error("access log {path:?}: {source}")]
    AccessLog {
        /// The file.
        path: Option<PathBuf>,
        /// Why.
        source: std::io::Error,
    },
    /// The TLS of a listener can't be set up.
    #[error("listener {name}: {source}")]
    Tls {
        /// The listener.
        name: String,
        /// Why.
        source: haechi_tls::LoadError,
    },
    /// A worker is gone: the gateway was drained.
    #[error("the gateway has stopped")]
    Stopped,
}

/// A running gateway. Dropping it cuts all connections; [`Gateway::drain`] ends it in peace.
pub struct Gateway {
    workers: Vec<WorkerHandle>,
    /// Only one caller at a time may change what runs.
    listeners: Mutex<Listeners>,
    addresses: watch::Sender<BTreeMap<String, Address>>,
    running: watch::Sender<Arc<Applied>>,
    resolving: Resolving,
    certificates: tls::Watch,
    acme: Keeper,
}

struct WorkerHandle {
    commands: mpsc::UnboundedSender<Command>,
    board: Arc<Board>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What a drain led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Client connections that were cut because the deadline came.
    pub cut: u64,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("addresses", &*self.addresses.borrow()).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Starts the workers and returns once all listeners accept. Names are resolved as the system does.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let system = || {
            Resolver::system().inspect_err(|error| tracing::error!(%error, "names can't be resolved")).ok()
        };
        Self::start_with(options, system, None).await
    }

    /// As [`Gateway::start`], with the listeners of a process that this one takes over from. Nothing is accepted
    /// before [`Gateway::accept`]: until then the other process can go on as if nothing had happened.
    pub async fn take_over(options: Options, inherited: Vec<Listening>) -> Result<Self, StartError> {
        let system = || {
            Resolver::system().inspect_err(|error| tracing::error!(%error, "names can't be resolved")).ok()
        };
        Self::start_with(options, system, Some(inherited)).await
    }

    /// As [`Gateway::start`], with names resolved by this name server alone.
    pub async fn start_resolving_at(options: Options, name_server: SocketAddr) -> Result<Self, StartError> {
        Self::start_with(options, move || Resolver::at(name_server).ok(), None).await
    }

    async fn start_with(
        options: Options,
        resolver: impl FnOnce() -> Option<Resolver> + Send + 'static,
        inherited: Option<Vec<Listening>>,
    ) -> Result<Self, StartError> {
        let count = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            count => count,
        };
        let taking_over = inherited.is_some();
        // The first plan has no listeners: they come by the same way as later changes.
        let empty = Arc::new(Applied::empty(Generation(0)));
        let resolving = Resolving::start(resolver)?;
        let mut rng = haechi_core::rng::from_entropy();
        let places = Places::new();
        let mut workers = Vec::with_capacity(count);
        let boards: Vec<_> = (0..count).map(|_| Arc::new(Board::default())).collect();
        let (crew, posts) = Crew::new(&boards);
        for (index, (board, posted)) in boards.into_iter().zip(posts).enumerate() {
            let (commands, commands_out) = mpsc::unbounded_channel();
            let setup = Setup {
                clock: options.clock.clone(),
                seed: rng.u64(..),
                board: board.clone(),
                subscriber: options.subscriber.clone(),
                resolved: resolving.resolved.clone(),
                commands: commands_out,
                applied: empty.clone(),
                places: places.clone(),
                crew: crew.clone(),
                index,
                posted,
            };
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                if let Err(error) = run(setup) {
                    tracing::error!(%error, "a worker could not start");
                }
            })?;
            workers.push(WorkerHandle { commands, board, thread: std::sync::Mutex::new(Some(thread)) });
        }
        let gateway = Self {
            workers,
            listeners: Mutex::new(Listeners::new(inherited)),
            addresses: watch::Sender::new(BTreeMap::new()),
            running: watch::Sender::new(empty),
            resolving,
            certificates: tls::Watch::start()?,
            acme: Keeper::start(options.clock.clone(), haechi_core::rng::seeded(rng.u64(..)))?,
        };
        gateway.run(options.config, None, options.generation).await?;
        gateway.acme.set_active(!taking_over);
        Ok(gateway)
    }

    /// Replaces the configuration on all workers. Returns when every worker runs it, with the routes that can't
    /// be had; those alone are missing. When a listener can't be opened, nothing changes.
    pub async fn apply(
        &self,
        config: GatewayConfig,
        generation: Generation,
    ) -> Result<Vec<Refused>, ApplyError> {
        self.run(config, None, generation).await
    }

    /// As [`Gateway::apply`], with the table of `config.routes` where that was made already.
    pub async fn apply_with(
        &self,
        config: GatewayConfig,
        table: Option<Arc<RouteTable>>,
        generation: Generation,
    ) -> Result<Vec<Refused>, ApplyError> {
        self.run(config, table, generation).await
    }

    async fn run(
        &self,
        config: GatewayConfig,
        table: Option<Arc<RouteTable>>,
        generation: Generation,
    ) -> Result<Vec<Refused>, ApplyError> {
        let mut listeners = self.listeners.lock().await;
        let before = self.running.borrow().clone();
        let running = before.generation;
        if generation <= running {
            return Err(ApplyError::Stale { given: generation, running });
        }
        let log = self.log(&config)?;
        let tls_before = before.tls.clone();
        let answers = self.acme.answers.clone();
        // Reading files and keys may take a while.
        let reading = tokio::task::spawn_blocking(move || (Live::of(&config, &tls_before, &answers), config));
        let (live, config) = reading.await.map_err(|_| ApplyError::Stopped)?;
        let live = live.map_err(|(name, source)| ApplyError::Tls { name, source })?;
        self.resolving.want(&config).await;
        let change = listeners.change(&config, self.workers.len())?;
        self.addresses.send_replace(listeners.addresses());
        self.certificates.follow(live.clone());
        self.acme.follow(&config);
        let applied = Arc::new(Applied::new(config, table, generation, log, live, &before));
        let mut waiting = Vec::with_capacity(self.workers.len());
        for (worker, open) in self.workers.iter().zip(change.open) {
            let (done, ack) = oneshot::channel();
            let (close, renamed) = (change.close.clone(), change.renamed.clone());
            let command = Command::Apply { applied: applied.clone(), open, close, renamed, done };
            worker.commands.send(command).map_err(|_| ApplyError::Stopped)?;
            waiting.push(ack);
        }
        for ack in waiting {
            ack.await.map_err(|_| ApplyError::Stopped)?;
        }
        self.running.send_replace(applied.clone());
        Ok(applied.refused.clone())
    }

    /// Accepts from the listeners that were held back since [`Gateway::take_over`]. Returns when every worker does,
    /// with the directory that was published last.
    pub async fn accept(&self) -> Result<(), ApplyError> {
        let held = self.listeners.lock().await.release(self.workers.len())?;
        let mut waiting = Vec::with_capacity(self.workers.len());
        for (worker, open) in self.workers.iter().zip(held) {
            let (done, ack) = oneshot::channel();
            worker.commands.send(Command::Accept { open, done }).map_err(|_| ApplyError::Stopped)?;
            waiting.push(ack);
        }
        for ack in waiting {
            ack.await.map_err(|_| ApplyError::Stopped)?;
        }
        self.acme.set_active(true);
        Ok(())
    }

    /// The listeners with their sockets, for a process that takes over.
    pub async fn listening(&self) -> std::io::Result<Vec<Listening>> {
        self.listeners.lock().await.listening()
    }

    /// The log's writer: the one that runs, unless the configuration wants another.
    fn log(&self, config: &GatewayConfig) -> Result<Option<Arc<Writer>>, ApplyError> {
        let Some(wanted) = &config.access_log else { return Ok(None) };
        if let Some(writer) = self.running.borrow().log.as_ref().filter(|writer| writer.config == *wanted) {
            return Ok(Some(writer.clone()));
        }
        let started = Writer::start(wanted);
        started.map(Some).map_err(|source| ApplyError::AccessLog { path: wanted.path.clone(), source })
    }

    /// Where each listener accepts, by name. Tells the port that the system chose for port 0.
    pub fn listens(&self) -> BTreeMap<String, Address> {
        self.addresses.borrow().clone()
    }

    /// The same of those that accept on a port.
    pub fn local_addrs(&self) -> BTreeMap<String, SocketAddr> {
        let all = self.addresses.borrow();
        all.iter().filter_map(|(name, address)| Some((name.clone(), address.tcp()?))).collect()
    }

    /// The configuration that runs.
    pub fn generation(&self) -> Generation {
        self.running.borrow().generation
    }

    /// What the gateway does now. A worker that does not answer within a second is left out.
    pub async fn status(&self) -> Status {
        let running = self.running.borrow().clone();
        let (certificates, mut problems) = running.tls.status();
        let acme = self.acme.status();
        problems.extend(acme.iter().filter_map(AcmeStatus::problem));
        let mut status = Status {
            generation: running.generation,
            listeners: self.listens(),
            connections: self.boards().map(|board| board.worker.connections.get()).sum(),
            services: metrics::services(self.boards())
                .into_iter()
                .map(|(name, sum)| (name, sum.into()))
                .collect(),
            routes: metrics::routes(self.boards())
                .into_iter()
                .map(|(name, sum)| (name, sum.into()))
                .collect(),
            layer4: layer4::metrics::sums(self.boards())
                .into_iter()
                .map(|(name, sum)| (name, sum.into()))
                .collect(),
            udp: udp::metrics::sums(self.boards())
                .into_iter()
                .map(|(name, sum)| (name, sum.into()))
                .collect(),
            refused: running.refused.iter().map(ToString::to_string).collect(),
            certificates,
            acme,
            problems,
        };
        for worker in &self.workers {
            let (to, from) = oneshot::channel();
            if worker.commands.send(Command::Status(to)).is_ok()
                && let Ok(Ok(seen)) = tokio::time::timeout(Duration::from_secs(1), from).await
            {
                status.add(seen);
            }
        }
        status
    }

    /// Looks at once whether the access log was moved away, and writes to a new file then. It looks by itself before
    /// it writes, and every second.
    pub fn reopen_access_log(&self) {
        if let Some(log) = &self.running.borrow().log {
            log.look();
        }
    }

    /// All counters, as Prometheus reads them.
    pub fn metrics(&self) -> String {
        let boards: Vec<&Board> = self.boards().collect();
        let mut out = metrics::render(&boards, self.generation().0, &self.running.borrow().tls.status().0);
        metrics::render_acme(&mut out, &self.acme.status(), self.acme.orders(), &self.acme.answers);
        out
    }

    fn boards(&self) -> impl Iterator<Item = &Board> {
        self.workers.iter().map(|worker| &*worker.board)
    }

    /// Accepts nothing more, lets what is in flight end, and stops. What is left at the deadline is cut.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        // Whoever comes from now on finds nothing; who waits already is served.
        self.listeners.lock().await.remove_files();
        // Idle connections are closed early enough that the rest of the time is for requests.
        self.retire(deadline, (deadline / 4).min(Duration::from_secs(1))).await
    }

    /// As [`Gateway::drain`], leaving the files of Unix sockets to the process that took over, and with connections left
    /// open for so long that wait for a request. One that comes meanwhile is answered, and the answer says that the
    /// connection closes.
    pub async fn retire(&self, deadline: Duration, idle_after: Duration) -> Drained {
        self.acme.set_active(false);
        let mut waiting = Vec::new();
        // A queue must not stay open when nobody accepts from it any more.
        self.listeners.lock().await.clear();
        for worker in &self.workers {
            let (done, ack) = oneshot::channel();
            if worker.commands.send(Command::Drain { idle_after, done }).is_ok() {
                waiting.push(ack);
            }
        }
        let all = async {
            for ack in waiting {
                // A worker that is gone has nothing in flight.
                let _ = ack.await;
            }
        };
        let in_time = tokio::time::timeout(deadline, all).await.is_ok();
        let left = self.workers.iter().map(|worker| worker.board.worker.connections.get()).sum();
        let threads: Vec<_> = self
            .workers
            .iter()
            .filter_map(|worker| {
                // The thread may have ended already.
                let _ = worker.commands.send(Command::Stop);
                worker.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            })
            .collect();
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().filter_map(|thread| thread.join().err()).count()
        });
        if !matches!(joined.await, Ok(0)) {
            tracing::error!("a worker ended by a panic");
        }
        let empty = Arc::new(Applied::empty(self.generation()));
        let last = self.running.send_replace(empty);
        if let Some(writer) = Arc::into_inner(last).and_then(|applied| applied.log) {
            // Its queue is short; this waits for the disk alone.
            let written = tokio::task::spawn_blocking(move || Writer::finish(writer)).await;
            debug_assert!(written.is_ok());
        }
        Drained { cut: if in_time { 0 } else { left } }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for worker in &self.workers {
            // A worker that ended needs no telling.
            let _ = worker.commands.send(Command::Stop);
        }
    }
}
