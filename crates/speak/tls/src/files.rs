//! Files that are read, and read again once they changed.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of one file, at most. A bundle of all public roots is a quarter of it.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file. One that is larger than [`MAX_BYTES`] is refused.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// What tells one state of a file from the next. The time of change (ctime) can't be set back as that of the
/// content can, and a file that was moved into place, or a link that leads elsewhere, has another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Files and the state each was in. A missing one has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

impl Stamps {
    /// Takes the state of each file. To be done before reading them: a change in between is then seen later.
    pub fn take<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let stamp = |path: &Path| std::fs::metadata(path).ok().map(|meta| Stamp::of(&meta));
        Self(paths.into_iter().map(|path| (path.to_owned(), stamp(path))).collect())
    }

    /// Whether any file is in another state now.
    pub fn changed(&self) -> bool {
        *self != Self::take(self.0.iter().map(|(path, _)| path.as_path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, link) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("link"));
        std::fs::write(&a, "one").unwrap();
        std::os::unix::fs::symlink(&a, &link).unwrap();
        let taken = |paths: &[&PathBuf]| Stamps::take(paths.iter().map(|path| path.as_path()));

        let before = taken(&[&a, &b, &link]);
        assert!(!before.changed());
        std::fs::write(&b, "one").unwrap();
        assert!(before.changed(), "one appeared");

        let before = taken(&[&a]);
        std::fs::rename(&b, &a).unwrap();
        assert!(before.changed(), "one with the same content was moved into its place");

        let before = taken(&[&link]);
        std::fs::write(&b, "two").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&b, &link).unwrap();
        assert!(before.changed(), "a link leads elsewhere");
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, vec![b'a'; (1 << 20) + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
