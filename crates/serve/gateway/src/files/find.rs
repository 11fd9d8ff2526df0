//! Which file answers a request: the one that is named, a folder's index, the fallback; as it is or compressed.

use std::io;
use std::sync::Arc;

use haechi_content::{Coding, file_name, is_compressible, type_of};
use haechi_route::config::Files;
use rustix::io::Errno;

use super::Wanted;
use super::listing;
use super::open::{Entry, Folder, How};
use crate::failure::Failure;

/// What a request led to.
#[derive(Debug)]
pub(super) enum Found {
    File(Opened),
    /// A folder that was asked for without its slash. Relative links in its index would lead astray.
    Slash,
    /// A page with a folder's names.
    Listing(String),
}

/// A file, open for reading.
#[derive(Debug)]
pub(super) struct Opened {
    pub entry: Entry,
    pub media: String,
    /// How the file's bytes are coded.
    pub coding: Option<Coding>,
    /// Whether another client may get another coding.
    pub varies: bool,
}

/// How often a lookup is begun again because somebody moved folders meanwhile.
const TRIES: usize = 4;

/// Finds the file. On the worker's thread as long as the kernel knows everything, else on a helper.
pub(super) async fn find(wanted: &Wanted, files: &Arc<Files>) -> Result<Found, Failure> {
    let how = How { symlinks: files.symlinks, from_memory: true };
    match search(wanted, files, how) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        found => return found.map_err(|error| failure(&error)),
    }
    let (wanted, files) = (wanted.clone(), files.clone());
    let found = tokio::task::spawn_blocking(move || {
        let how = How { from_memory: false, ..how };
        let mut found = search(&wanted, &files, how);
        for _ in 1..TRIES {
            if !matches!(&found, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                break;
            }
            found = search(&wanted, &files, how);
        }
        found
    });
    match found.await {
        Ok(found) => found.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::FileUnreadable),
    }
}

/// What the client is told at last.
fn failure(error: &io::Error) -> Failure {
    let failure = meaning(error);
    if failure == Failure::FileUnreadable {
        tracing::warn!(%error, "a file could not be opened");
    }
    failure
}

fn meaning(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return Failure::NoFile;
    }
    match Errno::from_io_error(error) {
        // LOOP and XDEV: a link that may not be followed. To the client there is nothing.
        Some(Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::NXIO) => Failure::NoFile,
        Some(Errno::ACCESS | Errno::PERM) => Failure::FileForbidden,
        _ => Failure::FileUnreadable,
    }
}

/// Logs nothing: a lookup that the kernel can't answer from memory is no failure, it is begun again on a helper.
fn is_absent(error: &io::Error) -> bool {
    meaning(error) == Failure::NoFile
}

fn search(wanted: &Wanted, files: &Files, how: How) -> io::Result<Found> {
    let root = Folder::root(&files.root, how)?;
    let found = match root.open(&wanted.name) {
        Ok(entry) if entry.is_folder() => return folder(wanted, files, &root, &entry),
        Ok(entry) if !wanted.is_folder => {
            return choose(wanted, files, &root, &wanted.name, entry).map(Found::File);
        }
        Ok(_) => Err(io::ErrorKind::NotFound.into()),
        Err(error) => Err(error),
    };
    fall_back(wanted, files, &root, found)
}

fn folder(wanted: &Wanted, files: &Files, root: &Folder, entry: &Entry) -> io::Result<Found> {
    if !wanted.is_folder {
        return Ok(Found::Slash);
    }
    for index in &files.index {
        let name = join(&wanted.name, index.as_bytes());
        match root.open(&name) {
            Ok(entry) if entry.is_folder() => {}
            Ok(entry) => return choose(wanted, files, root, &name, entry).map(Found::File),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if files.listing {
        if root.reads_from_memory() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        return listing::page(&entry.file, files.hidden).map(Found::Listing);
    }
    fall_back(wanted, files, root, Err(io::ErrorKind::NotFound.into()))
}

/// Serves the fallback instead of what is not there. A name with an extension is a file's that is missing; a page
/// in place of a script only hides that.
fn fall_back(wanted: &Wanted, files: &Files, root: &Folder, found: io::Result<Found>) -> io::Result<Found> {
    let last = wanted.name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match (&files.fallback, &found) {
        (Some(fallback), Err(error)) if is_absent(error) && !last.contains(&b'.') => {
            let Ok((name, _)) = file_name(fallback, true) else { return found };
            let entry = root.open(&name)?;
            if entry.is_folder() {
                return found;
            }
            choose(wanted, files, root, &name, entry).map(Found::File)
        }
        _ => found,
    }
}

/// The file, or what stands compressed beside it if the client takes that. One that is older than the file was
/// forgotten when the file changed.
fn choose(wanted: &Wanted, files: &Files, root: &Folder, name: &[u8], entry: Entry) -> io::Result<Opened> {
    let media = media(files, name);
    let varies = files.precompressed && is_compressible(&media);
    if varies {
        for coding in wanted.asked.accept_encoding.ranked(&Coding::ALL) {
            match root.open(&[name, coding.suffix().as_bytes()].concat()) {
                Ok(other) if !other.is_folder() && changed(&other) >= changed(&entry) => {
                    return Ok(Opened { entry: other, media, coding: Some(coding), varies });
                }
                Ok(_) => {}
                Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Opened { entry, media, coding: None, varies })
}

fn changed(entry: &Entry) -> (i64, u64) {
    (entry.stat.st_mtime, entry.stat.st_mtime_nsec)
}

fn media(files: &Files, name: &[u8]) -> String {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let own = files.types.iter().find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(extension));
    own.map_or_else(|| type_of(name).to_owned(), |(_, media)| media.clone())
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing::span::{Attributes, Id, Record};

    /// Counts what is logged.
    #[derive(Default)]
    struct Logged(AtomicUsize);

    impl tracing::Subscriber for Logged {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn only_what_a_client_is_told_at_last_is_logged() {
        let logged = Arc::new(Logged::default());
        let begun_again = io::ErrorKind::WouldBlock.into();
        tracing::subscriber::with_default(logged.clone(), || {
            assert!(!is_absent(&begun_again));
            assert_eq!(logged.0.load(Ordering::Relaxed), 0);
            assert_eq!(failure(&begun_again), Failure::FileUnreadable);
            assert_eq!(logged.0.load(Ordering::Relaxed), 1);
        });
    }
}
