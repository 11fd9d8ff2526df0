//! The path that is forwarded.

use std::borrow::Cow;

use crate::config::Filter;
use crate::path::NormalPath;

/// What a route's filters make of a path, in their order; borrowed if they change nothing. The result is in
/// normal form if the filters' texts are (`lint` says so if not). The query is not part of it.
pub fn rewrite_path<'p>(filters: &[Filter], path: &'p NormalPath<'_>) -> Cow<'p, str> {
    let mut text = Cow::Borrowed(path.as_str());
    for filter in filters {
        let changed = match filter {
            Filter::StripPrefix(prefix) => replace_prefix(&text, prefix, ""),
            Filter::RewritePrefix { from, to } => replace_prefix(&text, from, to),
            Filter::RewritePath(to) => Some(to.clone()),
            _ => None,
        };
        if let Some(changed) = changed {
            text = Cow::Owned(changed);
        }
    }
    text
}

/// `path` with `to` in place of `from`, if it starts with the whole segments of `from`.
pub(crate) fn replace_prefix(path: &str, from: &str, to: &str) -> Option<String> {
    let (from, to) = (from.trim_end_matches('/'), to.trim_end_matches('/'));
    let rest = path.strip_prefix(from)?;
    // What follows begins a segment, or the parameters of the last one.
    if !(rest.is_empty() || rest.starts_with(['/', ';'])) {
        return None;
    }
    let slash = if to.is_empty() && !rest.starts_with('/') { "/" } else { "" };
    Some([to, slash, rest].concat())
}
