//! Tells when the configuration file is another than before.
//!
//! The kernel says so at once (inotify(7)): of the folder that the file is in, because editors put a new file in
//! place of the old, and of every folder on the way that holds a link, because a Kubernetes ConfigMap is changed
//! by putting another link in place. Where the kernel can't be asked, or doesn't see the change (a file on
//! another machine), the file is looked at now and then.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// How often the file is looked at while the kernel tells of changes.
const LOOK_SLOWLY: Duration = Duration::from_secs(5);
/// How often while it can't.
const LOOK_OFTEN: Duration = Duration::from_millis(500);
/// Links that are followed from one name, as the kernel does (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// Bytes of notices read at once; what is left comes with the next read.
const NOTICES: usize = 4096;

/// Watches one file.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    seen: Mutex<Option<Stamp>>,
    /// Nothing while the kernel can't be asked. Held by the one who waits.
    notices: tokio::sync::Mutex<Option<Notices>>,
}

/// What tells two states of a file apart without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    place: Option<PathBuf>,
    inode: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            place: path.canonicalize().ok(),
            inode: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl FileWatch {
    /// Of a file as it is now.
    pub fn new(path: &Path) -> Self {
        let notices = Notices::of(path).inspect_err(|error| {
            tracing::warn!(%error, "the kernel can't tell of changes to the file; it is looked at instead");
        });
        Self {
            path: path.to_owned(),
            seen: Mutex::new(Stamp::of(path)),
            notices: tokio::sync::Mutex::new(notices.ok()),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Resolves when it is another than at the last time this resolved. A file that is gone is waited for.
    pub async fn changed(&self) {
        let mut notices = self.notices.lock().await;
        let mut looked = None;
        loop {
            let every = if notices.is_some() { LOOK_SLOWLY } else { LOOK_OFTEN };
            let told = tokio::select! {
                () = told(notices.as_mut()) => true,
                () = tokio::time::sleep(every) => false,
            };
            // First the folders, then the file: what changes after this look is told of.
            let followed = notices.as_mut().map(|notices| notices.follow(&self.path));
            if let Some(Err(error)) = followed {
                tracing::warn!(%error, "the kernel no longer tells of changes to the file; it is looked at instead");
                *notices = None;
            }
            let now = Stamp::of(&self.path);
            // Whoever only looks may see half of what is being written: the file must be the same twice.
            let whole = told || looked == now;
            looked.clone_from(&now);
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if now.is_some() && *seen != now && whole {
                *seen = now;
                return;
            }
        }
    }
}

/// Waits for a notice that means something. For ever, if there are none.
async fn told(notices: Option<&mut Notices>) {
    match notices {
        Some(notices) => notices.wait().await,
        None => std::future::pending().await,
    }
}

/// The kernel's notices of some folders.
#[derive(Debug)]
struct Notices {
    inotify: AsyncFd<OwnedFd>,
    folders: BTreeMap<PathBuf, i32>,
}

impl Notices {
    fn of(path: &Path) -> std::io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[allow(
            deprecated,
            reason = "what replaces it is unsafe, for descriptors that others may close; we own ours"
        )]
        let inotify = AsyncFd::new(inotify)?;
        let mut notices = Self { inotify, folders: BTreeMap::new() };
        notices.follow(path)?;
        Ok(notices)
    }

    /// Watches the folders that lead to the file now, and no others.
    fn follow(&mut self, path: &Path) -> std::io::Result<()> {
        let wanted = folders(path);
        // Not while a file is written, but when it is closed or put in place.
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::ONLYDIR;
        let mut watched = BTreeMap::new();
        for folder in wanted {
            // A folder that is gone comes back through the one above, or is found by looking.
            if let Ok(watch) = inotify::add_watch(&self.inotify, &folder, flags) {
                watched.insert(folder, watch);
            }
        }
        if watched.is_empty() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        for (_, watch) in self.folders.iter().filter(|(_, old)| watched.values().all(|new| new != *old)) {
            // It may have ended with its folder.
            let _ = inotify::remove_watch(&self.inotify, *watch);
        }
        self.folders = watched;
        Ok(())
    }

    async fn wait(&mut self) {
        loop {
            let Ok(mut ready) = self.inotify.readable().await else {
                return std::future::pending().await;
            };
            let mut means_something = false;
            let mut buffer = [MaybeUninit::uninit(); NOTICES];
            let mut reader = Reader::new(self.inotify.get_ref(), &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                        means_something |= self.matters(event.wd(), event.events(), name);
                    }
                    Err(Errno::INTR) => {}
                    Err(_) => break,
                }
            }
            ready.clear_ready();
            if means_something {
                return;
            }
        }
    }

    /// A file that is only just created holds nothing yet; a link is whole at once.
    fn matters(&self, watch: i32, events: ReadFlags, name: Option<&OsStr>) -> bool {
        if !events.contains(ReadFlags::CREATE) {
            return true;
        }
        let folder = self.folders.iter().find(|(_, known)| **known == watch).map(|(folder, _)| folder);
        let place = folder.zip(name).map(|(folder, name)| folder.join(name));
        place.is_some_and(|place| place.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()))
    }
}

