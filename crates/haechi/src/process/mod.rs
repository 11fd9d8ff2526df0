//! The parts of one process, wired to each other: one stream of facts, one applied configuration at a time.

mod apply;
pub mod explain;
mod file_watch;
mod generations;
mod hand_over;
mod imports;
mod last_good;
mod operations;
mod overview;
mod parts;
mod replace;
mod served;
mod start;
mod traffic;
mod watch;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use haechi_admin::Admin;
use haechi_config::ConfigServer;
use haechi_core::{Clock, Instant, ServiceName};
use haechi_gateway::{Drained, Gateway};
use haechi_model::Lowered;
use haechi_registry::{Follower, Registry};
use haechi_route::{GatewayConfig, RouteTable};
use haechi_stream::{Events, Publisher, Subscriber};
use tokio::sync::{Mutex, watch as signal};
use tokio::task::JoinHandle;

pub use file_watch::FileWatch;
use generations::Generations;
use imports::Imported;
use served::{Port, Served};
use traffic::Traffic;

use crate::reading::ConfigFile;
use crate::upgrade::control::Control;

/// For requests in flight to finish once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// Between two attempts to read an import that could not be read.
const IMPORT_AGAIN: Duration = Duration::from_secs(5);

/// Everything that runs.
pub struct Process {
    /// What happened.
    pub events: Events,
    clock: Arc<dyn Clock>,
    started: Instant,
    gateway: Option<Gateway>,
    registry: RwLock<Option<Arc<Registry>>>,
    /// What follows registries in other processes.
    follower: RwLock<Option<Arc<Follower>>>,
    /// The registry's end of the stream of facts, while no registry has it.
    publisher: std::sync::Mutex<Option<Publisher>>,
    config: RwLock<Option<Served<ConfigServer>>>,
    admin: RwLock<Option<Served<Admin>>>,
    /// The registry's port, kept open for a process that takes over.
    registry_port: std::sync::Mutex<Option<Port>>,
    /// Where `haechi upgrade` asks.
    control: std::sync::Mutex<Option<Control>>,
    subscriber: Subscriber,
    /// What was read last. Held while a change is applied, so that changes don't overtake each other.
    sources: Mutex<Sources>,
    shown: RwLock<Shown>,
    traffic: Traffic,
    file: FileWatch,
    stop: signal::Sender<bool>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

/// What the applied configuration was made of.
struct Sources {
    /// The last file without a mistake: of the next one, only what differs is read.
    file: Option<Arc<ConfigFile>>,
    lowered: Lowered,
    /// The table of the file's routes, where all of them can be had.
    table: Option<Arc<RouteTable>>,
    refused: Vec<String>,
    imported: Option<Imported>,
}

/// What the console and `explain` read.
#[derive(Default)]
struct Shown {
    /// What the gateway runs.
    gateway: Arc<GatewayConfig>,
    /// Names of routes that came from Zuul's properties.
    imported: Option<Imported>,
    generations: Generations,
    /// Mistakes in the file, with their lines.
    file_problems: Vec<String>,
    /// Routes that the gateway refused, ties among them.
    refused: Vec<String>,
    /// Why the import could not be read.
    import_problem: Option<String>,
    /// Changes that wait for the next start.
    waiting: Vec<String>,
    /// Where the registry listens.
    registry: Option<String>,
}

impl Process {
    /// The config server that runs here.
    fn config(&self) -> Option<Arc<ConfigServer>> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        config.as_ref().map(|served| Arc::clone(&served.part))
    }

    /// The registry that runs here.
    fn registry(&self) -> Option<Arc<Registry>> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What follows registries elsewhere.
    fn follower(&self) -> Option<Arc<Follower>> {
        self.follower.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn shown(&self) -> std::sync::RwLockReadGuard<'_, Shown> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Every address, for the line that says the process is ready.
    pub fn addresses(&self) -> String {
        let gateway = self.gateway.iter().flat_map(|gateway| {
            gateway.listens().into_iter().map(|(name, address)| format!("gateway {name} on {address}"))
        });
        let others = self.listens().into_iter().map(|(part, address)| format!("{part} on {address}"));
        gateway.chain(others).collect::<Vec<_>>().join(", ")
    }

    /// Where the parts beside the gateway listen.
    fn listens(&self) -> Vec<(&'static str, String)> {
        let address = |name, address: SocketAddr| (name, address.to_string());
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        let admin = self.admin.read().unwrap_or_else(PoisonError::into_inner);
        let registry = self.shown().registry.clone().map(|address| ("registry", address));
        let config = config.as_ref().map(|served| address("config", served.port.address()));
        let admin = admin.as_ref().map(|served| address("admin", served.port.address()));
        [registry, config, admin].into_iter().flatten().collect()
    }

    /// Resolves when the configuration file has changed.
    pub async fn file_changed(&self) {
        self.file.changed().await;
    }

    /// Takes the socket where `haechi upgrade` asks along, until the process ends.
    pub fn keep_control(&self, control: Control) {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(control);
    }

    /// The services that the registry knows.
    fn discovered(&self) -> Vec<ServiceName> {
        self.subscriber.clone().current().services.keys().cloned().collect()
    }

    /// Looks at once whether the access log was moved away.
    pub fn reopen_access_log(&self) {
        if let Some(gateway) = &self.gateway {
            gateway.reopen_access_log();
        }
    }

    /// Drains the gateway, then stops the other parts.
    pub async fn stop(&self) {
        if let Some(control) = self.control.lock().unwrap_or_else(PoisonError::into_inner).take() {
            control.close();
        }
        if let Some(gateway) = &self.gateway {
            let drained = gateway.drain(DRAIN).await;
            self.say_cut(drained, DRAIN);
        }
        self.stop.send_replace(true);
        let config = self.config.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(served) = config {
            served.part.stop();
            served.stop().await;
        }
        if let Some(follower) = self.follower() {
            follower.stop().await;
        }
        drop(self.registry_port.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(registry) = self.registry() {
            registry.stop().await;
        }
        let admin = self.admin.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(served) = admin {
            served.stop().await;
        }
        self.join_tasks().await;
    }

    fn say_cut(&self, drained: Drained, deadline: Duration) {
        if drained.cut > 0 {
            let what = format!("{} connections were still busy after {deadline:?} and were cut", drained.cut);
            self.events.say("gateway", what);
        }
    }

    async fn join_tasks(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that panicked has nothing left to finish.
            let _ = task.await;
        }
    }
}

/// What outlives the process: mirrors of remote repositories, the last good import. Beside the file, so that a
/// restart finds it.
pub fn state_folder(file: &Path) -> std::path::PathBuf {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.join(".haechi")
}
