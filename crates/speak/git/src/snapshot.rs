//! All files at a commit, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use gix::ObjectId;
use gix::objs::tree::EntryKind;

use crate::CommitId;
use crate::error::{Error, read};

/// Bounds of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A larger file is left out and listed in [`Snapshot::skipped`].
    pub file_bytes: u64,
    /// All files together; a commit with more is refused.
    pub total_bytes: u64,
    /// A commit with more files is refused.
    pub files: usize,
    /// Folders inside folders; a commit with more is refused.
    pub depth: usize,
}

impl Default for Limits {
    /// Settings are small; these leave room for the plain-text files that people keep beside them.
    fn default() -> Self {
        Self { file_bytes: 16 << 20, total_bytes: 256 << 20, files: 50_000, depth: 64 }
    }
}

/// A file at a commit. Two with the same id have the same bytes, so whoever parses one can keep the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The blob's id, 40 hexadecimal digits.
    pub id: Arc<str>,
    /// What it holds.
    pub bytes: Arc<[u8]>,
}

/// Something in the tree that isn't served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where.
    pub path: String,
    /// Why, for people.
    pub why: &'static str,
}

/// All files at a commit. Symbolic links and submodules are left out: what they point to is outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit.
    pub commit: CommitId,
    /// By path, `/` between folders, without a leading one.
    pub files: Arc<BTreeMap<String, File>>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

struct Walk<'a> {
    repo: &'a gix::Repository,
    limits: &'a Limits,
    commit: String,
    /// Bytes already in memory, by blob id.
    known: BTreeMap<Arc<str>, Arc<[u8]>>,
    total: u64,
    files: BTreeMap<String, File>,
    skipped: Vec<Skipped>,
}

/// Reads a commit's files; those that `previous` holds already are shared with it, not read again.
pub(crate) fn take(
    repo: &gix::Repository,
    commit: ObjectId,
    limits: &Limits,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, Error> {
    let known = previous
        .map(|p| p.files.values().map(|f| (f.id.clone(), f.bytes.clone())).collect())
        .unwrap_or_default();
    let tree = repo.find_commit(commit).map_err(read)?.tree_id().map_err(read)?.detach();
    let mut walk = Walk {
        repo,
        limits,
        commit: commit.to_string(),
        known,
        total: 0,
        files: BTreeMap::new(),
        skipped: Vec::new(),
    };
    walk.folder(tree, "", 0)?;
    Ok(Snapshot { commit: walk.commit, files: Arc::new(walk.files), skipped: walk.skipped })
}

impl Walk<'_> {
    fn folder(&mut self, id: ObjectId, prefix: &str, depth: usize) -> Result<(), Error> {
        if depth > self.limits.depth {
            return Err(self.too_large("levels of folders", self.limits.depth as u64));
        }
        let tree = self.repo.find_tree(id).map_err(read)?;
        for entry in tree.iter() {
            let entry = entry.map_err(read)?;
            let name = match std::str::from_utf8(entry.filename()) {
                Ok(name) if safe_name(name) => name,
                _ => {
                    self.skip(format!("{prefix}{}", entry.filename()), "the name is not safe to serve");
                    continue;
                }
            };
            let path = format!("{prefix}{name}");
            match entry.mode().kind() {
                EntryKind::Tree => self.folder(entry.oid().to_owned(), &format!("{path}/"), depth + 1)?,
                EntryKind::Blob | EntryKind::BlobExecutable => self.file(entry.oid().to_owned(), path)?,
                EntryKind::Link => self.skip(path, "symbolic links are not followed"),
                EntryKind::Commit => self.skip(path, "submodules are not read"),
            }
        }
        Ok(())
    }

    fn file(&mut self, id: ObjectId, path: String) -> Result<(), Error> {
        // The size is known from the header, so an oversized file is never inflated.
        let size = self.repo.find_header(id).map_err(read)?.size();
        if size > self.limits.file_bytes {
            self.skip(path, "the file is larger than the limit");
            return Ok(());
        }
        self.total += size;
        if self.total > self.limits.total_bytes {
            return Err(self.too_large("bytes", self.limits.total_bytes));
        }
        if self.files.len() >= self.limits.files {
            return Err(self.too_large("files", self.limits.files as u64));
        }
        let hex: Arc<str> = id.to_string().into();
        let file = match self.known.get_key_value(&hex) {
            Some((id, bytes)) => File { id: id.clone(), bytes: bytes.clone() },
            None => File { bytes: self.repo.find_blob(id).map_err(read)?.data.as_slice().into(), id: hex },
        };
        self.files.insert(path, file);
        Ok(())
    }

    fn skip(&mut self, path: String, why: &'static str) {
        self.skipped.push(Skipped { path, why });
    }

    fn too_large(&self, what: &'static str, limit: u64) -> Error {
        Error::TooLarge { commit: self.commit.clone(), what, limit }
    }
}

/// Git itself refuses most of these on checkout, but a tree can be written by hand.
fn safe_name(name: &str) -> bool {
    !(name.is_empty()
        || name == "."
        || name == ".."
        || name.eq_ignore_ascii_case(".git")
        || name.contains(['/', '\\', '\0']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_repository_are_not_safe() {
        for name in ["", ".", "..", ".git", ".GIT", "a/b", "a\\b", "a\0"] {
            assert!(!safe_name(name), "{name:?}");
        }
        for name in ["application.yml", ".gitignore", "...", "git"] {
            assert!(safe_name(name), "{name:?}");
        }
    }
}
