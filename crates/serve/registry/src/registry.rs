//! The registry as a whole: starting, looking, stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Clock;
use haechi_lease::Source;
use haechi_stream::{Events, Publisher};
use haechi_web::{Stage, serve_in_stages};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::convert;
use crate::handover::{self, HandoverError};
use crate::http::Current;
use crate::options::Options;
use crate::passage::Held;
use crate::peers::{self, Peers, Senders};
use crate::shared::{Core, Shared, State};
use crate::state_file;
use crate::tasks;
use crate::view::View;

/// A running registry. Dropping it ends it without draining; call [`Registry::stop`].
pub struct Registry {
    core: Arc<Core>,
    current: Arc<Current>,
    /// Held while settings change.
    running: Mutex<Running>,
}

/// The tasks, and how to end them.
struct Running {
    server: Option<Server>,
    address: Option<SocketAddr>,
    senders: Senders,
    stop: watch::Sender<bool>,
    publishing: Option<JoinHandle<Publisher>>,
    others: Vec<JoinHandle<()>>,
}

struct Server {
    stage: watch::Sender<Stage>,
    task: JoinHandle<()>,
}

impl Server {
    fn start(listener: TcpListener, current: &Arc<Current>) -> Self {
        let (stage, stages) = watch::channel(Stage::Serving);
        let limits = current.shared().options.http.clone();
        Self { stage, task: tokio::spawn(serve_in_stages(listener, Arc::clone(current), limits, stages)) }
    }

    async fn end(self, stage: Stage) {
        self.stage.send_replace(stage);
        // A task that panicked has nothing left to finish.
        let _ = self.task.await;
    }
}

impl Registry {
    /// Starts serving on `listener`. Nothing here fails: a state file that can't be read or written is told
    /// as an event, and the registry runs without it.
    ///
    /// Registrations and heartbeats are taken at once. Clients that read, and the stream of facts, wait until the
    /// peers' registrations are copied, or [`Options::sync_up_timeout`] is over.
    pub fn start(
        options: Options,
        listener: TcpListener,
        publisher: Publisher,
        events: Events,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let state = State::new(options.limits.clone(), options.policy.clone());
        let core = Arc::new(Core::new(state, events, clock));
        if let Some(path) = &options.state_file {
            let restored = restore(&core, &state_file::read(path, &core.events), &options);
            if restored > 0 {
                core.feed.settle();
            }
        }
        Self::run(core, options, listener, publisher)
    }

