//! Gets and renews the certificates of listeners with `acme`, on a thread of its own.
//!
//! A task for each CA and storage carries out one order after the other. What comes of it lies on disk, from where the
//! listeners' TLS takes it in like any other certificate ([`crate::tls`]).
//!
//! One process at a time orders: nothing is ordered before this one accepts, nor once another one does, and the
//! storage is locked meanwhile.

mod site;
mod wanted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_acme::Answers;
use haechi_core::Clock;
use haechi_core::rng::Rng;
use haechi_route::GatewayConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::status::AcmeStatus;
use site::Site;
pub(crate) use wanted::{Wanted, names};

/// Orders what configurations want. Dropping it ends what is under way.
#[derive(Debug)]
pub(crate) struct Keeper {
    wanted: watch::Sender<Wish>,
    board: Arc<Board>,
    /// What challenges are answered with.
    pub answers: Arc<Answers>,
}

/// What is wanted, once ordering may begin.
#[derive(Clone, Debug, Default)]
struct Wish {
    active: bool,
    wanted: Arc<Wanted>,
}

/// How it stands, for people and programs.
#[derive(Debug, Default)]
pub(super) struct Board {
    names: Mutex<BTreeMap<(wanted::Place, String), AcmeStatus>>,
    counts: Mutex<[u64; 2]>,
}

impl Board {
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeMap<(wanted::Place, String), AcmeStatus>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is said of a name.
    fn say(&self, place: &wanted::Place, name: &str, change: impl FnOnce(&mut AcmeStatus)) {
        let mut names = self.names();
        let status = names.entry((place.clone(), name.to_owned())).or_insert_with(|| AcmeStatus {
            name: name.to_owned(),
            directory: place.directory.clone(),
            ..AcmeStatus::default()
        });
        change(status);
    }

    fn count(&self, is_issued: bool) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(is_issued)] += 1;
    }
}

impl Keeper {
    /// Starts the thread. It sleeps for as long as nothing is wanted.
    pub fn start(clock: Arc<dyn Clock>, rng: Rng) -> std::io::Result<Self> {
        let (wanted, wanted_out) = watch::channel(Wish::default());
        let keeper = Self { wanted, board: Arc::default(), answers: Arc::default() };
        let (board, answers) = (keeper.board.clone(), keeper.answers.clone());
        std::thread::Builder::new().name("acme".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(keep(wanted_out, &board, &answers, &clock, rng)),
                Err(error) => tracing::error!(%error, "no certificate can be ordered"),
            }
        })?;
        Ok(keeper)
    }

    /// Keeps what this configuration wants from now on.
    pub fn follow(&self, config: &GatewayConfig) {
        let new = Wanted::of(config);
        self.wanted.send_if_modified(|wish| {
            let changed = *wish.wanted != new;
            if changed {
                wish.wanted = Arc::new(new);
            }
            changed
        });
    }

    /// Orders from now on, or no more.
    pub fn set_active(&self, active: bool) {
        self.wanted.send_if_modified(|wish| std::mem::replace(&mut wish.active, active) != active);
    }

    /// How every name stands.
    pub fn status(&self) -> Vec<AcmeStatus> {
        self.board.names().values().cloned().collect()
    }

    /// Orders that failed, and that led to a certificate.
    pub fn orders(&self) -> [u64; 2] {
        *self.board.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task, and what it is told.
struct Running {
    site: watch::Sender<Site>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    mut wishes: watch::Receiver<Wish>,
    board: &Arc<Board>,
    answers: &Arc<Answers>,
    clock: &Arc<dyn Clock>,
    mut rng: Rng,
) {
    let mut running: BTreeMap<wanted::Place, Running> = BTreeMap::new();
    loop {
        let Wish { active, wanted } = wishes.borrow_and_update().clone();
        let sites = if active { wanted.sites.clone() } else { BTreeMap::new() };
        running.retain(|place, _| sites.contains_key(place));
        board
            .names()
            .retain(|(place, name), _| sites.get(place).is_some_and(|site| site.names.contains_key(name)));
        for (place, site) in sites {
            if let Some(running) = running.get(&place) {
                running.site.send_if_modified(|known| std::mem::replace(known, site.clone()) != site);
                continue;
            }
            let (sender, receiver) = watch::channel(site);
            let keeping = site::keep(
                place.clone(),
                receiver,
                site::Around {
                    board: board.clone(),
                    answers: answers.clone(),
                    clock: clock.clone(),
                    rng: haechi_core::rng::seeded(rng.u64(..)),
                },
            );
            running.insert(place, Running { site: sender, task: tokio::spawn(keeping) });
        }
        if wishes.changed().await.is_err() {
            return;
        }
    }
}

/// How soon a storage is looked at again that another process has, or that can't be opened.
const LOCKED: Duration = Duration::from_secs(1);
