//! The parts of one process, wired to each other: one stream of facts, one applied configuration at a time.

pub mod explain;
mod generations;
mod imports;
mod last_good;
mod operations;
mod overview;
mod parts;
mod traffic;
mod watch;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use haechi_admin::Admin;
use haechi_config::ConfigServer;
use haechi_core::{Clock, Generation, Instant, ServiceName, SystemClock};
use haechi_gateway::Gateway;
use haechi_model::Lowered;
use haechi_registry::Registry;
use haechi_route::GatewayConfig;
use haechi_stream::{Events, Subscriber};
use tokio::sync::{Mutex, watch as signal};
use tokio::task::JoinHandle;

use crate::reading::ConfigFile;
use generations::Generations;
use imports::Imported;
use traffic::Traffic;

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
    registry: Option<Registry>,
    config: Option<Arc<ConfigServer>>,
    subscriber: Subscriber,
    /// What was read last. Held while a change is applied, so that changes don't overtake each other.
    sources: Mutex<Sources>,
    shown: RwLock<Shown>,
    traffic: Traffic,
    file: watch::FileWatch,
    stop: signal::Sender<bool>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

/// What the applied configuration was made of.
struct Sources {
    lowered: Lowered,
    refused: Vec<String>,
    imported: Option<Imported>,
}

/// What the console and `explain` read.
#[derive(Default)]
struct Shown {
    /// What the gateway runs.
    gateway: GatewayConfig,
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
    /// Addresses of the parts beside the gateway.
    listens: Vec<(&'static str, String)>,
}

impl Process {
    /// Starts what the file names; returns when everything accepts.
    pub async fn start(file: ConfigFile) -> anyhow::Result<Arc<Self>> {
        let clock = SystemClock::start();
        let events = Events::new(Arc::clone(&clock));
        let lowered = file.lowered().cloned().context("the file can't be applied")?;
        let (publisher, subscriber) = haechi_stream::channel();
        let mut shown = Shown { file_problems: file.errors(), ..Shown::default() };

        let stop = signal::Sender::new(false);
        let mut tasks = Vec::new();
        let mut registry = None;
        if let Some(section) = &lowered.registry {
            let options = parts::registry(section)?;
            let listener = parts::bind("registry", section.listen)?;
            shown.listens.push(("registry", listener.local_addr()?.to_string()));
            registry =
                Some(Registry::start(options, listener, publisher, events.clone(), Arc::clone(&clock)));
        }
        let mut config = None;
        if let Some(section) = &lowered.config {
            let options = parts::config(section, &state_folder(&file.path).join("mirrors"))?;
            let listener = parts::bind("config server", section.listen)?;
            shown.listens.push(("config", listener.local_addr()?.to_string()));
            let server = Arc::new(ConfigServer::start(options, Arc::clone(&clock), events.clone()).await?);
            let (serving, stopped) = (Arc::clone(&server), stop.subscribe());
            tasks.push(tokio::spawn(async move { serving.serve(listener, stopped).await }));
            config = Some(server);
        }
        let admin = match &lowered.admin {
            Some(section) if section.auth.is_some() => {
                anyhow::bail!(
                    "admin.auth is not supported yet; without it the admin port would be open, so nothing is started"
                )
            }
            Some(section) => {
                let listener = parts::bind("admin port", section.listen)?;
                shown.listens.push(("admin", listener.local_addr()?.to_string()));
                Some(listener)
            }
            None => None,
        };
        let state = state_folder(&file.path);
        let imported = match &lowered.zuul {
            Some(zuul) => match Imported::read(zuul, config.as_deref(), &[]).await {
                Ok(imported) => Some(imported),
                Err(error) => {
                    let why = format!("{error:#}");
                    let recalled = last_good::recall(&state, &zuul.application);
                    let instead =
                        if recalled.is_some() { "those served last are served" } else { "none are served" };
                    events.say(
                        "gateway",
                        format!("routes of {} could not be read, {instead}: {why}", zuul.application),
                    );
                    shown.import_problem = Some(why);
                    recalled.map(|properties| Imported::of(zuul.application.clone(), properties, &[]))
                }
            },
            None => None,
        };
        let mut gateway = None;
        if let Some(section) = &lowered.gateway {
            let (merged, mut refused) = merge(section, imported.as_ref());
            let first = Generation(1);
            let started = Gateway::start(haechi_gateway::Options {
                config: merged.clone(),
                generation: first,
                workers: section.workers,
                clock: Arc::clone(&clock),
                subscriber: Some(subscriber.clone()),
            })
            .await?;
            refused.extend(started.status().await.refused);
            let left_out = file.errors().into_iter().chain(refused.iter().cloned()).collect();
            let changes = changes(&GatewayConfig::default(), &merged);
            shown.generations.applied(first, clock.wall(), "start", changes, left_out);
            shown.refused = refused;
            shown.gateway = merged;
            shown.imported.clone_from(&imported);
            gateway = Some(started);
        }
        let process = Arc::new(Self {
            started: clock.now(),
            clock,
            events,
            gateway,
            registry,
            config,
            subscriber,
            sources: Mutex::new(Sources { lowered, refused: file.errors(), imported }),
            shown: RwLock::new(shown),
            traffic: Traffic::default(),
            file: watch::FileWatch::new(&file.path),
            stop,
            tasks: std::sync::Mutex::new(tasks),
        });
        let first = process.sources.lock().await.imported.clone();
        if let Some(imported) = first {
            process.keep_import(&imported).await;
        }
        process.spawn(admin);
        Ok(process)
    }

