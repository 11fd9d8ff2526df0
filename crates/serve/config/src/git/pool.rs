//! The repositories that one address stands for: one, or with placeholders one per application, profile or
//! label.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::repository::GitRepository;
use crate::error::Error;
use crate::options::RepositoryOptions;
use crate::shared::Shared;

type Slot = Arc<OnceCell<Arc<GitRepository>>>;

pub(super) struct Pool {
    pub options: RepositoryOptions,
    mirrors: PathBuf,
    shared: Arc<Shared>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Pool {
    /// Refuses an address whose host or scheme would come from a request.
    pub fn new(options: RepositoryOptions, mirrors: PathBuf, shared: Arc<Shared>) -> Result<Self, Error> {
        let fixed = options.uri.split('{').next().unwrap_or_default();
        let has_host = fixed.split_once("://").is_none_or(|(_, rest)| rest.contains('/'));
        if options.uri.contains('{') && !(has_host && fixed.contains('/')) {
            let uri = &options.uri;
            return Err(Error::Invalid(format!("{uri}: placeholders are for the path, not for the host")));
        }
        Ok(Self { options, mirrors, shared, slots: Mutex::default() })
    }

    /// Whether it stands for one repository only.
    pub fn is_single(&self) -> bool {
        !self.options.uri.contains('{')
    }

    /// The repository for an application, opened if it isn't yet.
    pub async fn get(
        &self,
        application: &str,
        profile: &str,
        label: Option<&str>,
    ) -> Result<Arc<GitRepository>, Error> {
        let label = label.or(self.options.default_label.as_deref()).unwrap_or("main");
        let uri = self
            .options
            .uri
            .replace("{application}", application)
            .replace("{profile}", profile)
            .replace("{label}", label);
        let slot = self.slot(&uri)?;
        let opened = slot
            .get_or_try_init(|| {
                let options = self.options.clone();
                GitRepository::open(&uri, options, self.mirror(&uri), Arc::clone(&self.shared))
            })
            .await
            .cloned();
        if opened.is_err() {
            self.slots().remove(&uri);
        }
        opened
    }

    /// All that are open.
    pub fn open(&self) -> Vec<Arc<GitRepository>> {
        self.slots().values().filter_map(|slot| slot.get().cloned()).collect()
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names come from requests and may be made up: at the limit, one that has nothing to serve goes.
    fn slot(&self, uri: &str) -> Result<Slot, Error> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(uri) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= self.shared.limits.repositories {
            let idle = slots.iter().find(|(_, slot)| slot.get().is_some_and(|open| open.is_empty()));
            let Some(idle) = idle.map(|(uri, _)| uri.clone()) else {
                let limit = self.shared.limits.repositories;
                return Err(Error::Internal(format!("more than {limit} repositories are in use")));
            };
            if let Some(open) = slots.remove(&idle).and_then(|slot| slot.get().cloned()) {
                open.close();
            }
        }
        Ok(Arc::clone(slots.entry(uri.to_owned()).or_default()))
    }

    /// A readable name with a digest, since two addresses may end alike.
    fn mirror(&self, uri: &str) -> PathBuf {
        let digest = hex::encode(&Sha256::digest(uri.as_bytes())[..8]);
        let last = uri.trim_end_matches(['/']).trim_end_matches(".git").rsplit(['/', ':']).next();
        let readable: String = last
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' })
            .take(64)
            .collect();
        self.mirrors.join(format!("{readable}-{digest}.git"))
    }
}
