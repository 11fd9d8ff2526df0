//! Requests and routes in short, and matchers that are slow and plainly right.
#![allow(dead_code, reason = "each test file uses its part")]

use haechi_core::RouteName;
use haechi_route::config::{
    Action, HostPattern, Match, PathPattern, Respond, Retry, Route, Timeouts, ValueMatch, ValuePattern,
};
use haechi_route::{NormalPath, RequestView};

/// A route that answers 200, for `host/path`; without wildcards the path is exact.
pub fn route(name: &str, target: &str) -> Route {
    let slash = if target.starts_with(['*', 'w', 's', 'h']) { target.find('/').unwrap() } else { 0 };
    let (host, path) = target.split_at(slash);
    let host = match host.strip_prefix('*') {
        _ if host.is_empty() => None,
        Some(suffix) => Some(HostPattern::Suffix(suffix.to_owned())),
        None => Some(HostPattern::Exact(host.to_owned())),
    };
    Route {
        name: RouteName::new(name).unwrap(),
        matches: Match { host, path: Some(PathPattern::Pattern(path.to_owned())), ..Match::default() },
        priority: 0,
        filters: Vec::new(),
        action: Action::Respond(Respond::text(200, "")),
        timeouts: Timeouts::default(),
        retry: Retry::default(),
    }
}

/// A request in short.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", host: "", path, query: "", headers: &[] }
    }

    pub fn view<T>(&self, look: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let path = NormalPath::new(self.path.as_bytes()).unwrap();
        let headers = self.headers.to_vec();
        let Self { method, host, query, .. } = *self;
        look(&RequestView { method, host, path: &path, query, headers: &headers })
    }
}

/// `/a/**` as the prefix that it is, and a pattern without wildcards as an exact path.
pub fn canonical(matches: &Match) -> Match {
    let mut matches = matches.clone();
    matches.methods.sort();
    matches.methods.dedup();
    if let Some(PathPattern::Pattern(pattern)) = &matches.path {
        let mut pattern = pattern.clone();
        while pattern.contains("/**/**") {
            pattern = pattern.replace("/**/**", "/**");
        }
        matches.path = Some(PathPattern::Pattern(pattern));
    }
    matches
}

/// Tries every way a star could go.
pub fn naive_ant(pattern: &str, path: &str) -> bool {
    fn segments(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**", rest @ ..], _) => (0..=path.len()).any(|n| segments(rest, &path[n..])),
            ([first, rest @ ..], [segment, tail @ ..]) => {
                text(first.as_bytes(), segment.as_bytes()) && segments(rest, tail)
            }
            _ => false,
        }
    }
    fn text(pattern: &[u8], text_: &[u8]) -> bool {
        match (pattern, text_) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text_.len()).any(|n| text(rest, &text_[n..])),
            ([b'?', rest @ ..], [_, tail @ ..]) => text(rest, tail),
            ([a, rest @ ..], [b, tail @ ..]) => a == b && text(rest, tail),
            _ => false,
        }
    }
    let split = |text: &'_ str| text[1..].split('/').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, path) = (split(pattern), split(path));
    let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    segments(&pattern, &path)
}

/// Whether all conditions hold, one by one.
pub fn naively_matches(matches: &Match, ask: &Ask<'_>) -> bool {
    let host = match &matches.host {
        None => true,
        Some(HostPattern::Exact(host)) => ask.host == host,
        Some(HostPattern::Suffix(suffix)) => ask.host.ends_with(suffix) && ask.host.len() > suffix.len(),
    };
    let path = match &matches.path {
        Some(PathPattern::Pattern(pattern)) => naive_ant(pattern, ask.path),
        other => panic!("{other:?} is not used here"),
    };
    let header = |want: &ValueMatch| {
        let value = ask.headers.iter().find(|(name, _)| *name == want.name).map(|(_, value)| *value);
        match &want.value {
            ValuePattern::Present => value.is_some(),
            ValuePattern::Absent => value.is_none(),
            ValuePattern::Exact(text) => value == Some(text),
            ValuePattern::Prefix(text) => value.is_some_and(|v| v.starts_with(text.as_str())),
        }
    };
    let method = matches.methods.is_empty() || matches.methods.iter().any(|m| m == ask.method);
    host && path && method && matches.headers.iter().all(header)
}
