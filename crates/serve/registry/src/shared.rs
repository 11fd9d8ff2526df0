//! What every task and every request shares: the state behind one short lock, and the operations on it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use haechi_core::{Clock, Instant, WallTime};
use haechi_eureka::InstanceInfo;
use haechi_lease::{Heartbeat, Instance, Registration, Renewal, Source, Status};
use haechi_stream::Events;
use tokio::sync::{Notify, oneshot, watch};

use crate::convert::{self, Invalid, Wire};
use crate::events;
use crate::feed::Feed;
use crate::listing::Listings;
use crate::options::Options;
use crate::passage::Passage;
use crate::peers::{Peers, Task};
use crate::state_file::StateFile;
use crate::view::LastN;

pub(crate) type State = haechi_lease::Registry<Wire>;

/// Why a registration was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Full(#[from] haechi_lease::RegisterError),
}

/// Records on their way to the disk. A change is acknowledged only after waiting for them.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Receipts(Vec<oneshot::Receiver<()>>);

impl Receipts {
    /// Returns when everything is on disk, or can't be.
    pub async fn wait(self) {
        for kept in self.0 {
            // An error means that the writer is gone; the registry goes on without it.
            let _ = kept.await;
        }
    }
}

/// What lives as long as the registry, whatever its settings are.
pub(crate) struct Core {
    pub clock: Arc<dyn Clock>,
    pub events: Events,
    pub listings: Listings,
    pub last_n: LastN,
    /// What followers in other processes are told.
    pub feed: Feed,
    /// Woken when there is a new directory to publish.
    pub changed: Notify,
    /// Woken when the rules' numbers are others.
    pub rules: Notify,
    pub started: (Instant, WallTime),
    /// True once the peers' registrations are copied, or given up on.
    ready: watch::Sender<bool>,
    /// Read by each request and each change by time, written when another process takes over.
    pub passage: Arc<tokio::sync::RwLock<Passage>>,
    state: Arc<Mutex<State>>,
    /// Replaced under the state's lock, so that each change is in one of two files.
    state_file: RwLock<Option<Arc<StateFile>>>,
}

/// The registry under its settings of now. New settings make a new one; both have the same core.
pub(crate) struct Shared {
    pub core: Arc<Core>,
    pub options: Options,
    pub peers: Peers,
}

