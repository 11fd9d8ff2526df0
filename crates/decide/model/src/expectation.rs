//! A line of `expect`: what a request would meet.

use crate::format::{METHODS, Misfit, is_token};

/// A line of `expect`, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Method.
    pub method: String,
    /// Whether the URL's scheme is https.
    pub secure: bool,
    /// Host without port, lower case.
    pub host: String,
    /// Path, beginning with `/`.
    pub path: String,
    /// Query, without `?`.
    pub query: Option<String>,
    /// What must become of it.
    pub becomes: Becomes,
}

/// What must become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// This route takes it.
    Route(String),
    /// The gateway itself answers it with this status.
    Status(u16),
}

/// Reads a line.
pub(crate) fn parse(line: &str) -> Result<Expectation, Misfit> {
    let misfit = |message: String| Misfit {
        message,
        help: Some(
            "write METHOD URL -> ROUTE, for example `GET http://shop.example/hello/id -> hello`".to_owned(),
        ),
    };
    let (request, becomes) = line.split_once("->").ok_or_else(|| misfit(format!("{line:?} has no `->`")))?;
    let mut words = request.split_whitespace();
    let (Some(method), Some(url), None) = (words.next(), words.next(), words.next()) else {
        return Err(misfit(format!("{:?} is not a method and a URL", request.trim())));
    };
    if !method.bytes().all(is_token)
        || (!METHODS.contains(&method) && METHODS.contains(&&*method.to_uppercase()))
    {
        return Err(misfit(format!("{method:?} is not a method")));
    }
    let (secure, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(misfit(format!("{url:?} doesn't begin with http:// or https://"))),
    };
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    if host.is_empty() {
        return Err(misfit(format!("{url:?} has no host")));
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let becomes = becomes.trim();
    if becomes.is_empty() || becomes.contains(char::is_whitespace) {
        return Err(misfit(format!("{becomes:?} is not a route's name or a status")));
    }
    let becomes = match becomes.parse::<u16>() {
        Ok(status) if (200..600).contains(&status) => Becomes::Status(status),
        _ => Becomes::Route(becomes.to_owned()),
    };
    Ok(Expectation {
        method: method.to_owned(),
        secure,
        host: host.to_ascii_lowercase(),
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        query,
        becomes,
    })
}
