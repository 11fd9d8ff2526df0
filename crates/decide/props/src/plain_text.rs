//! Which file answers a plain-text request.

use crate::tree::Tree;

/// The path in the tree of the file that answers for `path`: in each location, first `name-profile.ext` for
/// each profile, then `name.ext`. Locations in the order of [`search_locations`](crate::search_locations).
pub fn find_plain_text(tree: &Tree, locations: &[String], profiles: &[String], path: &str) -> Option<String> {
    let path = path.trim_start_matches('/');
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return None;
    }
    let mut candidates: Vec<String> = profiles.iter().map(|profile| profiled(path, profile)).collect();
    candidates.push(path.to_owned());
    locations.iter().find_map(|location| {
        candidates
            .iter()
            .map(|file| if location.is_empty() { file.clone() } else { format!("{location}/{file}") })
            .find(|file| tree.bytes(file).is_some())
    })
}

fn profiled(path: &str, profile: &str) -> String {
    if profile.trim().is_empty() || profile == "default" {
        return path.to_owned();
    }
    // The extension is that of the last segment; a directory's dot is none.
    let name = path.rfind('/').map_or(0, |at| at + 1);
    match path[name..].rfind('.') {
        Some(dot) => format!("{}-{profile}{}", &path[..name + dot], &path[name + dot..]),
        None => format!("{path}-{profile}"),
    }
}
