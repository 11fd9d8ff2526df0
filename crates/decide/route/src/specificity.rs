//! Which of two matching routes wins.
//!
//! The first of these that differs decides; there is no other order, least of all that of the file:
//!
//! 1. `priority`, the higher;
//! 2. host: exact, then suffix (the longer), then any;
//! 3. path: exact; then by the number of bytes before the first wildcard (a prefix `/a` counts as `/a/**`, no
//!    path as `/**`), then by the number of all literal bytes, then fewer `**`, fewer `*`, fewer `?`;
//! 4. method: named (fewer of them), then any;
//! 5. headers: the more conditions, then the more of them exact, then the longer prefixes;
//! 6. query parameters: in the same way.
//!
//! Two routes that are equal in all of these and could take the same request are a tie, which is refused.

use std::cmp::{Ordering, Reverse};

use crate::config::{HostPattern, Match, PathPattern, ValueMatch, ValuePattern};

/// How specific a route is. Greater wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    priority: i32,
    host: HostRank,
    path: PathRank,
    methods: MethodRank,
    headers: ValueRank,
    query: ValueRank,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum HostRank {
    Any,
    Suffix(usize),
    Exact,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum PathRank {
    Wild {
        /// Bytes before the first wildcard.
        head: usize,
        /// Literal bytes in all.
        literal: usize,
        double_stars: Reverse<usize>,
        stars: Reverse<usize>,
        marks: Reverse<usize>,
    },
    Exact,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum MethodRank {
    Any,
    Named(Reverse<usize>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct ValueRank {
    conditions: usize,
    exact: usize,
    prefix_bytes: usize,
}

impl Specificity {
    /// How specific a route with this priority and match is.
    pub fn of(priority: i32, matches: &Match) -> Self {
        let Match { host, path, methods, headers, query } = matches;
        Self {
            priority,
            host: match host {
                None => HostRank::Any,
                Some(HostPattern::Suffix(suffix)) => HostRank::Suffix(suffix.len()),
                Some(HostPattern::Exact(_)) => HostRank::Exact,
            },
            path: path_rank(path.as_ref()),
            methods: match methods.len() {
                0 => MethodRank::Any,
                n => MethodRank::Named(Reverse(n)),
            },
            headers: value_rank(headers),
            query: value_rank(query),
        }
    }

    /// Why `self` wins over `other`, or nothing if neither does: "its host is exact, …".
    pub fn why_over(&self, other: &Self) -> Option<String> {
        if self <= other {
            return None;
        }
        let reason = if self.priority != other.priority {
            format!("priority {} is higher than {}", self.priority, other.priority)
        } else if self.host != other.host {
            format!("{} is more specific than {}", self.host.words(), other.host.words())
        } else if self.path != other.path {
            self.path.why_over(&other.path)
        } else if self.methods != other.methods {
            format!("{} is more specific than {}", self.methods.words(), other.methods.words())
        } else if self.headers != other.headers {
            self.headers.why_over(&other.headers, "header")
        } else {
            self.query.why_over(&other.query, "query parameter")
        };
        Some(reason)
    }
}

impl HostRank {
    fn words(&self) -> String {
        match self {
            Self::Any => "any host".to_owned(),
            Self::Suffix(bytes) => format!("a host suffix of {bytes} bytes"),
            Self::Exact => "an exact host".to_owned(),
        }
    }
}

impl PathRank {
    fn why_over(&self, other: &Self) -> String {
        let (
            Self::Wild { head, literal, double_stars, stars, .. },
            Self::Wild { head: head2, literal: literal2, double_stars: double_stars2, stars: stars2, .. },
        ) = (self, other)
        else {
            return "an exact path is more specific than one with wildcards".to_owned();
        };
        match (head.cmp(head2), literal.cmp(literal2)) {
            (Ordering::Equal, Ordering::Equal) if double_stars != double_stars2 => {
                "its path has fewer **".to_owned()
            }
            (Ordering::Equal, Ordering::Equal) if stars != stars2 => "its path has fewer *".to_owned(),
            (Ordering::Equal, Ordering::Equal) => "its path has fewer ?".to_owned(),
            (Ordering::Equal, _) => {
                format!("its path has {literal} literal bytes, the other {literal2}")
            }
            _ => format!("its path has {head} bytes before the first wildcard, the other {head2}"),
        }
    }
}

impl MethodRank {
    fn words(&self) -> String {
        match self {
            Self::Any => "any method".to_owned(),
            Self::Named(Reverse(1)) => "one method".to_owned(),
            Self::Named(Reverse(n)) => format!("one of {n} methods"),
        }
    }
}

impl ValueRank {
    fn why_over(&self, other: &Self, what: &str) -> String {
        if self.conditions != other.conditions {
            format!("it has {} {what} conditions, the other {}", self.conditions, other.conditions)
        } else if self.exact != other.exact {
            format!("more of its {what} conditions are exact")
        } else {
            format!("its {what} prefixes are longer")
        }
    }
}

fn path_rank(path: Option<&PathPattern>) -> PathRank {
    match path {
        Some(PathPattern::Exact(_)) => PathRank::Exact,
        Some(PathPattern::Prefix(prefix)) => wild_rank(&format!("{}/**", prefix.trim_end_matches('/'))),
        Some(PathPattern::Pattern(pattern)) if is_wild(pattern) => wild_rank(pattern),
        Some(PathPattern::Pattern(_)) => PathRank::Exact,
        None => wild_rank("/**"),
    }
}

/// Whether a pattern holds a wildcard; without one it is an exact path.
pub(crate) fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn wild_rank(pattern: &str) -> PathRank {
    let double_stars = pattern.split('/').filter(|segment| *segment == "**").count();
    let all_stars = pattern.matches('*').count();
    let marks = pattern.matches('?').count();
    PathRank::Wild {
        head: pattern.find(['*', '?']).unwrap_or(pattern.len()),
        literal: pattern.len() - all_stars - marks,
        double_stars: Reverse(double_stars),
        stars: Reverse(all_stars - 2 * double_stars),
        marks: Reverse(marks),
    }
}

fn value_rank(conditions: &[ValueMatch]) -> ValueRank {
    let exact = conditions.iter().filter(|c| matches!(c.value, ValuePattern::Exact(_))).count();
    let prefix_bytes = conditions
        .iter()
        .map(|c| match &c.value {
            ValuePattern::Prefix(prefix) => prefix.len(),
            _ => 0,
        })
        .sum();
    ValueRank { conditions: conditions.len(), exact, prefix_bytes }
}
