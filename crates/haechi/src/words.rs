//! Configuration values in words, for the console, `status` and `explain`; and errors.

use std::io::ErrorKind;
use std::net::SocketAddr;

use haechi_net::listen::ListenError;
use haechi_route::config::{
    Action, Balance, Filter, HostPattern, Match, PathPattern, ValueMatch, ValuePattern,
};

/// The error with its causes, and with what to do when a listener's port is taken. An error that tells its cause already
/// is not followed by it once more.
pub fn error(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !words.ends_with(&cause) {
            let colon = if words.is_empty() { "" } else { ": " };
            words = format!("{words}{colon}{cause}");
        }
    }
    let mut taken = error.chain().filter_map(|cause| cause.downcast_ref::<ListenError>());
    let taken = taken.find(|error| error.source.kind() == ErrorKind::AddrInUse);
    // A Unix socket has no port, and its error says more.
    if let Some(Ok(address)) = taken.map(|error| error.address.parse::<SocketAddr>()) {
        let port = address.port();
        return format!(
            "{words}; stop what is there, or name another port in the file (`ss -lntup 'sport = :{port}'` shows who has it)"
        );
    }
    words
}

/// A match: `GET shop.example /hello/** header x-canary=yes`.
pub fn matches(m: &Match) -> String {
    let mut words = Vec::new();
    if !m.methods.is_empty() {
        words.push(m.methods.join("|"));
    }
    match &m.host {
        Some(HostPattern::Exact(host)) => words.push(host.clone()),
        Some(HostPattern::Suffix(suffix)) => words.push(format!("*{suffix}")),
        None => {}
    }
    words.push(m.path.as_ref().map_or_else(|| "/**".to_owned(), path));
    words.extend(m.headers.iter().map(|header| format!("header {}", value(header))));
    words.extend(m.query.iter().map(|query| format!("query {}", value(query))));
    words.join(" ")
}

fn path(pattern: &PathPattern) -> String {
    match pattern {
        PathPattern::Exact(path) => format!("{path} exactly"),
        PathPattern::Prefix(prefix) => format!("{prefix}/**"),
        PathPattern::Pattern(pattern) => pattern.clone(),
    }
}

fn value(m: &ValueMatch) -> String {
    match &m.value {
        ValuePattern::Present => m.name.clone(),
        ValuePattern::Absent => format!("{} absent", m.name),
        ValuePattern::Exact(text) => format!("{}={text}", m.name),
        ValuePattern::Prefix(text) => format!("{}={text}…", m.name),
    }
}

/// Where requests go.
pub fn action(action: &Action) -> String {
    match action {
        Action::Service(name) => name.to_string(),
        Action::Respond(respond) => format!("answered here: {}", respond.status),
        Action::Files(files) => format!("files of {}", files.root.display()),
        Action::Redirect(redirect) => format!("sent elsewhere: {}", redirect.status),
    }
}

/// How an endpoint is picked.
pub fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::P2c => "the better of two (P2C)",
        Balance::RoundRobin => "turns",
        Balance::Random => "chance",
    }
}

/// A filter.
pub fn filter(filter: &Filter) -> String {
    match filter {
        Filter::StripPrefix(prefix) => format!("strip {prefix} off the path"),
        Filter::RewritePrefix { from, to } => format!("path prefix {from} becomes {to}"),
        Filter::RewritePath(path) => format!("the path becomes {path}"),
        Filter::RewriteHost(host) => format!("Host becomes {host}"),
        Filter::KeepHost => "the client's Host is kept".to_owned(),
        Filter::SetRequestHeader(name, value) => format!("request header {name}: {value}"),
        Filter::RemoveRequestHeader(name) => format!("request header {name} removed"),
        Filter::SetResponseHeader(name, value) => format!("response header {name}: {value}"),
        Filter::RemoveResponseHeader(name) => format!("response header {name} removed"),
        Filter::NoForwardedHeaders => "no X-Forwarded headers".to_owned(),
        Filter::ForwardedPrefix => "X-Forwarded-Prefix tells what was stripped".to_owned(),
        Filter::Compress(compress) => {
            let names: Vec<&str> = compress.encodings.iter().map(|coding| coding.token()).collect();
            format!("answers are compressed with {}", names.join(", "))
        }
    }
}

/// `1 route`, `2 routes`.
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