    fn spawn(self: &Arc<Self>, admin: Option<tokio::net::TcpListener>) {
        let mut tasks = vec![
            tokio::spawn(watch::traffic(Arc::clone(self))),
            tokio::spawn(watch::discovered(Arc::clone(self))),
            tokio::spawn(watch::import(Arc::clone(self))),
        ];
        if let Some(listener) = admin {
            let handler =
                Arc::new(Admin::new(Arc::new(operations::Running(Arc::clone(self))), self.events.clone()));
            let stopped = self.stop.subscribe();
            tasks.push(tokio::spawn(haechi_web::serve(
                listener,
                handler,
                haechi_web::Limits::default(),
                stopped,
            )));
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
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
            gateway.local_addrs().into_iter().map(|(name, address)| format!("gateway {name} on {address}"))
        });
        let shown = self.shown();
        let others = shown.listens.iter().map(|(part, address)| format!("{part} on {address}"));
        gateway.chain(others).collect::<Vec<_>>().join(", ")
    }

    /// Resolves when the configuration file has changed.
    pub async fn file_changed(&self) {
        self.file.changed().await;
    }

    /// The services that the registry knows.
    fn discovered(&self) -> Vec<ServiceName> {
        self.subscriber.clone().current().services.keys().cloned().collect()
    }

    /// Reads the file again and applies what changed. A file that can't be applied changes nothing.
    pub async fn reload(&self, cause: &str) {
        let path = self.file.path().to_owned();
        let read = tokio::task::spawn_blocking(move || ConfigFile::read(&path)).await;
        let file = match read {
            Ok(Ok(file)) => file,
            Ok(Err(error)) => {
                return self.events.say("haechi", format!("the configuration stays as it is: {error:#}"));
            }
            Err(error) => return self.events.say("haechi", format!("reading the file failed: {error}")),
        };
        if !file.diagnostics().is_empty() {
            eprintln!("{}", file.rendered());
        }
        self.show(|shown| shown.file_problems = file.errors());
        let Some(lowered) = file.lowered().cloned() else {
            let n = file.errors().len();
            return self
                .events
                .say("haechi", format!("the configuration stays as it is: {n} mistakes in the file"));
        };
        {
            let mut sources = self.sources.lock().await;
            self.note_fixed(&sources.lowered, &lowered);
            sources.lowered = lowered;
            sources.refused = file.errors();
        }
        // What could not be read is said by then, and tried again.
        let _ = self.read_import().await;
        if let Err(error) = self.apply(cause).await {
            self.events.say("haechi", format!("the configuration stays as it is: {error}"));
        }
    }

    /// Sections that this version applies only at a start.
    fn note_fixed(&self, old: &Lowered, new: &Lowered) {
        let fixed = [
            ("registry", old.registry != new.registry),
            ("config", old.config != new.config),
            ("admin", old.admin != new.admin),
            (
                "gateway (its presence and its workers)",
                old.gateway.as_ref().map(|g| g.workers) != new.gateway.as_ref().map(|g| g.workers),
            ),
        ];
        for (section, _) in fixed.iter().filter(|(_, changed)| *changed) {
            let what = format!("{section}: this change takes effect at the next start");
            self.events.say("haechi", what.clone());
            self.show(|shown| {
                if !shown.waiting.contains(&what) {
                    shown.waiting.push(what);
                }
            });
        }
    }

