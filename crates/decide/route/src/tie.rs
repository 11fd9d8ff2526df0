//! Ties: routes that are equally specific and could take the same request.

use crate::ant::{AntPattern, Segment};
use crate::config::{HostPattern, Match, PathPattern, Route, ValueMatch, ValuePattern};
use crate::specificity::Specificity;
use crate::table::Ranked;
use crate::tree::FastMap;
use crate::valid::{Reason, Refused};

/// What two routes must share to be able to tie. Equally specific paths with different literal heads are
/// disjoint, because the heads are equally long; so are different hosts of one rank.
#[derive(PartialEq, Eq, Hash)]
struct Group<'a> {
    specificity: &'a Specificity,
    host: Option<&'a HostPattern>,
    head: &'a str,
}

/// Takes out of `ranked` (in the order of the configuration) each route whose name is taken or that ties with
/// one before it.
pub(crate) fn refuse(routes: &[Route], ranked: &mut Vec<Ranked>, refused: &mut Vec<Refused>) {
    let mut names: FastMap<&str, usize> = FastMap::default();
    names.reserve(ranked.len());
    let mut groups: FastMap<Group<'_>, Vec<&Ranked>> = FastMap::default();
    groups.reserve(ranked.len());
    let mut out = Vec::new();
    for route in &*ranked {
        let name = &routes[route.index].name;
        if *names.entry(name.as_str()).or_insert(route.index) != route.index {
            out.push((route.index, Reason::NameTaken));
            continue;
        }
        let group = groups.entry(Group::of(route)).or_default();
        match group.iter().find(|other| overlap(other, route)) {
            Some(other) => {
                let other_name = routes[other.index].name.clone();
                out.push((route.index, Reason::Tie { other: other_name, example: example(route) }));
            }
            None => group.push(route),
        }
    }
    drop(groups);
    ranked.retain(|route| out.binary_search_by_key(&route.index, |(index, _)| *index).is_err());
    let named =
        |(index, reason): (usize, Reason)| Refused { route: index, name: routes[index].name.clone(), reason };
    refused.extend(out.into_iter().map(named));
}

impl<'a> Group<'a> {
    fn of(route: &'a Ranked) -> Self {
        let head = literal_head(route.matches.path.as_ref());
        let head = head.strip_suffix('/').unwrap_or(head);
        Self { specificity: &route.specificity, host: route.matches.host.as_ref(), head }
    }
}

/// Whether a request exists that both match. Hosts are equal already.
fn overlap(a: &Ranked, b: &Ranked) -> bool {
    beside_hosts_overlap(&a.matches, &b.matches)
}

/// Whether a request exists that both match. Paths are as [`canonical_pattern`](crate::canonical_pattern)
/// writes them.
pub fn can_both_match(a: &Match, b: &Match) -> bool {
    hosts_overlap(a.host.as_ref(), b.host.as_ref()) && beside_hosts_overlap(a, b)
}

fn hosts_overlap(a: Option<&HostPattern>, b: Option<&HostPattern>) -> bool {
    use HostPattern::{Exact, Suffix};
    match (a, b) {
        (None, _) | (_, None) => true,
        (Some(Exact(a)), Some(Exact(b))) => a == b,
        (Some(Exact(host)), Some(Suffix(suffix))) | (Some(Suffix(suffix)), Some(Exact(host))) => {
            host.ends_with(suffix) && host.len() > suffix.len()
        }
        (Some(Suffix(a)), Some(Suffix(b))) => a.ends_with(b) || b.ends_with(a),
    }
}

fn beside_hosts_overlap(a: &Match, b: &Match) -> bool {
    let methods = a.methods.is_empty()
        || b.methods.is_empty()
        || a.methods.iter().any(|method| b.methods.contains(method));
    methods
        && values_overlap(&a.headers, &b.headers)
        && values_overlap(&a.query, &b.query)
        && paths_overlap(a.path.as_ref(), b.path.as_ref())
}

/// Whether no name is asked for two values that exclude each other.
fn values_overlap(a: &[ValueMatch], b: &[ValueMatch]) -> bool {
    a.iter().all(|x| b.iter().filter(|y| y.name == x.name).all(|y| value_overlaps(&x.value, &y.value)))
}

fn value_overlaps(a: &ValuePattern, b: &ValuePattern) -> bool {
    use ValuePattern::{Absent, Exact, Prefix, Present};
    match (a, b) {
        (Absent, Absent) => true,
        (Absent, _) | (_, Absent) => false,
        (Present, _) | (_, Present) => true,
        (Exact(a), Exact(b)) => a == b,
        (Exact(whole), Prefix(start)) | (Prefix(start), Exact(whole)) => whole.starts_with(start),
        (Prefix(a), Prefix(b)) => a.starts_with(b) || b.starts_with(a),
    }
}

