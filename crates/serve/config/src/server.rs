//! The server and the handle on it.

use std::sync::Arc;

use haechi_core::{Clock, Generation};
use haechi_props::{IndexMap, Value};
use haechi_spring::Target;
use haechi_spring::valid;
use haechi_stream::Events;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::cache::Cache;
use crate::checkout::Question;
use crate::cipher::Cipher;
use crate::environment::{Environment, assemble};
use crate::error::Error;
use crate::git::RepositoryStatus;
use crate::http::Http;
use crate::native::NativeStatus;
use crate::options::Options;
use crate::shared::Shared;
use crate::sources::Sources;

/// A running config server. Cheap to clone; it stops when told to, or when the last clone is dropped.
#[derive(Clone)]
pub struct ConfigServer {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub options: Options,
    pub sources: Sources,
    pub cache: Cache,
    pub cipher: Cipher,
    pub watchers: Semaphore,
    pub shared: Arc<Shared>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
    }
}

/// A config server's state, for people and for the console.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Status {
    /// Counts up with every change of anything that is served.
    pub generation: Generation,
    /// The git repositories that are open.
    pub repositories: Vec<RepositoryStatus>,
    /// The folders.
    pub folders: Vec<NativeStatus>,
}

impl Status {
    /// Files that can't be read, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let in_repositories = self.repositories.iter().flat_map(|repository| {
            let labels = repository.labels.iter();
            labels.flat_map(move |label| {
                label.problems.iter().map(move |p| format!("{}, {}: {p}", repository.uri, label.label))
            })
        });
        let in_folders =
            self.folders.iter().flat_map(|folder| folder.problems.iter().map(ToString::to_string));
        in_repositories.chain(in_folders).collect()
    }
}

impl ConfigServer {
    /// Opens the sources and starts to follow them. Waits for the network only where `clone_on_start` says so.
    pub async fn start(options: Options, clock: Arc<dyn Clock>, events: Events) -> Result<Self, Error> {
        let cipher = Cipher::new(&options.encrypt)?;
        let shared = Arc::new(Shared {
            clock,
            events,
            limits: options.limits.clone(),
            generation: watch::Sender::new(Generation(0)),
            stop: watch::Sender::new(false),
        });
        let started = Sources::start(&options, &shared).await;
        let sources = started.inspect_err(|_| {
            shared.stop.send_replace(true);
        })?;
        let inner = Inner {
            cache: Cache::new(options.limits.answers, options.limits.answer_bytes),
            cipher,
            watchers: Semaphore::new(options.limits.watchers),
            options,
            sources,
            shared,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers HTTP until `stop` turns true, then finishes what is in flight.
    pub async fn serve(&self, listener: TcpListener, stop: watch::Receiver<bool>) {
        let handler = Arc::new(Http::new(Arc::clone(&self.inner)));
        haechi_web::serve(listener, handler, self.inner.options.limits.web.clone(), stop).await;
    }

    /// As [`Self::serve`], with a stage in which another process accepts in its place.
    pub async fn serve_in_stages(&self, listener: TcpListener, stage: watch::Receiver<haechi_web::Stage>) {
        let handler = Arc::new(Http::new(Arc::clone(&self.inner)));
        haechi_web::serve_in_stages(listener, handler, self.inner.options.limits.web.clone(), stage).await;
    }

    /// The property sources of an application, as HTTP would answer. Arguments are comma lists.
    pub async fn environment(
        &self,
        applications: &str,
        profiles: &str,
        label: Option<&str>,
    ) -> Result<Environment, Error> {
        if valid::normalize(applications).is_none() || !valid::profiles(profiles) {
            return Err(Error::Invalid(format!(
                "{applications:?}, {profiles:?}: not an application and profiles"
            )));
        }
        let target = Target {
            name: applications.to_owned(),
            profiles: profiles.to_owned(),
            label: label.map(str::to_owned),
        };
        self.inner.environment(&Question::new(&target)).await
    }

    /// The effective value of every key for an application, placeholders resolved.
    pub async fn flat(
        &self,
        applications: &str,
        profiles: &str,
        label: Option<&str>,
    ) -> Result<IndexMap<String, Value>, Error> {
        self.environment(applications, profiles, label).await?.flat()
    }

    /// Turns whenever anything that is served changes.
    pub fn watch(&self) -> watch::Receiver<Generation> {
        self.inner.shared.generation.subscribe()
    }

    /// Fetches remotes and looks at local repositories and folders now. Returns once that is done, or after
    /// `label_wait`.
    pub async fn refresh_now(&self) {
        self.inner.refresh().await;
    }

    /// The state of everything.
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// Stops following the sources. [`Self::serve`] has its own signal.
    pub fn stop(&self) {
        self.inner.shared.stop.send_replace(true);
    }
}

impl Inner {
    pub async fn environment(&self, question: &Question) -> Result<Environment, Error> {
        self.check(question)?;
        let found = self.sources.find(question).await?;
        self.assemble(question, &found)
    }

    /// Bounds what one request can make us read.
    pub fn check(&self, question: &Question) -> Result<(), Error> {
        let most = self.options.limits.list;
        for (what, list) in [
            ("applications", &question.names),
            ("profiles", &question.profiles),
            ("labels", &question.labels),
        ] {
            if list.len() > most {
                return Err(Error::Invalid(format!("more than {most} {what} in one request")));
            }
        }
        Ok(())
    }

    pub fn assemble(
        &self,
        question: &Question,
        found: &[crate::environment::Found],
    ) -> Result<Environment, Error> {
        let environment = assemble(question, found, &self.cipher, &self.options.overrides)?;
        if environment.sources.is_empty() && !self.options.accept_empty {
            return Err(Error::UnknownApplication(question.name.clone()));
        }
        Ok(environment)
    }

    pub async fn refresh(&self) {
        let wait = self.options.limits.label_wait;
        let repositories = self.sources.repositories();
        // All at once: one that hangs must not hold up the others.
        let refreshes: Vec<_> = repositories
            .into_iter()
            .map(|repository| tokio::spawn(async move { repository.refresh(wait).await }))
            .collect();
        for refresh in refreshes {
            if !matches!(refresh.await, Ok(true)) {
                tracing::debug!("a repository was not refreshed in time");
            }
        }
        for folder in self.sources.folders() {
            if let Err(error) = folder.look().await {
                tracing::debug!(%error, "the folders can't be read");
            }
        }
    }

    pub fn status(&self) -> Status {
        Status {
            generation: *self.shared.generation.borrow(),
            repositories: self.sources.repositories().iter().map(|r| r.status()).collect(),
            folders: self.sources.folders().map(|f| f.status()).collect(),
        }
    }
}
