//! From sources to what runs: the file, the imported properties and the registry's services become one numbered
//! generation.

use std::sync::Arc;

use haechi_model::Lowered;
use haechi_route::GatewayConfig;

use super::imports::Imported;
use super::{Process, last_good, state_folder};
use crate::reading::ConfigFile;
use crate::words;

impl Process {
    /// Reads the file again and applies what changed. A file that can't be applied changes nothing.
    pub async fn reload(self: &Arc<Self>, cause: &str) {
        let path = self.file.path().to_owned();
        let before = self.sources.lock().await.file.clone();
        let read =
            tokio::task::spawn_blocking(move || ConfigFile::read_after(before.as_deref(), &path)).await;
        let file = match read {
            Ok(Ok(file)) => Arc::new(file),
            Ok(Err(error)) => {
                return self
                    .events
                    .say("haechi", format!("the configuration stays as it is: {}", words::error(&error)));
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
            let old = std::mem::replace(&mut sources.lowered, lowered);
            sources.refused = file.errors();
            sources.table = file.table();
            if file.is_clean() {
                sources.file = Some(Arc::clone(&file));
            }
            self.note_fixed(&old, &sources.lowered);
            if let Err(error) = self.replace_parts(&old, &mut sources.lowered).await {
                self.events.say("haechi", format!("a part stays as it is: {}", words::error(&error)));
                self.show(|shown| shown.file_problems.push(words::error(&error)));
            }
        }
        // What could not be read is said by then, and tried again.
        let _ = self.read_import().await;
        if let Err(error) = self.apply(cause).await {
            self.events.say("haechi", format!("the configuration stays as it is: {error}"));
        }
    }

    /// Sections that this version applies only at a start.
    pub(super) fn note_fixed(&self, old: &Lowered, new: &Lowered) {
        let workers = |lowered: &Lowered| lowered.gateway.as_ref().map(|gateway| gateway.workers);
        let fixed = [("gateway (its presence and its workers)", workers(old) != workers(new))];
        for (section, _) in fixed.iter().filter(|(_, changed)| *changed) {
            let what = format!("{section}: this change takes effect at the next start or `haechi upgrade`");
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
    pub(super) async fn read_import(&self) -> Result<Vec<String>, String> {
        let mut sources = self.sources.lock().await;
        let Some(zuul) = sources.lowered.zuul.clone() else {
            sources.imported = None;
            self.show(|shown| shown.import_problem = None);
            return Ok(Vec::new());
        };
        match Imported::read(&zuul, self.config().as_deref(), &self.discovered()).await {
            Ok(imported) => {
                let changed =
                    imported.changed_since(sources.imported.as_ref().unwrap_or(&Imported::default()));
                imported.say_warnings(sources.imported.as_ref(), &self.events);
                sources.imported = Some(imported);
                self.show(|shown| shown.import_problem = None);
                Ok(changed)
            }
            Err(error) => {
                let why = words::error(&error);
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
    pub(super) async fn keep_import(&self, imported: &Imported) {
        let (folder, imported) = (state_folder(self.file.path()), imported.clone());
        let kept = tokio::task::spawn_blocking(move || {
            last_good::keep(&folder, &imported.application, &imported.properties)
        });
        if let Ok(Err(error)) = kept.await {
            self.events.say("gateway", format!("the imported routes could not be kept on disk: {error}"));
        }
    }

    /// Applies what the sources say now, if it differs from what runs.
    pub(super) async fn apply(&self, cause: &str) -> Result<(), String> {
        let sources = self.sources.lock().await;
        let (Some(gateway), Some(from_file)) = (&self.gateway, &sources.lowered.gateway) else {
            return Ok(());
        };
        let (config, mut refused) = merge(from_file, sources.imported.as_ref());
        let (old, number) = {
            let shown = self.shown();
            (Arc::clone(&shown.gateway), shown.generations.newest().next())
        };
        if *old == config {
            self.show(|shown| shown.imported.clone_from(&sources.imported));
            return Ok(());
        }
        let changes = changes(&old, &config);
        // The table is of the file's routes; with those of an import beside them it would not fit.
        let table = sources.table.clone().filter(|_| config.routes.len() == from_file.routes.len());
        let applied = gateway.apply_with(config.clone(), table, number).await;
        let left_out = applied.map_err(|error| words::error(&error.into()))?;
        refused.extend(left_out.iter().map(ToString::to_string));
        let mut all = sources.refused.clone();
        all.extend(refused.iter().cloned());
        self.events.say("gateway", format!("generation {number} applied ({cause}): {}", summary(&changes)));
        let at = self.clock.wall();
        self.show(|shown| {
            shown.gateway = Arc::new(config);
            shown.imported.clone_from(&sources.imported);
            shown.refused = refused;
            shown.generations.applied(number, at, cause, changes, all);
        });
        Ok(())
    }

    /// `POST /refresh`: reads every source again. Answers the changed keys.
    pub(super) async fn refresh(&self) -> Result<Vec<String>, String> {
        if let Some(config) = self.config() {
            config.refresh_now().await;
        }
        let changed = self.read_import().await?;
        self.apply("refresh").await?;
        Ok(changed)
    }
}

/// What changed between two configurations, a line each.
pub(super) fn changes(old: &GatewayConfig, new: &GatewayConfig) -> Vec<String> {
    haechi_route::difference(old, new).iter().map(ToString::to_string).collect()
}

/// Routes and services of the file, with those of the import beside them. A name that both have is the file's.
pub(super) fn merge(file: &GatewayConfig, imported: Option<&Imported>) -> (GatewayConfig, Vec<String>) {
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
