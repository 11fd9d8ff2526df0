//! Routes in the form that the table works with, and why a route can't be had.

use haechi_core::RouteName;

use crate::config::{HostPattern, Match, PathPattern};
use crate::path::{BadPath, normal_literal, normal_pattern};
use crate::specificity::is_wild;

/// The longest path a route may match, in bytes.
pub const MAX_PATTERN_BYTES: usize = 2048;
/// The most segments a route's path may have.
pub const MAX_SEGMENTS: usize = 64;
/// The longest host, in bytes (RFC 1035 §2.3.4).
pub const MAX_HOST_BYTES: usize = 255;

/// A route that the table doesn't have; all others work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("route {name}: {reason}")]
pub struct Refused {
    /// Its index.
    pub route: usize,
    /// Its name.
    pub name: RouteName,
    /// Why.
    pub reason: Reason,
}

/// Why a route is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Neither is more specific, and a request exists that both match.
    #[error(
        "ties with route {other}: both match {example} and neither is more specific; \
         narrow one of them or give one a higher priority"
    )]
    Tie {
        /// The route that stays.
        other: RouteName,
        /// What both match, in words.
        example: String,
    },
    /// Its name is taken.
    #[error("another route has the same name")]
    NameTaken,
    /// Its path matches no request that is let in.
    #[error("path {path:?}: {why}")]
    Path {
        /// As written.
        path: String,
        /// What is wrong.
        why: BadPath,
    },
    /// Its path is too long.
    #[error("the path has more than {MAX_PATTERN_BYTES} bytes or {MAX_SEGMENTS} segments")]
    PathTooLong,
    /// Its host is no host.
    #[error("host {0:?} is not a host name, or *. and a host name, in lower case and without a port")]
    Host(String),
    /// A method is no token (RFC 9110 §9.1).
    #[error("method {0:?} is not a method's name")]
    Method(String),
}

/// A match whose texts have the form that requests are brought into.
pub(crate) fn normal(matches: &Match) -> Result<Match, Reason> {
    let mut normal = matches.clone();
    if let Some(host) = &matches.host {
        check_host(host)?;
    }
    if let Some(method) = matches.methods.iter().find(|method| !is_token(method)) {
        return Err(Reason::Method(method.clone()));
    }
    normal.methods.sort();
    normal.methods.dedup();
    for header in &mut normal.headers {
        header.name.make_ascii_lowercase();
    }
    normal.path = matches.path.as_ref().map(normal_path).transpose()?;
    Ok(normal)
}

fn normal_path(path: &PathPattern) -> Result<PathPattern, Reason> {
    let text = match path {
        PathPattern::Exact(text) | PathPattern::Prefix(text) | PathPattern::Pattern(text) => text,
    };
    if text.len() > MAX_PATTERN_BYTES || text.split('/').count() > MAX_SEGMENTS {
        return Err(Reason::PathTooLong);
    }
    let bad = |why| Reason::Path { path: text.clone(), why };
    Ok(match path {
        PathPattern::Exact(text) => PathPattern::Exact(normal_literal(text).map_err(bad)?),
        PathPattern::Prefix(text) if text.is_empty() => PathPattern::Prefix(String::new()),
        PathPattern::Prefix(text) => {
            let normal = normal_literal(text).map_err(bad)?;
            PathPattern::Prefix(normal.trim_end_matches('/').to_owned())
        }
        PathPattern::Pattern(text) => of_pattern(normal_pattern(text).map_err(bad)?),
    })
}

/// A pattern of `?`, `*` and `**` in the form that is found fastest: a prefix, an exact path or a pattern, its
/// literal parts in the form of requests' paths.
pub fn canonical_pattern(pattern: &str) -> Result<PathPattern, Reason> {
    normal_path(&PathPattern::Pattern(pattern.to_owned()))
}

/// `/a/**` is a prefix and a pattern without wildcards an exact path: both are found faster that way.
fn of_pattern(mut pattern: String) -> PathPattern {
    while pattern.contains("/**/**") {
        pattern = pattern.replace("/**/**", "/**");
    }
    if !is_wild(&pattern) {
        return PathPattern::Exact(pattern);
    }
    match pattern.strip_suffix("/**") {
        Some(prefix) if !is_wild(prefix) => PathPattern::Prefix(prefix.to_owned()),
        _ => PathPattern::Pattern(pattern),
    }
}

fn check_host(host: &HostPattern) -> Result<(), Reason> {
    let (name, shown) = match host {
        HostPattern::Exact(name) => (Some(name.as_str()), name.clone()),
        HostPattern::Suffix(suffix) => (suffix.strip_prefix('.'), format!("*{suffix}")),
    };
    let fine = name.is_some_and(|name| {
        !name.is_empty()
            && name.len() <= MAX_HOST_BYTES
            && !name.starts_with('.')
            && !name.ends_with('.')
            && (is_host_name(name) || is_bracketed(name))
    });
    if fine { Ok(()) } else { Err(Reason::Host(shown)) }
}

fn is_host_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'))
}

/// An IPv6 address as authorities hold it.
fn is_bracketed(name: &str) -> bool {
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    inside.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