/// The folder of a file, and those of all links that lead to it.
fn folders(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut at = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..=MAX_LINKS {
        let Some((folder, next)) = first_link(&at) else {
            folders.extend(at.parent().map(Path::to_owned));
            break;
        };
        folders.push(folder);
        at = next;
    }
    folders
}

/// The folder of the first link in a name, and the name with the link followed.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut folder = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        if component == Component::ParentDir {
            folder.pop();
            continue;
        }
        let here = folder.join(component);
        if let Ok(target) = std::fs::read_link(&here) {
            let next = folder.join(target).join(components.as_path());
            return Some((folder, next));
        }
        folder = here;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Long enough that only a notice can be meant, and shorter than a look.
    const AT_ONCE: Duration = Duration::from_secs(4);

    async fn noticed(watch: &FileWatch) {
        tokio::time::timeout(AT_ONCE, watch.changed()).await.expect("told by the kernel");
    }

    #[tokio::test]
    async fn a_file_put_in_place_or_written_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haechi.yaml");
        fs::write(&file, "a").unwrap();
        let watch = FileWatch::new(&file);
        fs::write(folder.path().join("new"), "b").unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
        noticed(&watch).await;
        fs::write(&file, "in place").unwrap();
        noticed(&watch).await;
        fs::remove_file(&file).unwrap();
        fs::write(&file, "back").unwrap();
        noticed(&watch).await;
    }

    #[tokio::test]
    async fn a_config_map_is_noticed_again_and_again() {
        // As the kubelet does it: haechi.yaml → ..data/haechi.yaml, ..data → ..1, and ..data is renamed over.
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let version = |n: u32| {
            fs::create_dir(at(&format!("..{n}"))).unwrap();
            fs::write(at(&format!("..{n}/haechi.yaml")), "same").unwrap();
            symlink(format!("..{n}"), at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        };
        version(1);
        symlink("..data/haechi.yaml", at("haechi.yaml")).unwrap();
        let watch = FileWatch::new(&at("haechi.yaml"));
        for n in 2..5 {
            version(n);
            fs::remove_dir_all(at(&format!("..{}", n - 1))).unwrap();
            noticed(&watch).await;
            assert_eq!(
                watch.notices.lock().await.as_ref().unwrap().folders.len(),
                2,
                "old folders are let go"
            );
        }
        fs::write(at("..4/haechi.yaml"), "behind two links").unwrap();
        noticed(&watch).await;
    }

    #[tokio::test]
    async fn a_link_that_is_made_anew_is_noticed() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = folder.path().join("haechi.yaml");
        for name in ["a", "b"] {
            fs::write(elsewhere.path().join(name), name).unwrap();
        }
        symlink(elsewhere.path().join("a"), &file).unwrap();
        let watch = FileWatch::new(&file);
        fs::remove_file(&file).unwrap();
        symlink(elsewhere.path().join("b"), &file).unwrap();
        noticed(&watch).await;
        fs::write(elsewhere.path().join("b"), "written where the link leads").unwrap();
        noticed(&watch).await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_kernel_a_change_is_found_by_looking_once_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haechi.yaml");
        fs::write(&file, "a").unwrap();
        let watch = FileWatch::new(&file);
        *watch.notices.lock().await = None;
        fs::write(&file, "half").unwrap();
        let within = |looks: u32| tokio::time::timeout(LOOK_OFTEN * looks + LOOK_OFTEN / 2, watch.changed());
        assert!(within(1).await.is_err(), "one look may see half a file");
        assert!(within(2).await.is_ok());
    }

    #[test]
    fn links_in_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        symlink(&a, &b).unwrap();
        symlink(&b, &a).unwrap();
        assert!(folders(&a).len() <= MAX_LINKS + 1);
    }
}
