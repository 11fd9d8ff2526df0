//! The last good import, on disk: a gateway that starts while its config server is dead serves the routes that
//! it served before.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use haechi_props::IndexMap;

/// A larger file is not ours.
const MAX_BYTES: u64 = 16 << 20;

/// Where the properties of an application are kept.
fn file(folder: &Path, application: &str) -> PathBuf {
    // An application's name may hold slashes; a file's may not.
    let name: String =
        application.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    folder.join(format!("import-{name}.json"))
}

/// Keeps the properties: written beside, synced and renamed, so that a reader finds all or the old ones.
pub fn keep(folder: &Path, application: &str, properties: &IndexMap<String, String>) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = file(folder, application);
    // Two processes may keep it at once, while one takes over from the other.
    let new = path.with_extension(format!("json.{}.new", std::process::id()));
    let mut out = std::fs::File::create(&new)?;
    out.write_all(&serde_json::to_vec(properties)?)?;
    out.sync_all()?;
    std::fs::rename(&new, &path)?;
    std::fs::File::open(folder)?.sync_all()
}

/// The properties kept last, if there are any that can be read.
pub fn recall(folder: &Path, application: &str) -> Option<IndexMap<String, String>> {
    let path = file(folder, application);
    if std::fs::metadata(&path).ok()?.len() > MAX_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_recalled_and_a_torn_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let properties = IndexMap::from([("zuul.routes.a".to_owned(), "/a/**".to_owned())]);
        assert_eq!(recall(folder.path(), "edge"), None);
        keep(folder.path(), "edge", &properties).unwrap();
        assert_eq!(recall(folder.path(), "edge"), Some(properties));
        std::fs::write(file(folder.path(), "edge"), "{\"zuul").unwrap();
        assert_eq!(recall(folder.path(), "edge"), None);
    }
}
