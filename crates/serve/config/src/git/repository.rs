//! One repository: its labels in memory, brought up to date by looking at the disk, which a fetch may have
//! changed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use haechi_core::{Instant, WallTime};
use haechi_git::{RemoteOptions, Repository, Uri};
use tokio::sync::{Notify, watch};

use super::label::Label;
use crate::error::Error;
use crate::options::RepositoryOptions;
use crate::shared::{Shared, blocking};
use crate::version::{Problem, Version};

/// How the fetches of a repository went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetches {
    pub begun: u64,
    pub ended: u64,
    pub last_ended: Option<Instant>,
    pub last_success: Option<WallTime>,
    /// Why the last one failed.
    pub error: Option<String>,
}

/// A repository's state, for people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RepositoryStatus {
    /// Its address, without credentials.
    pub uri: String,
    /// Whether it is read where it lies.
    pub local: bool,
    /// The labels in memory.
    pub labels: Vec<LabelStatus>,
    /// When the last fetch that succeeded ended.
    pub last_fetch: Option<WallTime>,
    /// Why the last fetch, or the last look at the disk, failed.
    pub error: Option<String>,
}

/// A label's state, for people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LabelStatus {
    /// As asked for; for the default label, the names that it may have.
    pub label: String,
    /// What it means now.
    pub commit: String,
    /// Files that can't be read.
    pub problems: Vec<Problem>,
    /// Files that aren't served, and why.
    pub skipped: Vec<String>,
}

pub(crate) struct GitRepository {
    pub options: RepositoryOptions,
    /// The address as sources are named after it: as configured, without credentials.
    pub name: Arc<str>,
    pub(super) repository: Arc<Repository>,
    mirror: PathBuf,
    labels: Mutex<HashMap<Vec<String>, Arc<Label>>>,
    requests: AtomicU64,
    pub(super) fetches: watch::Sender<Fetches>,
    pub(super) kick: Notify,
    /// It was taken out of its pool.
    pub(super) closed: AtomicBool,
    /// Why the last look at the disk failed.
    look_error: Mutex<Option<String>>,
    pub(super) shared: Arc<Shared>,
}

impl GitRepository {
    /// Opens it, or its mirror, on the disk, and starts to follow it. Nothing waits for the network.
    pub async fn open(
        uri: &str,
        options: RepositoryOptions,
        mirror: PathBuf,
        shared: Arc<Shared>,
    ) -> Result<Arc<Self>, Error> {
        let parsed = Uri::parse(uri).map_err(|e| Error::Invalid(e.to_string()))?;
        let name: Arc<str> = match &parsed {
            Uri::Local(_) => uri.trim_end_matches('/').into(),
            Uri::Remote { .. } => parsed.to_string().trim_end_matches('/').into(),
        };
        let remote = RemoteOptions {
            timeout: options.timeout,
            credentials: options.credentials.clone(),
            ssh: options.ssh.clone(),
            prune: options.delete_untracked_branches,
        };
        let (shown, place) = (name.to_string(), mirror.clone());
        let repository = blocking(move || {
            Repository::open(parsed, &place, remote)
                .map_err(|e| Error::Unavailable { repository: shown, why: e.to_string() })
        })
        .await?;
        let repository = Arc::new(Self {
            options,
            name,
            repository: Arc::new(repository),
            mirror,
            labels: Mutex::default(),
            requests: AtomicU64::new(0),
            fetches: watch::Sender::new(Fetches::default()),
            kick: Notify::new(),
            closed: AtomicBool::new(false),
            look_error: Mutex::default(),
            shared,
        });
        tokio::spawn(super::follow::follow(Arc::clone(&repository)));
        Ok(repository)
    }

    pub fn is_local(&self) -> bool {
        self.repository.is_local()
    }

    /// Whether no label is in memory.
    pub fn is_empty(&self) -> bool {
        self.labels().values().all(|label| label.version().is_none())
    }

