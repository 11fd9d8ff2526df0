//! The route table: finds the most specific route of a request without allocating.
//!
//! Every route has a rank, its place when all are sorted from most to least specific ([`Specificity`]). So the
//! best match is the matching route with the lowest rank, wherever it stands, and a host or node whose lowest
//! rank is higher than what was found already needn't be looked at.

use std::cmp::Reverse;

use crate::ant::AntPattern;
use crate::config::{HostPattern, Match, PathPattern, Route, ValueMatch};
use crate::request::{RequestView, header_holds, query_holds, without_port};
use crate::specificity::Specificity;
use crate::tie;
use crate::tree::{Builder, FastMap, Trees};
use crate::valid::{self, MAX_HOST_BYTES, Refused};

/// Routes, ready to be found. Immutable: a new configuration makes a new table.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// By rank.
    entries: Vec<Entry>,
    trees: Trees,
    exact_hosts: FastMap<Box<str>, Root>,
    suffix_hosts: FastMap<Box<str>, Root>,
    any_host: Option<Root>,
}

#[derive(Clone, Copy, Debug)]
struct Root {
    node: u32,
    best_rank: u32,
}

#[derive(Debug)]
struct Entry {
    route: u32,
    path: PathKind,
    conditions: Option<Box<Conditions>>,
}

#[derive(Debug)]
enum PathKind {
    /// The request's path must end at the entry's node.
    Exact,
    /// It may go on below.
    Prefix,
    /// The pattern decides.
    Pattern(Box<AntPattern>),
}

#[derive(Debug)]
struct Conditions {
    methods: Box<[Box<str>]>,
    headers: Box<[ValueMatch]>,
    query: Box<[ValueMatch]>,
}

impl RouteTable {
    /// Builds the table, and says which routes are not in it and why. Of two that tie, the one that stands
    /// later is refused, so that a mistake in a new route can't take an old one away.
    pub fn build(routes: &[Route]) -> (Self, Vec<Refused>) {
        let mut refused = Vec::new();
        let mut kept: Vec<(usize, Match)> = Vec::with_capacity(routes.len());
        for (index, route) in routes.iter().enumerate() {
            match valid::normal(&route.matches) {
                Ok(matches) => kept.push((index, matches)),
                Err(reason) => refused.push(Refused { route: index, name: route.name.clone(), reason }),
            }
        }
        let mut ranked: Vec<Ranked> = kept
            .into_iter()
            .map(|(index, matches)| Ranked {
                specificity: Specificity::of(routes[index].priority, &matches),
                index,
                matches,
            })
            .collect();
        tie::refuse(routes, &mut ranked, &mut refused);
        ranked.sort_by(|a, b| (Reverse(&a.specificity), a.index).cmp(&(Reverse(&b.specificity), b.index)));
        refused.sort_by_key(|r| r.route);
        (Self::of_ranked(ranked), refused)
    }

    fn of_ranked(ranked: Vec<Ranked>) -> Self {
        let mut table = Self::default();
        let mut builder = Builder::default();
        for (rank, Ranked { index, matches, .. }) in ranked.into_iter().enumerate() {
            let rank = rank as u32;
            let new_root = |builder: &mut Builder| Root { node: builder.root(), best_rank: rank };
            let root = match &matches.host {
                None => *table.any_host.get_or_insert_with(|| new_root(&mut builder)),
                Some(HostPattern::Exact(host)) => {
                    *table.exact_hosts.entry(host.as_str().into()).or_insert_with(|| new_root(&mut builder))
                }
                Some(HostPattern::Suffix(suffix)) => *table
                    .suffix_hosts
                    .entry(suffix.as_str().into())
                    .or_insert_with(|| new_root(&mut builder)),
            };
            builder.insert(root.node, literal_head(matches.path.as_ref()), rank);
            table.entries.push(Entry {
                route: index as u32,
                path: PathKind::of(matches.path.as_ref()),
                conditions: Conditions::of(matches),
            });
        }
        table.trees = builder.finish();
        table
    }

    /// The index of the route that takes the request.
    pub fn find(&self, request: &RequestView<'_>) -> Option<usize> {
        let mut best = self.entries.len() as u32;
        let mut buffer = [0; MAX_HOST_BYTES + 1];
        if let Some(host) = self.lower_host(request.host, &mut buffer) {
            if let Some(root) = self.exact_hosts.get(host) {
                best = self.find_below(*root, request, best);
            }
            if !self.suffix_hosts.is_empty() {
                best = self.find_by_suffix(host, request, best);
            }
        }
        if let Some(root) = self.any_host {
            best = self.find_below(root, request, best);
        }
        self.entries.get(best as usize).map(|entry| entry.route as usize)
    }

