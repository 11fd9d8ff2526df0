//! The files of one version, read once each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::read::{Limits, Properties, ReadError, read_file};

/// All files of one version of a repository or folder, by path without a leading slash. A file is parsed when
/// it is first needed, and once.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, File>,
    directories: BTreeSet<String>,
    limits: Limits,
}

/// What a file's documents are, or why it has none; shared by everyone who asks.
pub(crate) type Parsed = Result<Arc<[Arc<Properties>]>, ReadError>;

#[derive(Debug)]
struct File {
    bytes: Arc<[u8]>,
    parsed: OnceLock<Parsed>,
}

impl Tree {
    /// A tree of these files. Paths use `/`; the caller has left out what must not be served (`.git`, links).
    pub fn new<P, B>(files: impl IntoIterator<Item = (P, B)>, limits: Limits) -> Self
    where
        P: Into<String>,
        B: Into<Arc<[u8]>>,
    {
        let mut tree = Self { limits, ..Self::default() };
        for (path, bytes) in files {
            let path = path.into();
            let path = path.trim_start_matches('/');
            for (at, _) in path.match_indices('/') {
                tree.directories.insert(path[..at].to_owned());
            }
            tree.files.insert(path.to_owned(), File { bytes: bytes.into(), parsed: OnceLock::new() });
        }
        tree
    }

    /// Takes over what `previous` has read of files that are the same (the same bytes in memory), so that a
    /// version costs what changed in it.
    #[must_use]
    pub fn reusing(mut self, previous: &Self) -> Self {
        for (path, file) in &mut self.files {
            let same = previous.files.get(path).filter(|known| Arc::ptr_eq(&known.bytes, &file.bytes));
            if let Some(known) = same.filter(|_| previous.limits == self.limits) {
                file.parsed = known.parsed.clone();
            }
        }
        self
    }

    /// A file's bytes.
    pub fn bytes(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.files.get(path).map(|file| &file.bytes)
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether a directory of this path has files; the empty path is the root.
    pub fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.directories.contains(path)
    }

    /// All directories below the root, sorted.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.directories.iter().map(String::as_str)
    }

    /// Every configuration file that can't be read. Reads all of them.
    pub fn failures(&self) -> Vec<ReadError> {
        self.files.keys().filter_map(|path| self.documents(path)?.err()).collect()
    }

    /// The documents of a file, None if there is no such file.
    pub(crate) fn documents(&self, path: &str) -> Option<Parsed> {
        let file = self.files.get(path)?;
        let parse = || {
            let documents = read_file(path, &file.bytes, &self.limits)?;
            Ok(documents.into_iter().map(Arc::new).collect())
        };
        Some(file.parsed.get_or_init(parse).clone())
    }
}
