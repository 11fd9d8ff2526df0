//! The files of one label at one commit, parsed, with the last good version of those that broke.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use haechi_git::{File, Snapshot};
use haechi_props::{Limits, ReadError, Tree};

/// A file that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The path in its repository or folder.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// Whether an earlier, good version of the file is served in its place. If not, applications that need
    /// the file get an error.
    pub serving_last_good: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// An immutable version of all files. Replaced whole.
#[derive(Debug)]
pub(crate) struct Version {
    /// Unique in this process: two versions with the same stamp are the same.
    pub stamp: u64,
    /// As committed.
    pub snapshot: Snapshot,
    /// As committed: what plain-text requests read.
    pub tree: Arc<Tree>,
    /// With the last good version of broken files: what environments are made of.
    pub served: Arc<Tree>,
    /// Files that are broken in this version.
    pub problems: Vec<Problem>,
    /// Seconds since the Unix epoch; later than that of every version before it of the same label, so that
    /// `If-Modified-Since` is right even when a branch is moved back to an older commit.
    pub modified: u64,
}

static STAMPS: AtomicU64 = AtomicU64::new(1);

impl Version {
    /// Parses a snapshot. `now` is in seconds since the Unix epoch.
    pub fn new(snapshot: Snapshot, previous: Option<&Self>, limits: &Limits, now: u64) -> Self {
        let mut tree = self::tree(&snapshot.files, &BTreeMap::new(), limits);
        if let Some(previous) = previous {
            tree = tree.reusing(&previous.tree);
        }
        let tree = Arc::new(tree);
        let failures = tree.failures();
        let good: BTreeMap<&str, Arc<[u8]>> = failures
            .iter()
            .filter_map(|failure| Some((failure.file.as_str(), previous?.last_good(&failure.file)?)))
            .collect();
        let served = if good.is_empty() {
            Arc::clone(&tree)
        } else {
            Arc::new(self::tree(&snapshot.files, &good, limits))
        };
        let problems = failures.iter().map(|f| problem(f, good.contains_key(f.file.as_str()))).collect();
        Self {
            stamp: STAMPS.fetch_add(1, Ordering::Relaxed),
            modified: previous.map_or(now, |p| now.max(p.modified + 1)),
            snapshot,
            tree,
            served,
            problems,
        }
    }

    /// The bytes of a file that could be read in this version, or in one before it.
    fn last_good(&self, file: &str) -> Option<Arc<[u8]>> {
        let broken = self.problems.iter().any(|p| p.file == file && !p.serving_last_good);
        if broken { None } else { self.served.bytes(file).cloned() }
    }
}

fn tree(files: &BTreeMap<String, File>, instead: &BTreeMap<&str, Arc<[u8]>>, limits: &Limits) -> Tree {
    let files = files.iter().map(|(path, file)| {
        let bytes = instead.get(path.as_str()).unwrap_or(&file.bytes);
        (path.as_str(), Arc::clone(bytes))
    });
    Tree::new(files, *limits)
}

fn problem(error: &ReadError, serving_last_good: bool) -> Problem {
    Problem {
        file: error.file.clone(),
        line: error.line,
        column: error.column,
        message: error.message.clone(),
        serving_last_good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(files: &[(&str, &str)], previous: Option<&Version>) -> Version {
        let files = files
            .iter()
            .map(|(path, text)| {
                ((*path).to_owned(), File { id: (*text).into(), bytes: text.as_bytes().into() })
            })
            .collect();
        let snapshot = Snapshot { files: Arc::new(files), ..Snapshot::default() };
        Version::new(snapshot, previous, &Limits::default(), 100)
    }

    fn served<'a>(version: &'a Version, file: &str) -> &'a str {
        std::str::from_utf8(version.served.bytes(file).unwrap()).unwrap()
    }

    #[test]
    fn the_last_good_version_of_a_broken_file_is_served_until_it_is_mended_or_removed() {
        let good = version(&[("a.yml", "v: 1\n"), ("b.yml", "w: 1\n")], None);
        let broken = version(&[("a.yml", "v: [\n"), ("b.yml", "w: 2\n")], Some(&good));
        assert_eq!((served(&broken, "a.yml"), served(&broken, "b.yml")), ("v: 1\n", "w: 2\n"));
        assert_eq!(broken.tree.bytes("a.yml").unwrap().as_ref(), b"v: [\n", "plain text is as committed");
        assert!(broken.problems[0].serving_last_good && broken.problems[0].file == "a.yml");
        let still = version(&[("a.yml", "v: {\n")], Some(&broken));
        assert_eq!(served(&still, "a.yml"), "v: 1\n");
        let mended = version(&[("a.yml", "v: 3\n")], Some(&still));
        assert_eq!((served(&mended, "a.yml"), mended.problems.len()), ("v: 3\n", 0));
        let removed = version(&[], Some(&still));
        assert_eq!((removed.served.bytes("a.yml"), removed.problems.len()), (None, 0));
    }

    #[test]
    fn a_file_that_was_never_good_has_no_other_version_to_serve() {
        let first = version(&[("a.yml", "v: [\n")], None);
        let second = version(&[("a.yml", "v: {\n")], Some(&first));
        assert!(!first.problems[0].serving_last_good && !second.problems[0].serving_last_good);
        assert_eq!(served(&second, "a.yml"), "v: {\n");
    }

    #[test]
    fn the_time_of_change_always_grows() {
        let first = version(&[], None);
        let second = version(&[], Some(&first));
        assert_eq!((first.modified, second.modified), (100, 101));
    }
}
