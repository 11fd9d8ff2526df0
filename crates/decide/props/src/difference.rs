//! What changed between two versions.

use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::resolve::PropertySource;
use crate::value::Value;

/// The keys whose effective value was added, changed or removed, sorted. Each version is its sources, highest
/// precedence first; a key's effective value is the highest one's, per key (a refreshed client overlays keys,
/// not lists).
pub fn difference(old: &[PropertySource], new: &[PropertySource]) -> Vec<String> {
    let (old, new) = (effective(old), effective(new));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, _)| *key);
    let removed = old.keys().filter(|key| !new.contains_key(**key)).copied();
    let keys: BTreeSet<&str> = changed.chain(removed).collect();
    keys.into_iter().map(str::to_owned).collect()
}

fn effective(sources: &[PropertySource]) -> HashMap<&str, &Value> {
    let lowest_first = sources.iter().rev().flat_map(|source| source.source.iter());
    lowest_first.map(|(key, entry)| (key.as_str(), &entry.value)).collect()
}
