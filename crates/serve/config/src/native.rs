//! Configuration from folders of this machine.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use haechi_git::{File, Skipped, Snapshot};
use sha2::{Digest as _, Sha256};

use crate::checkout::{Checkout, Place, Question};
use crate::error::Error;
use crate::options::NativeOptions;
use crate::shared::{Shared, blocking};
use crate::version::{Problem, Version};

/// What tells a changed file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// Folders, read anew when something in them changed.
pub(crate) struct NativeSource {
    options: NativeOptions,
    /// What is walked: each location up to its first placeholder.
    bases: Vec<PathBuf>,
    shared: Arc<Shared>,
    version: Mutex<Option<Arc<Version>>>,
    marks: Mutex<BTreeMap<String, Mark>>,
    looking: tokio::sync::Mutex<()>,
    looks: AtomicU64,
}

/// A native source's state, for people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NativeStatus {
    /// As configured.
    pub search_locations: Vec<String>,
    /// Files that can't be read.
    pub problems: Vec<Problem>,
    /// Files that aren't served, and why.
    pub skipped: Vec<String>,
}

impl NativeSource {
    pub fn new(options: &NativeOptions, shared: Arc<Shared>) -> Result<Self, Error> {
        let mut options = options.clone();
        let mut bases = Vec::new();
        for location in &mut options.search_locations {
            let path = location.strip_prefix("file:").unwrap_or(location);
            let relative = Path::new(path).is_relative();
            *location = format!("/{}", path.trim_matches('/'));
            let fixed = location.split(['{', '*', '?']).next().unwrap_or_default();
            let base = fixed.rsplit_once('/').filter(|_| fixed != location).map_or(fixed, |(base, _)| base);
            if base.is_empty() || base == "/" || relative {
                let why = "a location must be an absolute path below a folder of its own";
                return Err(Error::Invalid(format!("{location}: {why}")));
            }
            bases.push(PathBuf::from(base));
        }
        Ok(Self {
            options,
            bases,
            shared,
            version: Mutex::default(),
            marks: Mutex::default(),
            looking: tokio::sync::Mutex::new(()),
            looks: AtomicU64::new(0),
        })
    }

    /// One checkout per label asked for; a label only names folders here.
    pub async fn checkouts(self: &Arc<Self>, question: &Question) -> Result<Vec<Checkout>, Error> {
        let version = self.look().await?;
        let labels = question.labels_or_default();
        Ok(labels
            .into_iter()
            .map(|label| {
                let mut search_paths = self.options.search_locations.clone();
                if let (Some(_), true) = (label, self.options.add_label_locations) {
                    let own = self.options.search_locations.iter();
                    search_paths = own.flat_map(|l| [l.clone(), format!("{l}/{{label}}")]).collect();
                }
                Checkout {
                    version: Arc::clone(&version),
                    place: Place::Native,
                    label: label.unwrap_or_default().to_owned(),
                    search_paths,
                }
            })
            .collect())
    }

    /// What the version of an answer says.
    pub fn version_name(&self) -> Option<&str> {
        self.options.version.as_deref()
    }

    pub fn status(&self) -> NativeStatus {
        let version = self.current();
        let version = version.as_deref();
        NativeStatus {
            search_locations: self.options.search_locations.clone(),
            problems: version.map(|v| v.problems.clone()).unwrap_or_default(),
            skipped: version
                .map(|v| v.snapshot.skipped.iter().map(|s| format!("{}: {}", s.path, s.why)).collect())
                .unwrap_or_default(),
        }
    }