    /// Reads the import, if one is configured. Answers the changed keys, or why it could not be read; what was
    /// imported before then serves on.
    async fn read_import(&self) -> Result<Vec<String>, String> {
        let mut sources = self.sources.lock().await;
        let Some(zuul) = sources.lowered.zuul.clone() else {
            sources.imported = None;
            self.show(|shown| shown.import_problem = None);
            return Ok(Vec::new());
        };
        match Imported::read(&zuul, self.config.as_deref(), &self.discovered()).await {
            Ok(imported) => {
                let changed =
                    imported.changed_since(sources.imported.as_ref().unwrap_or(&Imported::default()));
                sources.imported = Some(imported);
                self.show(|shown| shown.import_problem = None);
                Ok(changed)
            }
            Err(error) => {
                let why = format!("{error:#}");
                let first = self.shown().import_problem.is_none();
                if first {
                    self.events
                        .say("gateway", format!("routes of {} could not be read: {why}", zuul.application));
                }
                self.show(|shown| shown.import_problem = Some(why.clone()));
                Err(why)
            }
        }
    }

    /// Keeps an import for a start without its config server. A disk that can't be written costs only that.
    async fn keep_import(&self, imported: &Imported) {
        let (folder, imported) = (state_folder(self.file.path()), imported.clone());
        let kept = tokio::task::spawn_blocking(move || {
            last_good::keep(&folder, &imported.application, &imported.properties)
        });
        if let Ok(Err(error)) = kept.await {
            self.events.say("gateway", format!("the imported routes could not be kept on disk: {error}"));
        }
    }

    /// Applies what the sources say now, if it differs from what runs.
    async fn apply(&self, cause: &str) -> Result<(), String> {
        let sources = self.sources.lock().await;
        let (Some(gateway), Some(from_file)) = (&self.gateway, &sources.lowered.gateway) else {
            return Ok(());
        };
        let (config, mut refused) = merge(from_file, sources.imported.as_ref());
        let (old, number) = {
            let shown = self.shown();
            (shown.gateway.clone(), shown.generations.newest().next())
        };
        if old == config {
            self.show(|shown| shown.imported.clone_from(&sources.imported));
            return Ok(());
        }
        let changes = changes(&old, &config);
        let left_out = gateway.apply(config.clone(), number).await.map_err(|error| error.to_string())?;
        refused.extend(left_out.iter().map(ToString::to_string));
        let mut all = sources.refused.clone();
        all.extend(refused.iter().cloned());
        self.events.say("gateway", format!("generation {number} applied ({cause}): {}", summary(&changes)));
        let at = self.clock.wall();
        self.show(|shown| {
            shown.gateway = config;
            shown.imported.clone_from(&sources.imported);
            shown.refused = refused;
            shown.generations.applied(number, at, cause, changes, all);
        });
        Ok(())
    }

    /// `POST /refresh`: reads every source again. Answers the changed keys.
    async fn refresh(&self) -> Result<Vec<String>, String> {
        if let Some(config) = &self.config {
            config.refresh_now().await;
        }
        let changed = self.read_import().await?;
        self.apply("refresh").await?;
        Ok(changed)
    }

    /// Drains the gateway, then stops the other parts.
    pub async fn stop(&self) {
        if let Some(gateway) = &self.gateway {
            let drained = gateway.drain(DRAIN).await;
            if drained.cut > 0 {
                self.events.say(
                    "gateway",
                    format!("{} connections were still busy after {DRAIN:?} and were cut", drained.cut),
                );
            }
        }
        self.stop.send_replace(true);
        if let Some(config) = &self.config {
            config.stop();
        }
        if let Some(registry) = &self.registry {
            registry.stop().await;
        }
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that panicked has nothing left to finish.
            let _ = task.await;
        }
    }
}

/// What changed between two configurations, a line each.
fn changes(old: &GatewayConfig, new: &GatewayConfig) -> Vec<String> {
    haechi_route::difference(old, new).iter().map(ToString::to_string).collect()
}

/// Routes and services of the file, with those of the import beside them. A name that both have is the file's.
fn merge(file: &GatewayConfig, imported: Option<&Imported>) -> (GatewayConfig, Vec<String>) {
    let mut config = file.clone();
    let mut refused = Vec::new();
    let Some(imported) = imported else { return (config, refused) };
    for route in &imported.import.routes {
        if file.routes.iter().any(|own| own.name == route.name) {
            refused.push(format!(
                "route {} of {}: the file has a route of this name",
                route.name, imported.application
            ));
        } else {
            config.routes.push(route.clone());
        }
    }
    for (name, service) in &imported.import.services {
        config.services.entry(name.clone()).or_insert_with(|| service.clone());
    }
    (config, refused)
}

fn summary(changes: &[String]) -> String {
    match changes {
        [] => "nothing changed".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    }
}

/// What outlives the process: mirrors of remote repositories, the last good import. Beside the file, so that a
/// restart finds it.
fn state_folder(file: &Path) -> std::path::PathBuf {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.join(".haechi")
}
