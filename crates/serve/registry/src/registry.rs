//! The registry as a whole: starting, looking, stopping.

use std::sync::{Arc, Mutex};

use haechi_core::Clock;
use haechi_lease::Source;
use haechi_stream::{Events, Publisher};
use haechi_web::serve;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::convert;
use crate::http::Service;
use crate::options::Options;
use crate::peers::{self, Peers};
use crate::shared::{Shared, State};
use crate::state_file::{self, StateFile};
use crate::tasks;
use crate::view::View;

/// A running registry. Dropping it ends it without draining; call [`Registry::stop`].
pub struct Registry {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
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
        let state = Arc::new(Mutex::new(State::new(options.limits.clone(), options.policy.clone())));
        let state_file = options.state_file.as_ref().map(|path| {
            restore(&state, &state_file::read(path, &events), &options, &*clock, &events);
            StateFile::open(path.clone(), Arc::clone(&state), events.clone())
        });
        let peers = Peers::new(&options, listener.local_addr().ok(), &events);
        let shared = Arc::new(Shared::new(options, state, state_file, peers, events, clock));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![
            tokio::spawn(tasks::publish(Arc::clone(&shared), publisher, stopped.clone())),
            tokio::spawn(tasks::tick(Arc::clone(&shared), stopped.clone())),
        ];
        tasks.extend(peers::spawn(&shared, &stopped));
        tasks.push(tokio::spawn(peers::sync_up(Arc::clone(&shared), stopped.clone())));
        let limits = shared.options.http.clone();
        tasks.push(tokio::spawn(serve(
            listener,
            Arc::new(Service::new(Arc::clone(&shared))),
            limits,
            stopped,
        )));
        Self { shared, stop, tasks: Mutex::new(tasks) }
    }

    /// What is registered, and how the registry fares.
    pub fn status(&self) -> View {
        View::of(&self.shared)
    }

    /// Does at once what is done every second: evicts what is due. For tests, whose clock moves by itself.
    pub fn tick(&self) {
        tasks::tick_once(&self.shared);
    }

    /// Accepts nothing more, finishes what is in flight, and writes the state file a last time.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for task in tasks {
            // A task that panicked has nothing left to finish.
            let _ = task.await;
        }
        if let Some(file) = &self.shared.state_file {
            file.close().await;
        }
    }
}

/// Registers what the state file holds. It must renew within its lease like everybody.
fn restore(
    state: &Mutex<State>,
    instances: &[haechi_eureka::InstanceInfo],
    options: &Options,
    clock: &dyn Clock,
    events: &Events,
) {
    let (now, wall) = (clock.now(), clock.wall());
    let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut restored = 0;
    for info in instances {
        let taken = convert::registration(info.clone(), None, options)
            .is_ok_and(|registration| state.register(registration, Source::StateFile, now, wall).is_ok());
        restored += usize::from(taken);
    }
    if restored > 0 {
        events.say(
            "registry",
            format!("{restored} instances restored from the state file; they must renew within their leases"),
        );
    }
}
