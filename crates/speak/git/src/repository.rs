//! A repository: a local one where it lies, or the mirror of a remote one.

use std::path::Path;

use crate::error::{Error, chain};
use crate::fetch::{Fetched, RemoteOptions};
use crate::interrupt::Interrupt;
use crate::snapshot::{self, Limits, Snapshot};
use crate::uri::Uri;
use crate::{CommitId, fetch, label};

/// A repository that can be read at a commit. Shared between threads.
pub struct Repository {
    repo: gix::ThreadSafeRepository,
    uri: Uri,
    remote: RemoteOptions,
}

impl Repository {
    /// Opens a local repository, or the mirror of a remote one in `mirror`, which is made (empty) when it
    /// isn't there. Nothing goes over the network: [`Self::fetch`] fills a mirror.
    ///
    /// A mirror that can't be opened, say after a full disk, is removed and made anew, since all it holds
    /// can be fetched again.
    pub fn open(uri: Uri, mirror: &Path, remote: RemoteOptions) -> Result<Self, Error> {
        let repo = match &uri {
            Uri::Local(path) => open(path)?,
            Uri::Remote { .. } => match open(mirror) {
                Ok(repo) => repo,
                Err(_) => fresh_mirror(mirror)?,
            },
        };
        Ok(Self { repo, uri, remote })
    }

    /// Where it is.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether it is read where it lies, so that a new commit is seen on the next [`Self::resolve`].
    pub fn is_local(&self) -> bool {
        matches!(self.uri, Uri::Local(_))
    }

    /// The commit that a branch, tag or commit id means now. Reads one small file; no object is decoded but
    /// the commit.
    pub fn resolve(&self, label: &str) -> Result<CommitId, Error> {
        Ok(label::resolve(&self.repo.to_thread_local(), label)?.to_string())
    }

    /// The files at a commit, sharing with `previous` what hasn't changed.
    pub fn snapshot(
        &self,
        commit: &str,
        limits: &Limits,
        previous: Option<&Snapshot>,
    ) -> Result<Snapshot, Error> {
        let id =
            gix::ObjectId::from_hex(commit.as_bytes()).map_err(|_| Error::UnknownLabel(commit.to_owned()))?;
        let mut repo = self.repo.to_thread_local();
        repo.object_cache_size(OBJECT_CACHE_BYTES);
        snapshot::take(&repo, id, limits, previous)
    }

    /// Brings the mirror up to date with its remote. A local repository has nothing to fetch.
    pub fn fetch(&self, interrupt: &Interrupt) -> Result<Fetched, Error> {
        match &self.uri {
            Uri::Local(_) => Ok(Fetched::default()),
            Uri::Remote { url, userinfo } => {
                fetch::fetch(self.repo.to_thread_local(), url, userinfo.as_ref(), &self.remote, interrupt)
            }
        }
    }
}

/// Trees of a repository's folders are met again in every snapshot.
const OBJECT_CACHE_BYTES: usize = 4 << 20;

/// Only the repository's own configuration counts: what answers must not depend on who started the server.
fn options() -> gix::open::Options {
    gix::open::Options::isolated()
}

pub(crate) fn open(path: &Path) -> Result<gix::ThreadSafeRepository, Error> {
    options().open(path).map_err(|e| Error::NotARepository { path: path.to_owned(), why: chain(&e) })
}

fn fresh_mirror(path: &Path) -> Result<gix::ThreadSafeRepository, Error> {
    if path.exists() {
        std::fs::remove_dir_all(path).map_err(crate::error::write)?;
    }
    std::fs::create_dir_all(path).map_err(crate::error::write)?;
    create(path, gix::create::Kind::Bare)
}

pub(crate) fn create(path: &Path, kind: gix::create::Kind) -> Result<gix::ThreadSafeRepository, Error> {
    let branch = options().config_overrides(["init.defaultBranch=main"]);
    gix::ThreadSafeRepository::init_opts(path, kind, gix::create::Options::default(), branch)
        .map_err(crate::error::write)
}
