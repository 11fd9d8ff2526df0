//! Replacing the config server and the admin port while their ports stay open.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use haechi_admin::Admin;
use haechi_config::ConfigServer;
use haechi_core::Clock;
use haechi_model::Lowered;
use haechi_model::lowered::{AdminConfig, ConfigServerConfig};
use haechi_stream::Events;

use super::served::Served;
use super::{Process, operations, parts, state_folder};

impl Process {
    /// Replaces the config server and the admin port where their sections changed. What can't be replaced runs on,
    /// and `new` then says what runs.
    pub(super) async fn replace_parts(
        self: &Arc<Self>,
        old: &Lowered,
        new: &mut Lowered,
    ) -> anyhow::Result<()> {
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

    pub(super) async fn replace_config(&self, section: Option<&ConfigServerConfig>) -> anyhow::Result<()> {
        let new = match section {
            Some(section) => {
                let part = start_config(section, self.file.path(), &self.clock, &self.events).await?;
                let old = self.config.read().unwrap_or_else(PoisonError::into_inner);
                Some(serve_config(section.listen, old.as_ref(), part)?)
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
                Some(self.admin_on(section, old.as_ref())?)
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
        old: Option<&Served<Admin>>,
    ) -> anyhow::Result<Served<Admin>> {
        anyhow::ensure!(
            section.auth.is_none(),
            "admin.auth is not supported yet; without it the admin port would be open, so it is not started"
        );
        let admin = Admin::new(Arc::new(operations::Running(Arc::clone(self))), self.events.clone());
        Served::start("admin port", section.listen, old, Arc::new(admin), |admin, listener, stopped| {
            haechi_web::serve(listener, admin, haechi_web::Limits::default(), stopped)
        })
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

pub(super) fn serve_config(
    listen: SocketAddr,
    old: Option<&Served<ConfigServer>>,
    part: Arc<ConfigServer>,
) -> anyhow::Result<Served<ConfigServer>> {
    let serve =
        |part: Arc<ConfigServer>, listener, stopped| async move { part.serve(listener, stopped).await };
    Served::start("config server", listen, old, part, serve)
}