    /// Goes on from the state of another process's registry, as [`Registry::hold`] gave it. The directory is published
    /// when this returns. `clock` must go on from that process's.
    pub fn take_over(
        state: &[u8],
        options: Options,
        listener: TcpListener,
        publisher: Publisher,
        events: Events,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HandoverError> {
        let (mut state, ready) = handover::read(state, &options, clock.now())?;
        publisher.publish(state.directory());
        let core = Arc::new(Core::new(state, events, clock));
        if ready {
            // Nobody is missing who was known before.
            core.feed.settle();
            core.open();
        }
        Ok(Self::run(core, options, listener, publisher))
    }

    fn run(core: Arc<Core>, options: Options, listener: TcpListener, publisher: Publisher) -> Self {
        if let Some(path) = &options.state_file {
            core.keep_in(Some(path));
        }
        let address = listener.local_addr().ok();
        let peers = Peers::new(&options, address, &core.events, &Peers::default());
        let shared = Arc::new(Shared { core: Arc::clone(&core), options, peers });
        let current = Arc::new(Current::new(Arc::clone(&shared)));
        let (stop, stopped) = watch::channel(false);
        let publishing = tokio::spawn(tasks::publish(Arc::clone(&core), publisher, stopped.clone()));
        let mut others = vec![tokio::spawn(tasks::tick(Arc::clone(&core), stopped.clone()))];
        if !core.is_open() {
            others.push(tokio::spawn(peers::sync_up(shared, stopped)));
        }
        let mut senders = Senders::default();
        senders.follow(&current);
        let server = Some(Server::start(listener, &current));
        let publishing = Some(publishing);
        let running = Mutex::new(Running { server, address, senders, stop, publishing, others });
        Self { core, current, running }
    }

    /// Takes other settings while it runs: what is registered stays, and so do connections. With a `listener`
    /// it listens there from now on; requests on the old one are finished meanwhile.
    ///
    /// A new default for leases counts for whoever registers from now on. The state file that was before stays
    /// as it is on disk.
    pub async fn change(&self, options: Options, listener: Option<TcpListener>) {
        let mut running = self.running.lock().await;
        let before = self.current.shared();
        if let Some(listener) = &listener {
            running.address = listener.local_addr().ok();
        }
        self.core.state().set_rules(options.limits.clone(), options.policy.clone());
        self.core.rules.notify_one();
        let replaced = (options.state_file != before.options.state_file)
            .then(|| self.core.keep_in(options.state_file.as_deref()))
            .flatten();
        let peers = Peers::new(&options, running.address, &self.core.events, &before.peers);
        let shared = Arc::new(Shared { core: Arc::clone(&self.core), options, peers });
        self.current.replace(Arc::clone(&shared));
        let new_peers = running.senders.follow(&self.current);
        if !new_peers.is_empty() {
            running.others.retain(|task| !task.is_finished());
            running.others.push(tokio::spawn(async move {
                let limit = shared.options.sync_up_timeout;
                // Without what they know it goes on with what it has, as at a start.
                let _ = tokio::time::timeout(limit, peers::copy_from(&shared, &new_peers)).await;
            }));
        }
        if let Some(listener) = listener {
            let server = Server::start(listener, &self.current);
            if let Some(old) = running.server.replace(server) {
                tokio::spawn(old.end(Stage::Stopped));
            }
        }
        if let Some(file) = replaced {
            file.close().await;
        }
    }

    /// Stands still: requests in flight are finished, others wait until what this returns is gone. The state file is
    /// nobody's meanwhile.
    pub async fn hold(&self) -> Result<Held, HandoverError> {
        // Followers wait in their requests.
        let _interrupted = self.core.feed.interrupt();
        let passage = Arc::clone(&self.core.passage).write_owned().await;
        // From here on, whoever stops waiting lets the registry go on.
        let mut held = Held { state: Vec::new(), core: Arc::clone(&self.core), passage: Some(passage) };
        if let Some(file) = self.core.state_file() {
            file.release().await;
        }
        held.state = handover::write(&self.core.state(), self.core.is_open(), self.core.clock.now())?;
        Ok(held)
    }

    /// Accepts nothing more, as another process does. Connections that are open are answered once more, at most
    /// for `linger`; then it stops.
    pub async fn retire(&self, linger: Duration) {
        let server = self.running.lock().await.server.take();
        if let Some(server) = server {
            server.end(Stage::Retired(linger)).await;
        }
        self.stop().await;
    }

    /// What is registered, and how the registry fares.
    pub fn status(&self) -> View {
        View::of(&self.current.shared())
    }

    /// Does at once what is done every second: evicts what is due. For tests, whose clock moves by itself.
    pub fn tick(&self) {
        tasks::tick_once(&self.core);
    }

    /// Accepts nothing more, finishes what is in flight, and writes the state file a last time. Gives the stream
    /// back for another registry, once.
    pub async fn stop(&self) -> Option<Publisher> {
        let mut running = self.running.lock().await;
        running.stop.send_replace(true);
        self.core.feed.end();
        let server = running.server.take();
        let senders = std::mem::take(&mut running.senders);
        tokio::join!(
            async {
                if let Some(server) = server {
                    server.end(Stage::Stopped).await;
                }
            },
            senders.stop()
        );
        for task in std::mem::take(&mut running.others) {
            // A task that panicked has nothing left to finish.
            let _ = task.await;
        }
        let publisher = match running.publishing.take() {
            Some(publishing) => publishing.await.ok(),
            None => None,
        };
        if let Some(file) = self.core.state_file() {
            file.close().await;
        }
        publisher
    }
}

/// Registers what the state file holds, and answers how many that are. It must renew within its lease like everybody.
fn restore(core: &Core, instances: &[haechi_eureka::InstanceInfo], options: &Options) -> usize {
    let (now, wall) = core.time();
    let mut state = core.state();
    let mut restored = 0;
    for info in instances {
        let taken = convert::registration(info.clone(), None, options)
            .is_ok_and(|registration| state.register(registration, Source::StateFile, now, wall).is_ok());
        restored += usize::from(taken);
    }
    drop(state);
    if restored > 0 {
        core.events.say(
            "registry",
            format!("{restored} instances restored from the state file; they must renew within their leases"),
        );
    }
    restored
}
