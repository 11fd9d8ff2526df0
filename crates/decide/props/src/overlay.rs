//! Laying sources over each other, for the flat forms.

use indexmap::IndexMap;

use crate::resolve::PropertySource;
use crate::value::Value;

/// The effective value of every key. Sources are given highest precedence first; keys come in the order in
/// which the lowest source with them has them, lists last. A list is taken whole from the highest source that
/// has it: keys with `[` are replaced in groups of equal text before the first `[`.
pub fn overlay(sources: &[PropertySource]) -> IndexMap<String, Value> {
    let mut scalars: IndexMap<String, Value> = IndexMap::new();
    let mut groups: IndexMap<&str, IndexMap<&str, &Value>> = IndexMap::new();
    for source in sources.iter().rev() {
        let mut own: IndexMap<&str, IndexMap<&str, &Value>> = IndexMap::new();
        for (key, entry) in source.source.iter() {
            match key.split_once('[') {
                None => drop(scalars.insert(key.clone(), entry.value.clone())),
                Some((group, _)) => drop(own.entry(group).or_default().insert(key, &entry.value)),
            }
        }
        groups.extend(own);
    }
    let listed = groups.into_values().flatten();
    scalars.extend(listed.map(|(key, value)| (key.to_owned(), value.clone())));
    scalars.shift_remove("spring.profiles");
    scalars
}
