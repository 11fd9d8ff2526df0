//! Making repositories and commits, for the demo and for tests: nothing else needs to be installed.

use std::path::Path;

use gix::objs::tree::EntryKind;

use crate::CommitId;
use crate::error::{Error, write};
use crate::repository::{create, open};

/// Who made a commit, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// Seconds since the Unix epoch.
    pub seconds: i64,
}

/// A file's new content, or that it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Written with these bytes.
    Write(&'a [u8]),
    /// Removed.
    Remove,
}

/// Makes a repository with a work tree and the branch `main`. The folder may exist and hold files, but no
/// repository.
pub fn init(dir: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(write)?;
    create(dir, gix::create::Kind::WithWorktree).map(drop)
}

/// Commits changes on top of the branch that is checked out, and writes them to the work tree and index too,
/// so that an editor and the git program find a clean repository. Other edits in the work tree stay; what
/// was staged is unstaged.
pub fn commit(
    dir: &Path,
    changes: &[(&str, Change<'_>)],
    message: &str,
    by: &Signature,
) -> Result<CommitId, Error> {
    let repo = open(dir)?.to_thread_local();
    let work_tree = repo.workdir().ok_or_else(|| Error::Write("the repository is bare".into()))?.to_owned();
    let parent = repo.head().map_err(write)?.try_into_peeled_id().map_err(write)?.map(gix::Id::detach);
    let tree = match parent {
        Some(parent) => repo.find_commit(parent).map_err(write)?.tree_id().map_err(write)?.detach(),
        None => repo.empty_tree().id,
    };
    let mut editor = repo.edit_tree(tree).map_err(write)?;
    for (path, change) in changes {
        match change {
            Change::Write(bytes) => {
                let blob = repo.write_blob(bytes).map_err(write)?;
                editor.upsert(*path, EntryKind::Blob, blob).map_err(write)?;
            }
            Change::Remove => drop(editor.remove(*path).map_err(write)?),
        }
    }
    let tree = editor.write().map_err(write)?.detach();
    for (path, change) in changes {
        write_out(&work_tree.join(path), *change)?;
    }
    let signature = gix::actor::Signature {
        name: by.name.as_str().into(),
        email: by.email.as_str().into(),
        time: gix::date::Time::new(by.seconds, 0),
    };
    let mut time = gix::date::parse::TimeBuf::default();
    let signature = signature.to_ref(&mut time);
    let id = repo.commit_as(signature, signature, "HEAD", message, tree, parent).map_err(write)?.detach();
    repo.index_from_tree(&tree)
        .map_err(write)?
        .write(gix::index::write::Options::default())
        .map_err(write)?;
    Ok(id.to_string())
}

fn write_out(path: &Path, change: Change<'_>) -> Result<(), Error> {
    match change {
        Change::Write(bytes) => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(write)?;
            }
            std::fs::write(path, bytes).map_err(write)
        }
        Change::Remove => match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(write(error)),
            _ => Ok(()),
        },
    }
}
