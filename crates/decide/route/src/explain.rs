//! Why a request takes its route: for `haechi explain` and the console. Looks at every route, so it isn't for
//! the way of a request.

use std::fmt;

use haechi_core::RouteName;

use crate::ant::AntPattern;
use crate::config::{HostPattern, Match, PathPattern, Route, ValueMatch, ValuePattern};
use crate::request::{RequestView, header_holds, query_holds, without_port};
use crate::specificity::Specificity;
use crate::table::RouteTable;
use crate::valid;

/// The most near misses that are named.
const MAX_NEAR_MISSES: usize = 5;

/// Why a request takes its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The route that takes it.
    pub winner: Option<Verdict>,
    /// The next one that would take it, and why it doesn't.
    pub runner_up: Option<Verdict>,
    /// Routes that came close, the closest first, and the one condition that failed.
    pub near_misses: Vec<Verdict>,
}

/// A route and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its index.
    pub route: usize,
    /// Its name.
    pub name: RouteName,
    /// In words.
    pub why: String,
}

impl RouteTable {
    /// Explains [`find`](Self::find). `routes` are those that the table was built from.
    pub fn explain(&self, routes: &[Route], request: &RequestView<'_>) -> Explanation {
        let mut matching: Vec<(usize, Specificity)> = Vec::new();
        let mut near: Vec<(usize, usize, String)> = Vec::new();
        for index in self.routes_by_rank() {
            let Some(route) = routes.get(index) else { continue };
            let Ok(matches) = valid::normal(&route.matches) else { continue };
            let mut failed = failed_conditions(&matches, request);
            match (failed.pop(), failed.is_empty()) {
                (None, _) if matching.len() < 2 => {
                    matching.push((index, Specificity::of(route.priority, &matches)));
                }
                (Some(condition), true) => {
                    let closeness = closeness(&matches, request);
                    if closeness > 0 {
                        near.push((closeness, index, condition));
                    }
                }
                _ => {}
            }
        }
        // Stable: of equally close ones the more specific stays in front.
        near.sort_by_key(|(closeness, ..)| std::cmp::Reverse(*closeness));
        let verdict = |route: usize, why| Verdict { route, name: routes[route].name.clone(), why };
        let near = near.into_iter().take(MAX_NEAR_MISSES);
        Explanation {
            winner: matching.first().map(|(route, specificity)| {
                let why = match matching.get(1) {
                    Some((_, second)) => specificity.why_over(second).unwrap_or_default(),
                    None => "no other route matches".to_owned(),
                };
                verdict(*route, why)
            }),
            runner_up: matching.get(1).map(|(route, specificity)| {
                let why = matching[0].1.why_over(specificity).unwrap_or_default();
                verdict(*route, format!("matches too, but of {}: {why}", routes[matching[0].0].name))
            }),
            near_misses: near.map(|(_, route, condition)| verdict(route, condition)).collect(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.winner {
            Some(Verdict { name, why, .. }) => writeln!(f, "route {name}: {why}")?,
            None => writeln!(f, "no route matches")?,
        }
        if let Some(Verdict { name, why, .. }) = &self.runner_up {
            writeln!(f, "runner-up {name}: {why}")?;
        }
        for Verdict { name, why, .. } in &self.near_misses {
            writeln!(f, "not {name}: {why}")?;
        }
        Ok(())
    }
}

/// How near a route that doesn't match is: all for its path, else the segments that its path shares.
fn closeness(matches: &Match, request: &RequestView<'_>) -> usize {
    let path = request.path.for_matching();
    if path_holds(matches.path.as_ref(), path) {
        return usize::MAX;
    }
    let text = match &matches.path {
        None => "",
        Some(PathPattern::Exact(text) | PathPattern::Prefix(text) | PathPattern::Pattern(text)) => text,
    };
    let shared = text.split('/').skip(1).zip(path.split('/').skip(1));
    shared.take_while(|(a, b)| a == b && !a.is_empty()).count()
}

fn failed_conditions(matches: &Match, request: &RequestView<'_>) -> Vec<String> {
    let mut failed = Vec::new();
    if let Some(host) = &matches.host
        && !host_holds(host, request.host)
    {
        failed.push(format!("host {:?} is not {}", request.host, host_words(host)));
    }
    let path = request.path.for_matching();
    if !path_holds(matches.path.as_ref(), path) {
        failed.push(format!("path {path} is not {}", path_words(matches.path.as_ref())));
    }
    if !matches.methods.is_empty() && !matches.methods.iter().any(|method| method == request.method) {
        failed.push(format!("method {} is not {}", request.method, matches.methods.join(" or ")));
    }
    for want in matches.headers.iter().filter(|want| !header_holds(want, request.headers)) {
        failed.push(format!("header {}", value_words(want)));
    }
    for want in matches.query.iter().filter(|want| !query_holds(want, request.query)) {
        failed.push(format!("query parameter {}", value_words(want)));
    }
    failed
}

fn host_holds(want: &HostPattern, host: &str) -> bool {
    let host = without_port(host).to_ascii_lowercase();
    match want {
        HostPattern::Exact(want) => host == *want,
        HostPattern::Suffix(suffix) => host.ends_with(suffix) && host.len() > suffix.len(),
    }
}

fn path_holds(want: Option<&PathPattern>, path: &str) -> bool {
    match want {
        None => true,
        Some(PathPattern::Exact(want)) => path == want,
        Some(PathPattern::Prefix(prefix)) => {
            path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        Some(PathPattern::Pattern(pattern)) => AntPattern::new(pattern).matches(path),
    }
}

/// A host as it is written in a file.
pub(crate) fn host_words(host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
    }
}

/// A path as it is written in a file.
pub(crate) fn path_words(path: Option<&PathPattern>) -> String {
    match path {
        None => "any".to_owned(),
        Some(PathPattern::Prefix(prefix)) => format!("{prefix}/**"),
        Some(PathPattern::Exact(path) | PathPattern::Pattern(path)) => path.clone(),
    }
}

/// A condition on a header or query parameter.
pub(crate) fn value_words(want: &ValueMatch) -> String {
    let ValueMatch { name, value } = want;
    match value {
        ValuePattern::Present => format!("{name} must be present"),
        ValuePattern::Absent => format!("{name} must be absent"),
        ValuePattern::Exact(text) => format!("{name} must be {text:?}"),
        ValuePattern::Prefix(text) => format!("{name} must start with {text:?}"),
    }
}