    fn current(&self) -> Option<Arc<Version>> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the folders; whoever waits while a look begins shares its result.
    pub async fn look(self: &Arc<Self>) -> Result<Arc<Version>, Error> {
        let before = self.looks.load(Ordering::SeqCst);
        let _looking = self.looking.lock().await;
        if self.looks.load(Ordering::SeqCst) > before
            && let Some(version) = self.current()
        {
            return Ok(version);
        }
        self.looks.fetch_add(1, Ordering::SeqCst);
        let current = self.current();
        let this = Arc::clone(self);
        match blocking(move || this.walk()).await {
            Ok(version) => {
                if current.as_ref().is_none_or(|current| current.stamp != version.stamp) {
                    for problem in &version.problems {
                        if current.as_ref().is_none_or(|current| !current.problems.contains(problem)) {
                            self.shared.say(format!("a file can't be read: {problem}"));
                        }
                    }
                    *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&version));
                    self.shared.changed();
                }
                Ok(version)
            }
            Err(error) => current.ok_or(error),
        }
    }

    fn walk(&self) -> Result<Arc<Version>, Error> {
        let current = self.current();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = BTreeMap::new();
        let mut walk = Walk {
            limits: &self.shared.limits.snapshot,
            known: current.as_ref().map_or(&empty, |version| version.snapshot.files.as_ref()),
            known_marks: &marks,
            root: PathBuf::new(),
            total: 0,
            files: BTreeMap::new(),
            marks: BTreeMap::new(),
            skipped: Vec::new(),
        };
        for base in &self.bases {
            // A folder that isn't there yet has no files.
            let Ok(root) = base.canonicalize() else { continue };
            walk.root = root;
            walk.folder(base, 0)?;
        }
        let (files, new_marks, skipped) = (walk.files, walk.marks, walk.skipped);
        if let Some(current) = current.as_ref().filter(|_| *marks == new_marks) {
            return Ok(Arc::clone(current));
        }
        *marks = new_marks;
        let snapshot = Snapshot { commit: digest(&files), files: Arc::new(files), skipped };
        let limits = &self.shared.limits.file;
        Ok(Arc::new(Version::new(snapshot, current.as_deref(), limits, self.shared.seconds())))
    }
}

struct Walk<'a> {
    limits: &'a haechi_git::Limits,
    known: &'a BTreeMap<String, File>,
    known_marks: &'a BTreeMap<String, Mark>,
    /// The base being walked, with links resolved: nothing outside of it is read.
    root: PathBuf,
    total: u64,
    files: BTreeMap<String, File>,
    marks: BTreeMap<String, Mark>,
    skipped: Vec<Skipped>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), Error> {
        if depth > self.limits.depth {
            return Err(too_large("levels of folders", self.limits.depth as u64));
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::Internal(format!("{}: {error}", folder.display()))),
        };
        for entry in entries.map_while(Result::ok) {
            let path = entry.path();
            let Some(key) = path.to_str().map(|p| p.trim_start_matches('/').to_owned()) else { continue };
            if entry.file_name().eq_ignore_ascii_case(".git") {
                continue;
            }
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                self.folder(&path, depth + 1)?;
                continue;
            }
            // Links are how Kubernetes mounts settings: followed to files inside the folder, never outside.
            if kind.is_symlink() && !path.canonicalize().is_ok_and(|target| target.starts_with(&self.root)) {
                self.skipped.push(Skipped { path: key, why: "the link leads outside the folder" });
                continue;
            }
            if let Some(metadata) = fs::metadata(&path).ok().filter(Metadata::is_file) {
                self.file(&path, key, &metadata)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, key: String, metadata: &Metadata) -> Result<(), Error> {
        if metadata.len() > self.limits.file_bytes {
            self.skipped.push(Skipped { path: key, why: "the file is larger than the limit" });
            return Ok(());
        }
        let mark = Mark {
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        let known = self.known.get(&key).filter(|_| self.known_marks.get(&key) == Some(&mark));
        let file = match known {
            Some(file) => file.clone(),
            None => match fs::read(path) {
                Ok(bytes) => File { id: hex::encode(Sha256::digest(&bytes)).into(), bytes: bytes.into() },
                // Removed meanwhile, or not ours to read.
                Err(_) => return Ok(()),
            },
        };
        self.total += file.bytes.len() as u64;
        if self.total > self.limits.total_bytes {
            return Err(too_large("bytes", self.limits.total_bytes));
        }
        if self.files.len() >= self.limits.files {
            return Err(too_large("files", self.limits.files as u64));
        }
        self.files.insert(key.clone(), file);
        self.marks.insert(key, mark);
        Ok(())
    }
}

fn too_large(what: &str, limit: u64) -> Error {
    Error::Internal(format!("the folders hold more than {limit} {what}"))
}

fn digest(files: &BTreeMap<String, File>) -> String {
    let mut digest = Sha256::new();
    for (path, file) in files {
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(file.id.as_bytes());
    }
    hex::encode(digest.finalize())
}