impl Deref for Shared {
    type Target = Core;
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Core {
    pub fn new(state: State, events: Events, clock: Arc<dyn Clock>) -> Self {
        Self {
            started: (clock.now(), clock.wall()),
            clock,
            events,
            listings: Listings::default(),
            last_n: LastN::default(),
            feed: Feed::new(),
            changed: Notify::new(),
            rules: Notify::new(),
            ready: watch::Sender::new(false),
            passage: Arc::default(),
            state: Arc::new(Mutex::new(state)),
            state_file: RwLock::default(),
        }
    }

    /// The state. Held for the time of one operation, never across an await.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where changes are kept, if they are.
    pub fn state_file(&self) -> Option<Arc<StateFile>> {
        self.state_file.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps changes in this file from now on, or in none. Answers the one before.
    pub fn keep_in(&self, path: Option<&Path>) -> Option<Arc<StateFile>> {
        // The file's thread begins with the whole state, for which it waits here: then every change that comes
        // after this one is behind it in the queue.
        let _state = self.state();
        let open = |path: &Path| StateFile::open(path.into(), Arc::clone(&self.state), self.events.clone());
        let new = path.map(|path| Arc::new(open(path)));
        std::mem::replace(&mut *self.state_file.write().unwrap_or_else(PoisonError::into_inner), new)
    }

    /// From now on, readers get what is there.
    pub fn open(&self) {
        self.ready.send_replace(true);
    }

    /// Whether they do.
    pub fn is_open(&self) -> bool {
        *self.ready.borrow()
    }

    /// Returns when what is there is worth reading: a partial listing would make clients forget the rest.
    pub async fn ready(&self) {
        // An error means that the registry is going away; then nothing better comes.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// The two clocks.
    pub fn time(&self) -> (Instant, WallTime) {
        (self.clock.now(), self.clock.wall())
    }
}

impl Shared {
    /// Runs a change and sees to it that the changed instance is kept on disk.
    fn change<T>(
        &self,
        receipts: &mut Receipts,
        run: impl FnOnce(&mut State, Instant, WallTime) -> (T, Option<Arc<Instance<Wire>>>),
    ) -> T {
        let (now, wall) = self.time();
        let mut state = self.state();
        let before = state.generation();
        let (outcome, instance) = run(&mut state, now, wall);
        if state.generation() != before {
            // Queued under the lock, so that the file's order is the state's.
            receipts.0.extend(instance.zip(self.state_file()).and_then(|(i, file)| file.keep(i)));
            drop(state);
            self.changed.notify_one();
        }
        outcome
    }

    /// Takes a registration; `expected` is the application that the path names.
    pub fn register(
        &self,
        receipts: &mut Receipts,
        info: InstanceInfo,
        expected: Option<&str>,
        source: Source,
    ) -> Result<(), Refused> {
        let registration = convert::registration(info, expected, &self.options)?;
        self.admit(receipts, registration, source)
    }

    fn admit(
        &self,
        receipts: &mut Receipts,
        registration: Registration<Wire>,
        source: Source,
    ) -> Result<(), Refused> {
        let (app, id) = (registration.app.clone(), registration.id.clone());
        let taken = self.change(receipts, |state, now, wall| {
            let before = state.get(app.as_str(), id.as_str(), now).map(|i| i.status);
            match state.register(registration, source, now, wall) {
                Ok(instance) => (Ok((Arc::clone(&instance), before)), Some(instance)),
                Err(error) => (Err(error), None),
            }
        });
        let (instance, before) = taken?;
        self.last_n.registered(&instance, self.clock.wall());
        if before != Some(instance.status) {
            self.events.say("registry", events::registered(&instance));
        }
        if source == Source::Client {
            self.peers.pass_on(self.clock.now(), || Task::register(&instance));
        }
        Ok(())
    }

    /// Takes a heartbeat.
    pub fn renew(&self, path: (&str, &str), heartbeat: Heartbeat, source: Source) -> Renewal<Wire> {
        let (now, wall) = self.time();
        let (renewal, instance, changed) = {
            let mut state = self.state();
            let before = state.generation();
            let renewal = state.renew(path, heartbeat, source, now, wall);
            let wanted = source == Source::Client && !self.peers.is_empty();
            let instance = if wanted { state.get(path.0, path.1, now) } else { None };
            (renewal, instance, state.generation() != before)
        };
        if changed {
            self.changed.notify_one();
        }
        let renewed = matches!(renewal, Renewal::Renewed | Renewal::SenderIsNewer);
        if let Some(instance) = instance.filter(|_| renewed) {
            self.peers.pass_on(now, || Task::heartbeat(&instance));
        }
        renewal
    }

    /// Drops an instance that says goodbye. False if it isn't here.
    pub fn cancel(&self, receipts: &mut Receipts, (app, id): (&str, &str), source: Source) -> bool {
        let gone = self.change(receipts, |state, now, wall| {
            let gone = state.cancel(app, id, now, wall);
            (gone.clone(), gone)
        });
        let Some(gone) = gone else { return false };
        self.last_n.cancelled(&gone, self.clock.wall());
        self.events.say("registry", events::cancelled(&gone));
        if source == Source::Client {
            self.peers.pass_on(self.clock.now(), || Task::cancel(&gone));
        }
        true
    }

    /// Sets (or with `remove` takes away) an override. False if the instance isn't here.
    pub fn set_status(
        &self,
        receipts: &mut Receipts,
        path: (&str, &str),
        status: Option<Status>,
        dirty: Option<WallTime>,
        remove: bool,
        source: Source,
    ) -> bool {
        let (found, instance) = self.change(receipts, |state, now, wall| {
            let found = if remove {
                state.delete_status(path, status, dirty, now, wall)
            } else {
                state.set_status(path, status.unwrap_or(Status::Unknown), dirty, now, wall)
            };
            let instance = state.get(path.0, path.1, now).filter(|_| found);
            ((found, instance.clone()), instance)
        });
        if let Some(instance) = instance {
            self.events.say("registry", events::status_set(&instance));
            if source == Source::Client {
                self.peers.pass_on(self.clock.now(), || Task::status(&instance, status, remove));
            }
        }
        found
    }

    /// Merges metadata into an instance's. False if it isn't here.
    pub fn add_metadata(
        &self,
        receipts: &mut Receipts,
        path: (&str, &str),
        added: BTreeMap<String, String>,
    ) -> bool {
        let instance = self.change(receipts, |state, now, wall| {
            let instance = state.get(path.0, path.1, now).and_then(|known| {
                let mut metadata = (*known.registration.metadata).clone();
                metadata.extend(added);
                state.set_metadata(path, Arc::new(metadata), now, wall)
            });
            (instance.clone(), instance)
        });
        let Some(instance) = instance else { return false };
        self.peers.pass_on(self.clock.now(), || Task::register(&instance));
        true
    }
}
