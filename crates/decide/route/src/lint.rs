//! What is wrong with a configuration although each value in it is one that can be. All problems at once.

use std::collections::BTreeSet;
use std::fmt;

use haechi_core::ServiceName;

use crate::config::{
    Action, Endpoints, Filter, GatewayConfig, ListenerProtocol, PathPattern, Redirect, RedirectPath, Respond,
    Route, Service,
};
use crate::path::normal_literal;
use crate::table::RouteTable;
use crate::valid::is_token;

/// Headers that the gateway writes itself: to set or remove one would break the message's framing or hide who
/// sent it on (RFC 9110 §7.6.1, RFC 9112 §6).
const OWN_HEADERS: &[&str] =
    &["connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "host"];

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but hardly as meant.
    Warning,
    /// The route or service can't work.
    Error,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where: `route hello`, `service x`.
    pub place: String,
    /// What, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Every problem of a configuration: refused routes, then each route and service in order.
pub fn lint(config: &GatewayConfig) -> Vec<Problem> {
    let mut lint = Lint::default();
    for refused in RouteTable::build(&config.routes).1 {
        lint.at(format!("route {}", refused.name)).error(refused.reason.to_string());
    }
    let mut used: BTreeSet<&ServiceName> = BTreeSet::new();
    for route in &config.routes {
        lint.at(format!("route {}", route.name));
        if let Action::Service(name) = &route.action {
            used.insert(name);
            if !config.services.contains_key(name) {
                lint.error(format!("service {name} is not there; add it to services"));
            }
        }
        lint.route(route);
    }
    for route in &config.layer4 {
        lint.at(format!("{}-route {}", route.kind.as_str(), route.name));
        used.insert(&route.service);
        if !config.services.contains_key(&route.service) {
            lint.error(format!("service {} is not there; add it to services", route.service));
        }
        let kind = ListenerProtocol::Layer4(route.kind);
        if config.listeners.get(&route.listener).is_none_or(|listener| listener.protocol != kind) {
            let kind = route.kind.as_str();
            lint.error(format!("there is no listener {} with protocol {kind}", route.listener));
        }
    }
    for (name, service) in &config.services {
        lint.at(format!("service {name}"));
        if !used.contains(name) {
            lint.warning("no route leads to it".to_owned());
        }
        lint.service(service);
    }
    lint.problems
}

/// Whether a filter may set or remove this header; if not, why.
pub fn changeable_header(name: &str) -> Result<(), String> {
    if !is_token(name) {
        Err(format!("{name:?} is not a header's name"))
    } else if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        Err(format!("the gateway writes header {name} itself; it can't be set or removed"))
    } else {
        Ok(())
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic())
}

#[derive(Default)]
struct Lint {
    place: String,
    problems: Vec<Problem>,
}

impl Lint {
    fn at(&mut self, place: String) -> &mut Self {
        self.place = place;
        self
    }

    fn add(&mut self, severity: Severity, message: String) {
        self.problems.push(Problem { severity, place: self.place.clone(), message });
    }

    fn error(&mut self, message: String) {
        self.add(Severity::Error, message);
    }

    fn warning(&mut self, message: String) {
        self.add(Severity::Warning, message);
    }

    fn route(&mut self, route: &Route) {
        self.action(&route.action);
        if route.retry.attempts == 0 {
            self.error("retry.attempts is 0; 1 is no retry".to_owned());
        }
        let timeouts = &route.timeouts;
        for (name, bound) in
            [("connect", timeouts.connect), ("first-byte", timeouts.first_byte), ("idle", timeouts.idle)]
        {
            if bound.is_zero() {
                self.error(format!("timeouts.{name} is 0; it must be longer"));
            }
        }
        let names = route.matches.headers.iter().map(|header| &header.name);
        for name in names.filter(|name| !is_token(name)) {
            self.error(format!("{name:?} is not a header's name"));
        }
        for filter in &route.filters {
            self.filter(route, filter);
        }
    }