    fn find_by_suffix(&self, host: &str, request: &RequestView<'_>, mut best: u32) -> u32 {
        // The first label is never empty: `.example.com` is no host below example.com.
        for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
            if let Some(root) = self.suffix_hosts.get(&host[dot..]) {
                best = self.find_below(*root, request, best);
            }
        }
        best
    }

    /// The host to look up, in lower case; nothing if no route has one, or no host is that long.
    fn lower_host<'b>(&self, host: &str, buffer: &'b mut [u8]) -> Option<&'b str> {
        if self.exact_hosts.is_empty() && self.suffix_hosts.is_empty() {
            return None;
        }
        let host = without_port(host).as_bytes();
        let lower = buffer.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        std::str::from_utf8(lower).ok()
    }

    /// The lowest rank below `best` that matches under `root`, or `best`.
    fn find_below(&self, root: Root, request: &RequestView<'_>, mut best: u32) -> u32 {
        if root.best_rank >= best {
            return best;
        }
        let path = request.path.for_matching();
        let walk = self.trees.walk(root.node, path.strip_prefix('/').unwrap_or(path));
        for (ranks, whole) in self.trees.ranks(&walk) {
            for rank in ranks.iter().take_while(|rank| **rank < best) {
                let entry = &self.entries[*rank as usize];
                if entry.matches(request, path, whole) {
                    best = *rank;
                    break;
                }
            }
        }
        best
    }

    /// The indexes of its routes, the most specific first.
    pub(crate) fn routes_by_rank(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|entry| entry.route as usize)
    }

    /// How many routes it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no route.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of heap it takes, nearly: the hash maps' own overhead is an estimate.
    pub fn heap_bytes(&self) -> usize {
        let of_hosts = |hosts: &FastMap<Box<str>, Root>| {
            hosts.capacity() * 8 / 7 * (size_of::<(Box<str>, Root)>() + 1)
                + hosts.keys().map(|host| host.len()).sum::<usize>()
        };
        self.entries.capacity() * size_of::<Entry>()
            + self.entries.iter().map(Entry::heap_bytes).sum::<usize>()
            + self.trees.heap_bytes()
            + of_hosts(&self.exact_hosts)
            + of_hosts(&self.suffix_hosts)
    }
}

/// A route on its way into the table.
pub(crate) struct Ranked {
    pub(crate) specificity: Specificity,
    pub(crate) index: usize,
    pub(crate) matches: Match,
}

impl Entry {
    fn matches(&self, request: &RequestView<'_>, path: &str, whole: bool) -> bool {
        let path_matches = match &self.path {
            PathKind::Exact => whole,
            PathKind::Prefix => true,
            PathKind::Pattern(pattern) => pattern.matches(path),
        };
        path_matches && self.conditions.as_ref().is_none_or(|conditions| conditions.hold(request))
    }

    fn heap_bytes(&self) -> usize {
        let of_values =
            |list: &[ValueMatch]| list.iter().map(|v| size_of::<ValueMatch>() + v.name.len()).sum::<usize>();
        let pattern = match &self.path {
            PathKind::Pattern(pattern) => pattern.heap_bytes(),
            _ => 0,
        };
        let conditions = self.conditions.as_ref().map_or(0, |c| {
            size_of::<Conditions>()
                + c.methods.iter().map(|m| 16 + m.len()).sum::<usize>()
                + of_values(&c.headers)
                + of_values(&c.query)
        });
        pattern + conditions
    }
}

impl PathKind {
    fn of(path: Option<&PathPattern>) -> Self {
        match path {
            None | Some(PathPattern::Prefix(_)) => Self::Prefix,
            Some(PathPattern::Exact(_)) => Self::Exact,
            Some(PathPattern::Pattern(pattern)) => Self::Pattern(Box::new(AntPattern::new(pattern))),
        }
    }
}

impl Conditions {
    fn of(matches: Match) -> Option<Box<Self>> {
        let Match { methods, headers, query, .. } = matches;
        let none = methods.is_empty() && headers.is_empty() && query.is_empty();
        let methods = methods.into_iter().map(String::into_boxed_str).collect();
        (!none).then(|| Box::new(Self { methods, headers: headers.into(), query: query.into() }))
    }

    fn hold(&self, request: &RequestView<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| **method == *request.method))
            && self.headers.iter().all(|want| header_holds(want, request.headers))
            && self.query.iter().all(|want| query_holds(want, request.query))
    }
}

/// The segments of a path that hold no wildcard, up to the first that does.
fn literal_head(path: Option<&PathPattern>) -> impl Iterator<Item = &str> {
    let (text, pattern) = match path {
        None => ("", false),
        Some(PathPattern::Exact(text) | PathPattern::Prefix(text)) => (text.as_str(), false),
        Some(PathPattern::Pattern(text)) => (text.as_str(), true),
    };
    let segments = text.strip_prefix('/').map(|text| text.split('/'));
    segments.into_iter().flatten().take_while(move |segment| !(pattern && segment.contains(['*', '?'])))
}
