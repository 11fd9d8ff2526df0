//! New settings for the registry, the config server and the admin port while their ports stay open.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use anyhow::Context as _;
use haechi_admin::Admin;
use haechi_config::ConfigServer;
use haechi_core::Clock;
use haechi_model::Lowered;
use haechi_model::lowered::{AdminConfig, ConfigServerConfig, FollowConfig, RegistryConfig};
use haechi_registry::{Follower, Registry};
use haechi_stream::{Events, Publisher};

use super::served::{Port, Served};
use super::{Process, operations, parts, state_folder};
use crate::upgrade::{ADMIN, CONFIG, REGISTRY};

impl Process {
    /// Gives parts beside the gateway new settings where their sections changed. What can't be had runs on as it
    /// was, and `new` then says what runs.
    pub(super) async fn replace_parts(
        self: &Arc<Self>,
        old: &Lowered,
        new: &mut Lowered,
    ) -> anyhow::Result<()> {
        if old.follow != new.follow && old.follow.is_some() {
            self.stop_following().await;
        }
        if old.registry != new.registry {
            let replaced = self.replace_registry(old.registry.as_ref(), new.registry.as_ref()).await;
            if replaced.is_err() {
                new.registry.clone_from(&old.registry);
            }
            replaced?;
        }
        if old.follow != new.follow
            && let Some(section) = &new.follow
        {
            let mut publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner).take();
            let state = state_folder(self.file.path());
            let started = start_follower(section, &state, &mut publisher, &self.events, &self.clock).await;
            *self.publisher.lock().unwrap_or_else(PoisonError::into_inner) = publisher;
            *self.follower.write().unwrap_or_else(PoisonError::into_inner) = Some(started?);
        }
        if old.config != new.config {
            let replaced = self.replace_config(new.config.as_ref()).await;
            if replaced.is_err() {
                new.config.clone_from(&old.config);
            }
            replaced?;
        }
        if old.admin != new.admin {
            let replaced = self.replace_admin(new.admin.as_ref());
            if replaced.is_err() {
                new.admin.clone_from(&old.admin);
            }
            replaced?;
        }
        Ok(())
    }

    /// What was heard last stays in force.
    async fn stop_following(&self) {
        let follower = self.follower.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(follower) = follower {
            let publisher = follower.stop().await;
            *self.publisher.lock().unwrap_or_else(PoisonError::into_inner) = publisher;
        }
    }

    /// What is registered stays, unless there is to be no registry.
    async fn replace_registry(
        &self,
        old: Option<&RegistryConfig>,
        new: Option<&RegistryConfig>,
    ) -> anyhow::Result<()> {
        match (self.registry(), new) {
            (Some(registry), Some(section)) => {
                let options = parts::registry(section)?;
                let moves = old.map(|old| old.listen) != Some(section.listen);
                let port = moves.then(|| Port::open(REGISTRY, section.listen, None)).transpose()?;
                let listener = port.as_ref().map(Port::listener).transpose()?;
                registry.change(options, listener).await;
                if let Some(port) = port {
                    self.keep_registry_port(Some(port));
                }
                self.events.say("registry", "the registry has the new settings; what is registered stays");
            }
            (None, Some(section)) => {
                let port = Port::open(REGISTRY, section.listen, None)?;
                let part = {
                    let mut publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
                    start_registry(section, &port, None, &mut publisher, &self.events, &self.clock)?
                };
                self.keep_registry_port(Some(port));
                *self.registry.write().unwrap_or_else(PoisonError::into_inner) = Some(part);
            }
            (Some(registry), None) => {
                // Whoever took endpoints from it keeps those known last.
                self.keep_registry_port(None);
                let publisher = registry.stop().await;
                *self.publisher.lock().unwrap_or_else(PoisonError::into_inner) = publisher;
                *self.registry.write().unwrap_or_else(PoisonError::into_inner) = None;
                self.events.say("registry", "the registry has stopped, as the file has none");
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// The port that a process which takes over would get.
    fn keep_registry_port(&self, port: Option<Port>) {
        self.show(|shown| shown.registry = port.as_ref().map(|port| port.address().to_string()));
        *self.registry_port.lock().unwrap_or_else(PoisonError::into_inner) = port;
    }

    pub(super) async fn replace_config(&self, section: Option<&ConfigServerConfig>) -> anyhow::Result<()> {
        let new = match section {
            Some(section) => {
                let part = start_config(section, self.file.path(), &self.clock, &self.events).await?;
                let old = self.config.read().unwrap_or_else(PoisonError::into_inner);
                Some(serve_config(Served::port_after(CONFIG, section.listen, old.as_ref())?, part)?)
            }
            None => None,
        };
        let old = std::mem::replace(&mut *self.config.write().unwrap_or_else(PoisonError::into_inner), new);
        self.events.say("config", "the config server was replaced by one with the new settings");
        if let Some(old) = old {
            old.part.stop();
            // Requests in flight finish meanwhile; the reload does not wait for them.
            tokio::spawn(old.stop());
        }
        Ok(())
    }

    pub(super) fn replace_admin(self: &Arc<Self>, section: Option<&AdminConfig>) -> anyhow::Result<()> {
        let new = match section {
            Some(section) => {
                let old = self.admin.read().unwrap_or_else(PoisonError::into_inner);
                Some(self.admin_on(section, || Served::port_after(ADMIN, section.listen, old.as_ref()))?)
            }
            None => None,
        };
        let old = std::mem::replace(&mut *self.admin.write().unwrap_or_else(PoisonError::into_inner), new);
        if let Some(old) = old {
            tokio::spawn(old.stop());
        }
        Ok(())
    }

    pub(super) fn admin_on(
        self: &Arc<Self>,
        section: &AdminConfig,
        port: impl FnOnce() -> anyhow::Result<Port>,
    ) -> anyhow::Result<Served<Admin>> {
        anyhow::ensure!(
            section.auth.is_none(),
            "admin.auth is not supported yet; without it the admin port would be open, so it is not started"
        );
        let admin = Admin::new(Arc::new(operations::Running(Arc::clone(self))), self.events.clone());
        Served::start(port()?, Arc::new(admin), |admin, listener, stage| {
            haechi_web::serve_in_stages(listener, admin, haechi_web::Limits::default(), stage)
        })
    }
}

/// Starts a registry, which takes the stream. With `state` it goes on from another process's.
pub(super) fn start_registry(
    section: &RegistryConfig,
    port: &Port,
    state: Option<&[u8]>,
    publisher: &mut Option<Publisher>,
    events: &Events,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Registry>> {
    let options = parts::registry(section)?;
    let (listener, events, clock) = (port.listener()?, events.clone(), Arc::clone(clock));
    let publisher = publisher.take().context("the registry can come back only with the next start")?;
    Ok(Arc::new(match state {
        Some(state) => Registry::take_over(state, options, listener, publisher, events, clock)?,
        None => Registry::start(options, listener, publisher, events, clock),
    }))
}

/// Begins to follow registries elsewhere, with what the disk knows of them.
pub(super) async fn start_follower(
    section: &FollowConfig,
    state: &Path,
    publisher: &mut Option<Publisher>,
    events: &Events,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Follower>> {
    let options = parts::follow(section, state)?;
    let stream = publisher.take().context("the registry can be followed again only after the next start")?;
    match Follower::start(options, stream, events.clone(), Arc::clone(clock)).await {
        Ok(follower) => Ok(Arc::new(follower)),
        Err((error, stream)) => {
            *publisher = Some(stream);
            Err(error.into())
        }
    }
}

/// Starts a config server, without serving it yet.
pub(super) async fn start_config(
    section: &ConfigServerConfig,
    file: &Path,
    clock: &Arc<dyn Clock>,
    events: &Events,
) -> anyhow::Result<Arc<ConfigServer>> {
    let options = parts::config(section, &state_folder(file).join("mirrors"))?;
    Ok(Arc::new(ConfigServer::start(options, Arc::clone(clock), events.clone()).await?))
}

pub(super) fn serve_config(port: Port, part: Arc<ConfigServer>) -> anyhow::Result<Served<ConfigServer>> {
    let serve =
        |part: Arc<ConfigServer>, listener, stage| async move { part.serve_in_stages(listener, stage).await };
    Served::start(port, part, serve)
}
