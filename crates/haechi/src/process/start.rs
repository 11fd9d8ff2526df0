//! Starting what a file names, in the order in which the parts need each other. Everything that can fail comes
//! first: a process that takes over says then that it is prepared, and gets the registry's state.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use haechi_config::ConfigServer;
use haechi_core::{Clock, Generation, ServiceName, SystemClock};
use haechi_gateway::Gateway;
use haechi_model::Lowered;
use haechi_route::GatewayConfig;
use haechi_stream::{Events, Subscriber};
use tokio::sync::{Mutex, watch as signal};

use super::apply::{changes, merge};
use super::file_watch::FileWatch;
use super::imports::Imported;
use super::replace::{serve_config, start_config, start_follower, start_registry};
use super::served::Port;
use super::traffic::Traffic;
use super::{Process, Shown, Sources, last_good, parts, state_folder, watch};
use crate::reading::ConfigFile;
use crate::upgrade::{ADMIN, CONFIG, Predecessor, REGISTRY};
use crate::words;

/// What a start goes by.
struct Beginning<'a> {
    lowered: &'a Lowered,
    file: &'a ConfigFile,
    before: Option<&'a Predecessor>,
    clock: Arc<dyn Clock>,
    events: Events,
}

impl Process {
    /// Starts what the file names; returns when everything accepts. `watched` is the file since before it was read.
    pub async fn start(
        file: ConfigFile,
        watched: FileWatch,
        before: Option<&Predecessor>,
    ) -> anyhow::Result<Arc<Self>> {
        let clock = before.map_or_else(SystemClock::start, Predecessor::clock);
        let events = Events::new(Arc::clone(&clock));
        let lowered = file.lowered().cloned().context("the file can't be applied")?;
        let beginning = Beginning {
            lowered: &lowered,
            file: &file,
            before,
            clock: clock.clone(),
            events: events.clone(),
        };
        let (publisher, subscriber) = haechi_stream::channel();
        let mut shown = Shown { file_problems: file.errors(), ..Shown::default() };

        let mut publisher = Some(publisher);
        let registry_port = match &lowered.registry {
            Some(section) => {
                let port = Port::open(REGISTRY, section.listen, before)?;
                shown.registry = Some(port.address().to_string());
                // Whatever is wrong with its settings must show before anything is handed over.
                parts::registry(section)?;
                Some(port)
            }
            None => None,
        };
        let admin_port = match &lowered.admin {
            Some(section) => Some(Port::open(ADMIN, section.listen, before)?),
            None => None,
        };
        let follower = match &lowered.follow {
            Some(section) => {
                let state = state_folder(&file.path);
                Some(start_follower(section, &state, &mut publisher, &events, &clock).await?)
            }
            None => None,
        };
        let config = match &lowered.config {
            Some(section) => {
                let port = Port::open(CONFIG, section.listen, before)?;
                Some((port, start_config(section, &file.path, &clock, &events).await?))
            }
            None => None,
        };
        let services = before.map(Predecessor::services).unwrap_or_default();
        let imported =
            beginning.import(config.as_ref().map(|(_, part)| &**part), &services, &mut shown).await;
        let gateway = beginning.gateway(imported.as_ref(), &subscriber, &mut shown).await?;

        let state = match before {
            Some(before) => before.prepared().await?,
            None => None,
        };
        let registry = match (&lowered.registry, &registry_port) {
            (Some(section), Some(port)) => {
                Some(start_registry(section, port, state.as_deref(), &mut publisher, &events, &clock)?)
            }
            _ => None,
        };
        if let Some(gateway) = &gateway {
            gateway.accept().await?;
        }
        let config = match config {
            Some((port, part)) => Some(serve_config(port, part)?),
            None => None,
        };
        let admin = lowered.admin.clone().zip(admin_port);
        let process = Arc::new(Self {
            started: clock.now(),
            clock,
            events,
            gateway,
            registry: RwLock::new(registry),
            follower: RwLock::new(follower),
            publisher: std::sync::Mutex::new(publisher),
            config: RwLock::new(config),
            admin: RwLock::default(),
            registry_port: std::sync::Mutex::new(registry_port),
            control: std::sync::Mutex::default(),
            subscriber,
            sources: Mutex::new(Sources {
                lowered,
                table: file.table(),
                refused: file.errors(),
                imported,
                file: Some(Arc::new(file)).filter(|file| file.is_clean()),
            }),
            shown: RwLock::new(shown),
            traffic: Traffic::default(),
            file: watched,
            stop: signal::Sender::new(false),
            tasks: std::sync::Mutex::default(),
        });
        let first = process.sources.lock().await.imported.clone();
        if let Some(imported) = first {
            process.keep_import(&imported).await;
        }
        if let Some((section, port)) = admin {
            let served = process.admin_on(&section, || Ok(port))?;
            *process.admin.write().unwrap_or_else(PoisonError::into_inner) = Some(served);
        }
        process.spawn(services);
        Ok(process)
    }