fn paths_overlap(a: Option<&PathPattern>, b: Option<&PathPattern>) -> bool {
    // What stands before the first wildcard tells most pairs apart.
    let (head_a, head_b) = (literal_head(a), literal_head(b));
    let both = head_a.len().min(head_b.len());
    if head_a.as_bytes()[..both] != head_b.as_bytes()[..both] {
        return false;
    }
    let (a, b) = (as_pattern(a), as_pattern(b));
    segments_overlap(a.segments(), b.segments())
}

/// All before the first wildcard.
fn literal_head(path: Option<&PathPattern>) -> &str {
    match path {
        None => "",
        Some(PathPattern::Exact(text) | PathPattern::Prefix(text)) => text,
        Some(PathPattern::Pattern(text)) => &text[..text.find(['*', '?']).unwrap_or(text.len())],
    }
}

fn as_pattern(path: Option<&PathPattern>) -> AntPattern {
    match path {
        None => AntPattern::new("/**"),
        Some(PathPattern::Prefix(prefix)) => AntPattern::new(&format!("{prefix}/**")),
        Some(PathPattern::Pattern(pattern)) => AntPattern::new(pattern),
        Some(PathPattern::Exact(path)) => AntPattern::exact(path),
    }
}

/// Whether two patterns have a path in common: a walk over both at once, each `(i, j)` seen once.
fn segments_overlap(a: &[Segment], b: &[Segment]) -> bool {
    // reach[j]: some path leads both patterns to (i, j).
    let mut reach = vec![false; b.len() + 1];
    reach[0] = true;
    for i in 0..=a.len() {
        let mut next = vec![false; b.len() + 1];
        for j in 0..=b.len() {
            if !reach[j] {
                continue;
            }
            let (x, y) = (a.get(i), b.get(j));
            let any_x = matches!(x, Some(Segment::Any));
            let any_y = matches!(y, Some(Segment::Any));
            // `**` may end here, or take the other's segment and stay.
            if any_y || (any_x && y.is_some()) {
                reach[j + 1] = true;
            }
            if any_x || (any_y && x.is_some()) {
                next[j] = true;
            }
            if let (Some(x), Some(y)) = (x, y)
                && x.overlaps(y)
            {
                next[j + 1] = true;
            }
        }
        if i == a.len() {
            return reach[b.len()];
        }
        reach = next;
    }
    false
}

impl Segment {
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Literal(text), Self::Wild(_)) => other.matches(text),
            (Self::Wild(_), Self::Literal(text)) => self.matches(text),
            (Self::Wild(a), Self::Wild(b)) => wilds_overlap(a.as_bytes(), b.as_bytes()),
        }
    }
}

/// Whether two patterns of `*` and `?` have a text in common, as in [`segments_overlap`].
fn wilds_overlap(a: &[u8], b: &[u8]) -> bool {
    let mut reach = vec![false; b.len() + 1];
    reach[0] = true;
    for i in 0..=a.len() {
        let mut next = vec![false; b.len() + 1];
        for j in 0..=b.len() {
            if !reach[j] {
                continue;
            }
            let (x, y) = (a.get(i), b.get(j));
            let (star_x, star_y) = (x == Some(&b'*'), y == Some(&b'*'));
            if star_y || (star_x && y.is_some()) {
                reach[j + 1] = true;
            }
            if star_x || (star_y && x.is_some()) {
                next[j] = true;
            }
            if let (Some(x), Some(y)) = (x, y)
                && (x == y || *x == b'?' || *y == b'?')
            {
                next[j + 1] = true;
            }
        }
        if i == a.len() {
            return reach[b.len()];
        }
        reach = next;
    }
    false
}

/// A route's match in words, for the message of a tie.
fn example(route: &Ranked) -> String {
    let matches = &route.matches;
    let host = match &matches.host {
        None => "",
        Some(HostPattern::Exact(host) | HostPattern::Suffix(host)) => host,
    };
    let path = match &matches.path {
        None => "/**".to_owned(),
        Some(PathPattern::Prefix(prefix)) => format!("{prefix}/**"),
        Some(PathPattern::Exact(path) | PathPattern::Pattern(path)) => path.clone(),
    };
    let star = if matches!(matches.host, Some(HostPattern::Suffix(_))) { "*" } else { "" };
    let method = matches.methods.first().map_or(String::new(), |method| format!("{method} "));
    format!("{method}{star}{host}{path}")
}
