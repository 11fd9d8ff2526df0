//! The program to start again: what is at the same path now, with the same arguments.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    /// Absolute. Links are kept: one that points to another version is what an upgrade often is.
    pub path: PathBuf,
    /// The first is the program's name as it was given.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// What this process was started from. To be asked before the file is replaced.
    pub fn of_this_process() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let running = std::env::current_exe().unwrap_or_default();
        let path = arguments.first().and_then(|name| as_given(Path::new(name), &running)).unwrap_or(running);
        Self { path, arguments }
    }
}

/// The path by which the program was named, if that leads to what runs.
fn as_given(name: &Path, running: &Path) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| {
        let (Ok(a), Ok(b)) = (path.metadata(), running.metadata()) else { return false };
        (a.dev(), a.ino()) == (b.dev(), b.ino())
    };
    let mut candidates = if name.components().count() > 1 {
        vec![std::env::current_dir().ok()?.join(name)]
    } else {
        std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).collect()
    };
    candidates.retain(|path| path.is_absolute());
    candidates.into_iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_kept_and_a_stranger_of_the_same_name_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let running = std::env::current_exe().unwrap();
        let link = folder.path().join("haechi");
        std::os::unix::fs::symlink(&running, &link).unwrap();
        assert_eq!(as_given(&link, &running), Some(link.clone()));
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "another").unwrap();
        assert_eq!(as_given(&link, &running), None);
    }
}