    fn action(&mut self, action: &Action) {
        match action {
            Action::Service(_) => {}
            Action::Respond(Respond { status, headers, content_type, .. }) => {
                if !(200..=599).contains(status) {
                    self.error(format!("status {status} is not from 200 to 599"));
                }
                self.value("content-type", content_type);
                for (name, value) in headers {
                    self.header(name);
                    self.value(name, value);
                }
            }
            Action::Files(files) => {
                for value in files.cache_control.iter().chain(files.types.iter().map(|(_, media)| media)) {
                    self.value("cache-control or content-type", value);
                }
            }
            Action::Redirect(Redirect { status, host, path, .. }) => {
                if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                    self.error(format!("status {status} is not a redirect's"));
                }
                if host.as_ref().is_some_and(|host| !is_host(host)) {
                    self.error(format!("redirect.host: {:?} is not a host", host.as_deref().unwrap_or("")));
                }
                match path {
                    RedirectPath::Keep => {}
                    RedirectPath::Full(path) => self.path("redirect.path", path),
                    RedirectPath::Prefix { from, to } => {
                        for prefix in [from, to].into_iter().filter(|prefix| !prefix.is_empty()) {
                            self.path("redirect.prefix", prefix);
                        }
                    }
                }
            }
        }
    }

    /// RFC 9110 §5.5: a line's end here would let a value add fields of its own.
    fn value(&mut self, name: &str, value: &str) {
        if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
            self.error(format!("the value of header {name} holds a control character"));
        }
    }

    fn filter(&mut self, route: &Route, filter: &Filter) {
        match filter {
            Filter::StripPrefix(prefix) => self.prefix(route, "strip-prefix", prefix),
            Filter::RewritePrefix { from, to } => {
                self.prefix(route, "rewrite-prefix.from", from);
                self.path("rewrite-prefix.to", to);
            }
            Filter::RewritePath(path) => self.path("rewrite-path", path),
            Filter::RewriteHost(host) if !is_host(host) => {
                self.error(format!("rewrite-host: {host:?} is not a host"));
            }
            Filter::SetRequestHeader(name, value) | Filter::SetResponseHeader(name, value) => {
                self.header(name);
                self.value(name, value);
            }
            Filter::RemoveRequestHeader(name) | Filter::RemoveResponseHeader(name) => self.header(name),
            _ => {}
        }
    }

    fn header(&mut self, name: &str) {
        if let Err(problem) = changeable_header(name) {
            self.error(problem);
        }
    }

    fn path(&mut self, what: &str, path: &str) {
        match normal_literal(path) {
            Ok(normal) if normal == path => {}
            Ok(normal) => self.error(format!("{what}: write {normal:?} for {path:?}")),
            Err(problem) => self.error(format!("{what} {path:?}: {problem}")),
        }
    }

    /// A prefix that no request of the route has would silently change nothing.
    fn prefix(&mut self, route: &Route, what: &str, prefix: &str) {
        self.path(what, prefix);
        let path = match &route.matches.path {
            Some(PathPattern::Exact(path) | PathPattern::Prefix(path)) => path.as_str(),
            Some(PathPattern::Pattern(path)) => &path[..path.find(['*', '?']).unwrap_or(path.len())],
            None => "",
        };
        let bare = prefix.trim_end_matches('/');
        let within = path.strip_prefix(bare).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !within {
            self.warning(format!("{what} {prefix}: not every path of the route starts with it"));
        }
    }

    fn service(&mut self, service: &Service) {
        if let Endpoints::Static(list) = &service.endpoints {
            if list.iter().all(|endpoint| endpoint.weight == 0) {
                self.error("it has no endpoint with a weight above 0".to_owned());
            }
            let mut seen = BTreeSet::new();
            for endpoint in list.iter().filter(|endpoint| !seen.insert(&endpoint.address)) {
                self.warning(format!("endpoint {} is there twice; the first counts", endpoint.address));
            }
        }
        if service.ejection.base > service.ejection.max {
            self.error("ejection.base is longer than ejection.max".to_owned());
        }
    }
}
