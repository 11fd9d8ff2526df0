//! Opening files below a folder and nowhere else.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use haechi_route::config::Symlinks;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;

/// How a name is looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub symlinks: Symlinks,
    /// Only as far as the kernel's memory goes; beyond it the error is [`io::ErrorKind::WouldBlock`].
    pub from_memory: bool,
}

/// A folder, open for looking up names in it.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    how: How,
}

/// What was opened.
#[derive(Debug)]
pub(super) struct Entry {
    pub file: File,
    pub stat: Stat,
}

impl Folder {
    /// Opens the root. By its name each time: a release is often a link that is moved to another folder.
    pub fn root(path: &Path, how: How) -> io::Result<Self> {
        let resolve = if how.from_memory { ResolveFlags::CACHED } else { ResolveFlags::empty() };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat2(CWD, path, flags, Mode::empty(), resolve).map_err(|errno| slow(errno, how))?;
        Ok(Self { fd, how })
    }

    /// Opens what has this name, if it is a file or a folder. The kernel sees to it that the way there never leaves
    /// the root, not by `..` and not by a link, even while somebody moves folders around.
    pub fn open(&self, name: &[u8]) -> io::Result<Entry> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if self.how.symlinks == Symlinks::Never {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        if self.how.from_memory {
            resolve |= ResolveFlags::CACHED;
        }
        let name = if name.is_empty() { &b"."[..] } else { name };
        // NONBLOCK, or a named pipe would wait for somebody to write to it.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd =
            openat2(&self.fd, name, flags, Mode::empty(), resolve).map_err(|errno| slow(errno, self.how))?;
        let stat = fstat(&fd)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Directory => Ok(Entry { file: File::from(fd), stat }),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Folder {
    /// Whether nothing may be done here that waits for a disk.
    pub const fn reads_from_memory(&self) -> bool {
        self.how.from_memory
    }
}

impl Entry {
    pub fn is_folder(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }
}

/// A kernel before 5.12 doesn't know lookups from memory alone, and says so as it does of other mistakes. The helper
/// thread, which doesn't ask for it, finds out.
fn slow(errno: Errno, how: How) -> io::Error {
    if how.from_memory && errno == Errno::INVAL { Errno::AGAIN.into() } else { errno.into() }
}
