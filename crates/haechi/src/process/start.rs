//! Starting what a file names, in the order in which the parts need each other.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use haechi_config::ConfigServer;
use haechi_core::{Generation, SystemClock};
use haechi_gateway::Gateway;
use haechi_model::lowered::ZuulImport;
use haechi_route::GatewayConfig;
use haechi_stream::Events;
use tokio::sync::{Mutex, watch as signal};

use super::apply::{changes, merge};
use super::file_watch::FileWatch;
use super::imports::Imported;
use super::replace::{serve_config, start_config, start_follower, start_registry};
use super::traffic::Traffic;
use super::{Process, Shown, Sources, last_good, state_folder, watch};
use crate::reading::ConfigFile;

impl Process {
    /// Starts what the file names; returns when everything accepts.
    pub async fn start(file: ConfigFile) -> anyhow::Result<Arc<Self>> {
        let clock = SystemClock::start();
        let events = Events::new(Arc::clone(&clock));
        let lowered = file.lowered().cloned().context("the file can't be applied")?;
        let (publisher, subscriber) = haechi_stream::channel();
        let mut shown = Shown { file_problems: file.errors(), ..Shown::default() };

        let stop = signal::Sender::new(false);
        let mut registry = None;
        let mut publisher = Some(publisher);
        if let Some(section) = &lowered.registry {
            let (part, address) = start_registry(section, &mut publisher, &events, &clock)?;
            shown.registry = Some(address);
            registry = Some(part);
        }
        let mut follower = None;
        if let Some(section) = &lowered.follow {
            let state = state_folder(&file.path);
            follower = Some(start_follower(section, &state, &mut publisher, &events, &clock).await?);
        }
        let config = match &lowered.config {
            Some(section) => {
                let part = start_config(section, &file.path, &clock, &events).await?;
                Some(serve_config(section.listen, None, part)?)
            }
            None => None,
        };
        let imported = match &lowered.zuul {
            Some(zuul) => {
                let config = config.as_ref().map(|served| &*served.part);
                first_import(zuul, config, &state_folder(&file.path), &events, &mut shown).await
            }
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
            shown.gateway = Arc::new(merged);
            shown.imported.clone_from(&imported);
            gateway = Some(started);
        }
        let file_watch = FileWatch::new(&file.path);
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
            file: file_watch,
            stop,
            tasks: std::sync::Mutex::default(),
        });
        let first = process.sources.lock().await.imported.clone();
        if let Some(imported) = first {
            process.keep_import(&imported).await;
        }
        let section = process.sources.lock().await.lowered.admin.clone();
        process.replace_admin(section.as_ref())?;
        process.spawn();
        Ok(process)
    }

    pub(super) fn spawn(self: &Arc<Self>) {
        let tasks = [
            tokio::spawn(watch::traffic(Arc::clone(self))),
            tokio::spawn(watch::discovered(Arc::clone(self))),
            tokio::spawn(watch::import(Arc::clone(self))),
        ];
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
    }
}

/// Reads the import; if that can't be had, what was served last is.
async fn first_import(
    zuul: &ZuulImport,
    config: Option<&ConfigServer>,
    state: &Path,
    events: &Events,
    shown: &mut Shown,
) -> Option<Imported> {
    match Imported::read(zuul, config, &[]).await {
        Ok(imported) => {
            imported.say_warnings(None, events);
            Some(imported)
        }
        Err(error) => {
            let why = format!("{error:#}");
            let recalled = last_good::recall(state, &zuul.application);
            let instead = if recalled.is_some() { "those served last are served" } else { "none are served" };
            let what = format!("routes of {} could not be read, {instead}: {why}", zuul.application);
            events.say("gateway", what);
            shown.import_problem = Some(why);
            recalled.map(|properties| Imported::of(zuul.application.clone(), properties, &[]))
        }
    }
}