    /// Stops following it, and removes its mirror, in which nothing that was asked for has been found.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.kick.notify_one();
        if !self.is_local() {
            let mirror = self.mirror.clone();
            tokio::task::spawn_blocking(move || std::fs::remove_dir_all(mirror));
        }
    }

    /// The folder that multi-document source names show; a mirror has no work tree to name.
    pub fn workdir(&self) -> Arc<str> {
        match self.repository.uri() {
            Uri::Local(path) => path.to_string_lossy().trim_end_matches('/').into(),
            Uri::Remote { .. } => "".into(),
        }
    }

    /// Loads the default label from the disk, or waits for the first fetch if it must work.
    pub async fn warm(&self, must_work: bool) -> Result<(), Error> {
        let label = self.label(self.candidates(None));
        let mut result = self.look(&label).await;
        if must_work && !self.is_local() {
            let mut fetches = self.fetches.subscribe();
            let first = fetches.wait_for(|fetches| fetches.last_ended.is_some()).await;
            if let Some(why) = first.ok().and_then(|fetches| fetches.error.clone()) {
                return Err(Error::Unavailable { repository: self.name.to_string(), why });
            }
            result = self.look(&label).await;
        }
        if label.version().is_none() {
            self.forget(&label);
        }
        if must_work { result.map(drop) } else { Ok(()) }
    }

    /// The names that a request's label stands for.
    pub fn candidates(&self, label: Option<&str>) -> Vec<String> {
        match (label, &self.options.default_label) {
            (Some(label), _) => vec![label.to_owned()],
            (None, Some(default)) => vec![default.clone()],
            (None, None) => vec!["main".into(), "master".into()],
        }
    }

    /// The version that a label means now, from memory if it is there.
    ///
    /// A local repository is looked at first, so that a commit is seen at once; simultaneous requests share one
    /// look. A remote one is not: its follower looks after each fetch, and no request waits for it, except the
    /// first for a label that isn't known yet.
    pub async fn version(&self, label: Option<&str>) -> Result<Arc<Version>, Error> {
        let label = self.label(self.candidates(label));
        label.used.store(self.requests.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let result = self.version_of(&label).await;
        if label.version().is_none() {
            self.forget(&label);
        }
        result
    }

    async fn version_of(&self, label: &Arc<Label>) -> Result<Arc<Version>, Error> {
        if self.is_local() {
            return self.look(label).await;
        }
        if let Some(version) = label.version() {
            return Ok(version);
        }
        match self.look(label).await {
            Err(Error::UnknownLabel(name)) => {
                self.fetch_for(&name).await?;
                self.look(label).await
            }
            other => other,
        }
    }

    fn labels(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<String>, Arc<Label>>> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn label(&self, candidates: Vec<String>) -> Arc<Label> {
        let mut labels = self.labels();
        if let Some(label) = labels.get(&candidates) {
            return Arc::clone(label);
        }
        // Labels without a version are only there while a request asks for them.
        let loaded = labels.iter().filter(|(_, label)| label.version().is_some());
        if loaded.clone().count() >= self.shared.limits.labels {
            let oldest = loaded.min_by_key(|(_, label)| label.used.load(Ordering::Relaxed));
            if let Some(oldest) = oldest.map(|(candidates, _)| candidates.clone()) {
                labels.remove(&oldest);
            }
        }
        Arc::clone(labels.entry(candidates.clone()).or_insert_with(|| Arc::new(Label::new(candidates))))
    }

    fn forget(&self, label: &Arc<Label>) {
        let mut labels = self.labels();
        if labels.get(&label.candidates).is_some_and(|known| Arc::ptr_eq(known, label)) {
            labels.remove(&label.candidates);
        }
    }

    /// Looks at the disk for every label in memory.
    pub async fn look_again(&self) {
        let labels: Vec<_> = self.labels().values().cloned().collect();
        for label in labels {
            let result = self.look(&label).await;
            if label.version().is_none() {
                self.forget(&label);
            }
            if let Err(error) = result {
                tracing::debug!(%error, repository = %self.name, "a label can't be read any more");
            }
        }
    }

    /// Looks at the disk and loads what changed. Whoever waits while a look begins shares its result.
    async fn look(&self, label: &Arc<Label>) -> Result<Arc<Version>, Error> {
        let before = label.looks();
        let _looking = label.looking.lock().await;
        if label.looks() > before
            && let Some(version) = label.version()
        {
            return Ok(version);
        }
        label.looks.fetch_add(1, Ordering::SeqCst);
        let current = label.version();
        let (repository, shared) = (Arc::clone(&self.repository), Arc::clone(&self.shared));
        let (candidates, previous) = (label.candidates.clone(), current.clone());
        let looked = blocking(move || look(&repository, &candidates, previous.as_ref(), &shared)).await;
        match looked {
            Ok(version) => {
                self.note_look(None);
                if current.as_ref().is_none_or(|current| current.stamp != version.stamp) {
                    label.set(Some(Arc::clone(&version)));
                    self.tell(label, current.as_deref(), &version);
                    self.shared.changed();
                }
                Ok(version)
            }
            Err(error @ Error::UnknownLabel(_)) => {
                if current.is_some() {
                    label.set(None);
                    self.shared.say(format!(
                        "{} has no {} any more",
                        self.name,
                        label.candidates.join(" or ")
                    ));
                    self.shared.changed();
                }
                Err(error)
            }
            // The disk fails, or the commit is past a limit: what is in memory stays good.
            Err(error) => {
                self.note_look(Some(error.to_string()));
                current.ok_or(error)
            }
        }
    }

    fn note_look(&self, error: Option<String>) {
        let mut noted = self.look_error.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(new) = error.as_ref().filter(|new| noted.as_ref() != Some(new)) {
            self.shared.say(format!("{} can't be read: {new}", self.name));
        }
        *noted = error;
    }

    fn tell(&self, label: &Label, before: Option<&Version>, after: &Version) {
        let (label, commit) = (label.candidates.join(" or "), short(&after.snapshot.commit));
        match before {
            None => tracing::debug!(repository = %self.name, label, commit, "label loaded"),
            Some(before) => {
                let was = short(&before.snapshot.commit);
                self.shared.say(format!("{label} of {} is at {commit} now (was {was})", self.name));
            }
        }
        for problem in &after.problems {
            if before.is_some_and(|before| before.problems.contains(problem)) {
                continue;
            }
            let instead = if problem.serving_last_good {
                "its last good version is served"
            } else {
                "applications that need it get an error"
            };
            self.shared.say(format!("{}, {label}: {problem}; {instead}", self.name));
        }
    }

    pub fn status(&self) -> RepositoryStatus {
        let fetches = self.fetches.borrow().clone();
        let look_error = self.look_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut labels: Vec<_> = self
            .labels()
            .values()
            .filter_map(|label| {
                let version = label.version()?;
                let skipped = version.snapshot.skipped.iter();
                Some(LabelStatus {
                    label: label.candidates.join(" or "),
                    commit: version.snapshot.commit.clone(),
                    problems: version.problems.clone(),
                    skipped: skipped.map(|s| format!("{}: {}", s.path, s.why)).collect(),
                })
            })
            .collect();
        labels.sort_by(|a, b| a.label.cmp(&b.label));
        RepositoryStatus {
            uri: self.name.to_string(),
            local: self.is_local(),
            labels,
            last_fetch: fetches.last_success,
            error: fetches.error.or(look_error),
        }
    }
}

fn look(
    repository: &Repository,
    candidates: &[String],
    current: Option<&Arc<Version>>,
    shared: &Shared,
) -> Result<Arc<Version>, Error> {
    let mut commit = Err(Error::UnknownLabel(candidates.first().cloned().unwrap_or_default()));
    for candidate in candidates {
        match repository.resolve(candidate) {
            Ok(found) => {
                commit = Ok(found);
                break;
            }
            Err(haechi_git::Error::UnknownLabel(_)) => {}
            Err(error) => return Err(Error::Internal(error.to_string())),
        }
    }
    let commit = commit?;
    if let Some(current) = current.filter(|current| current.snapshot.commit == commit) {
        return Ok(Arc::clone(current));
    }
    let limits = &shared.limits;
    let snapshot = repository
        .snapshot(&commit, &limits.snapshot, current.map(|current| &current.snapshot))
        .map_err(|e| Error::Internal(e.to_string()))?;
    let version = Version::new(snapshot, current.map(Arc::as_ref), &limits.file, shared.seconds());
    Ok(Arc::new(version))
}

fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}
