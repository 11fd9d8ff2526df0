//! What is kept on disk: the account, certificates with their keys, and failed attempts.
//!
//! A folder for each CA, one process at a time: who holds the lock orders. Files are written beside, synced and renamed,
//! so that a reader finds all or the old, with mode 0600: only their owner reads keys.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// Bytes of a file that is read, at most.
const FILE: u64 = 1 << 20;

/// Attempts that led to no certificate. Kept, so that a program that is restarted over and over doesn't use up the
/// CA's patience.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How many failed in a row.
    pub failures: u32,
    /// Before which nothing is tried, in seconds since 1970.
    pub next: u64,
    /// Why the last one failed.
    pub why: String,
    /// What it was tried with. With other settings it is tried at once.
    pub with: String,
}

/// The file with the certificate of a name, its chain and key, as long as there is one.
pub fn certificate_file(storage: &Path, directory: &str, name: &str) -> PathBuf {
    folder(storage, directory).join(format!("{name}.pem"))
}

/// Each CA has a folder of its own, called by its directory's URL.
fn folder(storage: &Path, directory: &str) -> PathBuf {
    let url = directory.strip_prefix("https://").unwrap_or(directory);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut name: String = url.chars().map(|c| if fits(c) || c == '.' { c } else { '-' }).collect();
    if name.is_empty() || name.starts_with('.') {
        name.insert(0, '-');
    }
    storage.join(name)
}

/// What is kept for one CA. Nobody else writes there for as long as this lives.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens it. Nothing while another process has it.
    pub fn open(storage: &Path, directory: &str) -> io::Result<Option<Self>> {
        let folder = folder(storage, directory);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = private().create(true).truncate(false).open(folder.join("lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { folder, _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn account(&self) -> Option<Vec<u8>> {
        self.read("account.json").ok()
    }

    pub(crate) fn keep_account(&self, text: &[u8]) -> io::Result<()> {
        self.write("account.json", text)
    }

    pub(crate) fn forget_account(&self) {
        // One that can't be removed is found unknown once more.
        let _ = fs::remove_file(self.folder.join("account.json"));
    }

    /// The certificate of a name, chain and key.
    pub fn certificate(&self, name: &str) -> Option<Vec<u8>> {
        self.read(&format!("{name}.pem")).ok()
    }

    pub(crate) fn keep_certificate(&self, name: &str, pem: &[u8]) -> io::Result<()> {
        self.write(&format!("{name}.pem"), pem)
    }

    /// The failed attempts for a name since there was a certificate.
    pub fn attempts(&self, name: &str) -> Attempts {
        let text = self.read(&format!("{name}.attempts.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Keeps them; none is kept as no file.
    pub fn keep_attempts(&self, name: &str, attempts: &Attempts) -> io::Result<()> {
        let file = format!("{name}.attempts.json");
        if *attempts == Attempts::default() {
            return match fs::remove_file(self.folder.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        self.write(&file, &serde_json::to_vec(attempts)?)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.folder.join(name))?.take(FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (path, new) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        // One that was left behind may be readable to others.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().create_new(true).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.folder)?.sync_all()
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const CA: &str = "https://ca.example:14000/dir?a=../b";

    #[test]
    fn what_is_kept_is_there_after_a_restart_and_for_its_owner_alone() {
        let storage = tempfile::tempdir().unwrap();
        let storage = storage.path().join("acme");
        let store = Store::open(&storage, CA).unwrap().unwrap();
        store.keep_account(b"{}").unwrap();
        store.keep_certificate("a.example", b"pem").unwrap();
        let failed = Attempts { failures: 2, next: 9, why: "no".into(), with: String::new() };
        store.keep_attempts("a.example", &failed).unwrap();
        assert!(Store::open(&storage, CA).unwrap().is_none(), "one process at a time");
        assert!(Store::open(&storage, "https://other.example/dir").unwrap().is_some());
        drop(store);

        let store = Store::open(&storage, CA).unwrap().unwrap();
        assert_eq!(store.account().as_deref(), Some(&b"{}"[..]));
        assert_eq!(store.certificate("a.example").as_deref(), Some(&b"pem"[..]));
        assert_eq!(store.attempts("a.example"), failed);
        assert_eq!(store.attempts("b.example"), Attempts::default());
        for file in fs::read_dir(store.folder.clone()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(&store.folder).unwrap().permissions().mode() & 0o777, 0o700);
        let file = certificate_file(&storage, CA, "a.example");
        assert_eq!(fs::read(file).unwrap(), b"pem");

        store.keep_attempts("a.example", &Attempts::default()).unwrap();
        assert_eq!(store.attempts("a.example"), Attempts::default());
        store.forget_account();
        assert_eq!(store.account(), None);
    }

    #[test]
    fn no_url_leads_out_of_the_storage() {
        let storage = Path::new("/s");
        for url in ["https://a/../../b", "https://..", "https://../x", "", "https:///etc"] {
            let folder = folder(storage, url);
            assert_eq!(folder.components().count(), 3, "{url}: {}", folder.display());
            assert!(folder.starts_with(storage) && !folder.ends_with(".."), "{url}");
        }
    }
}
