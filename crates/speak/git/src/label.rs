//! Which commit a label means.

use gix::ObjectId;

use crate::error::{Error, chain, read};

/// Commits can be named by this many of their first digits or more.
const MIN_HEX: usize = 7;

/// Longer labels are none: a reference is a file, and file systems end at 255 bytes a name.
const LABEL_BYTES: usize = 1024;
const PART_BYTES: usize = 250;

/// Where a label is looked for, in JGit's order as the Java server meets it: branch, tag, branch of the
/// remote that a local clone tracks.
const SPACES: [&str; 3] = ["refs/heads/", "refs/tags/", "refs/remotes/origin/"];

/// The commit of a branch, tag or (abbreviated) commit id.
pub(crate) fn resolve(repo: &gix::Repository, label: &str) -> Result<ObjectId, Error> {
    let unknown = || Error::UnknownLabel(label.to_owned());
    if label.len() > LABEL_BYTES || label.split('/').any(|part| part.len() > PART_BYTES) {
        return Err(unknown());
    }
    let full = SPACES.iter().any(|space| label.starts_with(space));
    for space in if full { &[""][..] } else { &SPACES[..] } {
        // A label that isn't a valid reference name (`..`, a leading `/`, control characters) can't be one.
        let Ok(name) = gix::refs::FullName::try_from(format!("{space}{label}")) else { continue };
        if let Some(mut reference) = repo.try_find_reference(name.as_ref()).map_err(read)? {
            let id = reference.peel_to_id().map_err(read)?;
            return commit(repo, id.detach()).ok_or_else(unknown);
        }
    }
    if label.len() >= MIN_HEX && label.len() <= 40 && label.bytes().all(|b| b.is_ascii_hexdigit()) {
        let prefix = gix::hash::Prefix::from_hex(label).map_err(|e| Error::Read(chain(&e)))?;
        if let Ok(Some(Ok(id))) = repo.objects.lookup_prefix(prefix, None) {
            return commit(repo, id).ok_or_else(unknown);
        }
    }
    Err(unknown())
}

/// The id if it is a commit's; a tag may point to a tree or a file.
fn commit(repo: &gix::Repository, id: ObjectId) -> Option<ObjectId> {
    repo.find_commit(id).ok().map(|commit| commit.id)
}
