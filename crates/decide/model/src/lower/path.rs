//! Paths of matches and of filters.

use haechi_route::config::PathPattern;

/// The lowered form of a path as written: see [`crate::raw::Match::path`].
pub(super) fn pattern(text: &str) -> PathPattern {
    let is_wild = |text: &str| text.contains(['*', '?']);
    match text.strip_suffix("/**") {
        Some(prefix) if !is_wild(prefix) => PathPattern::Prefix(prefix.trim_end_matches('/').to_owned()),
        _ if is_wild(text) => PathPattern::Pattern(text.to_owned()),
        _ => PathPattern::Exact(text.to_owned()),
    }
}

/// The segments that every path a route matches begins with, as far as filters have changed them.
pub(super) struct Head {
    segments: Vec<String>,
}

impl Head {
    pub fn of(path: Option<&str>) -> Self {
        let segments = path.into_iter().flat_map(|path| path.split('/').skip(1));
        Self { segments: segments.take_while(|s| !s.contains(['*', '?'])).map(str::to_owned).collect() }
    }

    /// Puts `to` in place of `from`; false if the path doesn't always begin with `from`.
    pub fn replace(&mut self, from: &str, to: &str) -> bool {
        let from: Vec<&str> = segments(from).collect();
        let fits = self.segments.len() >= from.len() && self.segments.iter().zip(&from).all(|(a, b)| a == b);
        if fits {
            self.segments.splice(..from.len(), segments(to).map(str::to_owned));
        }
        fits
    }

    /// Puts `to` in place of everything.
    pub fn set(&mut self, to: &str) {
        self.segments = segments(to).map(str::to_owned).collect();
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}
