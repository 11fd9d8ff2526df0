//! When a document is served, and which profiles documents themselves bring in.

use crate::profile::matches_profiles;
use crate::read::Properties;
use crate::resolve::PropertySource;

/// Profiles of one request at most, groups and includes counted.
const PROFILES: usize = 64;

/// What a key says about its document.
enum Condition {
    OnProfile,
    OnCloudPlatform,
}

/// The conditions under all names that Boot's relaxed binding accepts.
fn condition(key: &str) -> Option<Condition> {
    // What Boot 2.3 and earlier wrote; Boot 3 refuses the file. Where a person means it, the meaning is clear.
    if key == "spring.profiles" || key.starts_with("spring.profiles[") {
        return Some(Condition::OnProfile);
    }
    let rest = key.strip_prefix("spring.config.activate.")?;
    let uniform: String = rest
        .split('[')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect();
    match uniform.as_str() {
        "onprofile" => Some(Condition::OnProfile),
        "oncloudplatform" => Some(Condition::OnCloudPlatform),
        _ => None,
    }
}

/// Whether a document's own conditions let it be served for these profiles.
pub(crate) fn is_active(document: &Properties, profiles: &[String]) -> Result<bool, String> {
    let mut expressions = String::new();
    for (key, entry) in document {
        match condition(key) {
            Some(Condition::OnProfile) => {
                expressions.push(',');
                expressions.push_str(&entry.value.to_string());
            }
            // We are on no cloud platform, as a plain Spring server is.
            Some(Condition::OnCloudPlatform) if entry.value.to_string() != "none" => return Ok(false),
            _ => {}
        }
    }
    if expressions.trim_matches([',', ' ']).is_empty() {
        return Ok(true);
    }
    matches_profiles(&expressions, profiles).map_err(|error| error.to_string())
}

/// The requested profiles with what the plain files add: `spring.profiles.include` behind them,
/// `spring.profiles.group.<profile>` behind each member's head. A request without profiles, or for `default`,
/// takes nothing from files: the client asks again once it knows its profiles. Sources lowest first.
pub(crate) fn activated(requested: &[String], plain: &[PropertySource]) -> Vec<String> {
    if requested.first().is_none_or(|first| first.eq_ignore_ascii_case("default")) {
        return requested.to_vec();
    }
    let sources: Vec<&Properties> = plain
        .iter()
        .rev()
        .map(|source| &*source.source)
        .filter(|document| !document.keys().any(|key| condition(key).is_some()))
        .collect();
    let included = sources.iter().flat_map(|document| list(document, "spring.profiles.include"));
    // A stack, next one last, as a group's members stand right behind the profile that brings them in.
    let mut open: Vec<String> = requested.iter().cloned().chain(included).collect();
    open.reverse();
    let mut active: Vec<String> = Vec::new();
    while let Some(profile) = open.pop() {
        if active.contains(&profile) {
            continue;
        }
        if active.len() == PROFILES {
            break;
        }
        let group = format!("spring.profiles.group.{profile}");
        let members = sources.iter().map(|document| list(document, &group)).find(|list| !list.is_empty());
        active.push(profile);
        open.extend(members.unwrap_or_default().into_iter().rev().take(PROFILES));
    }
    active
}

/// What a document imports (`spring.config.import`), as it is written.
pub(crate) fn imports(document: &Properties) -> Vec<String> {
    list(document, "spring.config.import")
}

/// A list property, written with commas or as a list.
fn list(document: &Properties, key: &str) -> Vec<String> {
    let items = document.iter().filter(|(name, _)| {
        name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
    });
    items
        .flat_map(|(_, entry)| {
            let text = entry.value.to_string();
            text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>()
        })
        .filter(|part| !part.is_empty())
        .take(PROFILES)
        .collect()
}