    fn spawn(self: &Arc<Self>, services: Vec<ServiceName>) {
        let tasks = [
            tokio::spawn(watch::traffic(Arc::clone(self))),
            tokio::spawn(watch::discovered(Arc::clone(self), services)),
            tokio::spawn(watch::import(Arc::clone(self))),
        ];
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
    }

    /// Where the registry listens.
    pub fn registry_address(&self) -> Option<std::net::SocketAddr> {
        let port = self.registry_port.lock().unwrap_or_else(PoisonError::into_inner);
        port.as_ref().map(Port::address)
    }
}

impl Beginning<'_> {
    /// Routes from properties: as they are now, or as they were last.
    async fn import(
        &self,
        config: Option<&ConfigServer>,
        services: &[ServiceName],
        shown: &mut Shown,
    ) -> Option<Imported> {
        let zuul = self.lowered.zuul.as_ref()?;
        match Imported::read(zuul, config, services).await {
            Ok(imported) => {
                imported.say_warnings(None, &self.events);
                Some(imported)
            }
            Err(error) => {
                let why = words::error(&error);
                let recalled = last_good::recall(&state_folder(&self.file.path), &zuul.application);
                let instead =
                    if recalled.is_some() { "those served last are served" } else { "none are served" };
                self.events.say(
                    "gateway",
                    format!("routes of {} could not be read, {instead}: {why}", zuul.application),
                );
                shown.import_problem = Some(why);
                recalled.map(|properties| Imported::of(zuul.application.clone(), properties, services))
            }
        }
    }

    /// The gateway, which accepts nothing yet.
    async fn gateway(
        &self,
        imported: Option<&Imported>,
        subscriber: &Subscriber,
        shown: &mut Shown,
    ) -> anyhow::Result<Option<Gateway>> {
        let Some(section) = &self.lowered.gateway else { return Ok(None) };
        let (merged, mut refused) = merge(section, imported);
        let (number, cause) = match self.before {
            Some(before) => (before.generation().next(), format!("took over from pid {}", before.pid)),
            None => (Generation(1), "start".to_owned()),
        };
        let options = haechi_gateway::Options {
            config: merged.clone(),
            generation: number,
            workers: section.workers,
            clock: Arc::clone(&self.clock),
            subscriber: Some(subscriber.clone()),
        };
        let inherited = self.before.map(Predecessor::take_gateway).unwrap_or_default();
        let started = Gateway::take_over(options, inherited).await?;
        refused.extend(started.status().await.refused);
        let left_out = self.file.errors().into_iter().chain(refused.iter().cloned()).collect();
        let changes = changes(&GatewayConfig::default(), &merged);
        shown.generations.applied(number, self.clock.wall(), &cause, changes, left_out);
        shown.refused = refused;
        shown.gateway = Arc::new(merged);
        shown.imported = imported.cloned();
        Ok(Some(started))
    }
}
