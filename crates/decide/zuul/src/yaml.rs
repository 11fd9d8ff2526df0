//! An import as the YAML that a person would write for it. What is at its default isn't written.

use std::fmt::Write;
use std::time::Duration;

use haechi_core::units::show_duration;
use haechi_route::config::{
    Action, Balance, Connections, Ejection, Endpoints, Filter, HostPattern, Match, PathPattern, Respond,
    Retry, RetryBudget, Route, Service, StaticEndpoint, Timeouts, ValueMatch, ValuePattern,
};

use crate::Import;

/// The import as a file that `haechi check` accepts, its warnings as comments.
pub fn to_yaml(import: &Import) -> String {
    let mut out = Lines::default();
    for warning in &import.warnings {
        // A line's end in a property's name must not end the comment.
        let text: String =
            warning.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        out.line(0, &format!("# {text}"));
    }
    let in_registry = |service: &Service| matches!(service.endpoints, Endpoints::Registry(_));
    if import.services.values().any(in_registry) {
        out.line(0, "registry:");
        out.line(1, "listen: 0.0.0.0:8761");
    }
    out.line(0, "gateway:");
    out.line(1, "listeners:");
    out.line(2, "- name: web");
    out.line(2, "  listen: 0.0.0.0:8080");
    if !import.routes.is_empty() {
        out.line(1, "routes:");
    }
    for route in &import.routes {
        write_route(&mut out, route);
    }
    if !import.services.is_empty() {
        out.line(0, "services:");
    }
    for (name, service) in &import.services {
        out.line(1, &format!("{}:", scalar(name.as_str())));
        write_service(&mut out, service);
    }
    out.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.0, "{:indent$}{text}", "", indent = depth * 2);
    }

    /// `key:` and what is below it, if there is anything.
    fn section(&mut self, depth: usize, key: &str, fields: &[(&str, String)]) {
        if fields.is_empty() {
            return;
        }
        self.line(depth, &format!("{key}:"));
        for (name, value) in fields {
            self.line(depth + 1, &format!("{name}: {value}"));
        }
    }
}

fn write_route(out: &mut Lines, route: &Route) {
    out.line(2, &format!("- name: {}", scalar(route.name.as_str())));
    write_match(out, &route.matches);
    if route.priority != 0 {
        out.line(3, &format!("priority: {}", route.priority));
    }
    let mut filters = route.filters.as_slice();
    if let [Filter::StripPrefix(prefix), rest @ ..] = filters {
        out.line(3, &format!("strip-prefix: {}", scalar(prefix)));
        filters = rest;
    }
    if !filters.is_empty() {
        out.line(3, "filters:");
    }
    for filter in filters {
        out.line(4, &format!("- {}", filter_text(filter)));
    }
    out.section(3, "timeouts", &timeouts(&route.timeouts));
    out.section(3, "retry", &retry(&route.retry));
    match &route.action {
        Action::Service(name) => out.line(3, &format!("service: {}", scalar(name.as_str()))),
        Action::Respond(Respond { status, body, .. }) => {
            let mut fields = vec![("status", status.to_string())];
            if !body.is_empty() {
                fields.push(("body", scalar(body)));
            }
            out.section(3, "respond", &fields);
        }
        // Zuul's properties lead to no other action.
        Action::Redirect(_) | Action::Files(_) => {}
    }
}

fn write_match(out: &mut Lines, matches: &Match) {
    let mut fields = Vec::new();
    match &matches.host {
        Some(HostPattern::Exact(host)) => fields.push(("host", scalar(host))),
        Some(HostPattern::Suffix(suffix)) => fields.push(("host", scalar(&format!("*{suffix}")))),
        None => {}
    }
    match &matches.path {
        Some(PathPattern::Prefix(prefix)) => fields.push(("path", scalar(&format!("{prefix}/**")))),
        Some(PathPattern::Exact(path) | PathPattern::Pattern(path)) => fields.push(("path", scalar(path))),
        None => {}
    }
    if !matches.methods.is_empty() {
        fields.push(("methods", format!("[{}]", matches.methods.join(", "))));
    }
    for (key, values) in [("headers", &matches.headers), ("query", &matches.query)] {
        if !values.is_empty() {
            let list: Vec<String> = values.iter().map(value_text).collect();
            fields.push((key, format!("{{ {} }}", list.join(", "))));
        }
    }
    if fields.is_empty() {
        out.line(3, "match: {}");
    }
    out.section(3, "match", &fields);
}

fn value_text(value: &ValueMatch) -> String {
    let condition = match &value.value {
        ValuePattern::Present => "{ present: true }".to_owned(),
        ValuePattern::Absent => "{ present: false }".to_owned(),
        ValuePattern::Exact(text) => format!("{{ exact: {} }}", quoted(text)),
        ValuePattern::Prefix(text) => format!("{{ prefix: {} }}", quoted(text)),
    };
    format!("{}: {condition}", quoted(&value.name))
}

fn filter_text(filter: &Filter) -> String {
    let header = |key: &str, name: &str, value: &str| {
        format!("{key}: {{ name: {}, value: {} }}", quoted(name), quoted(value))
    };
    match filter {
        Filter::StripPrefix(prefix) => format!("strip-prefix: {}", scalar(prefix)),
        Filter::RewritePrefix { from, to } => {
            format!("rewrite-prefix: {{ from: {}, to: {} }}", quoted(from), quoted(to))
        }
        Filter::RewritePath(path) => format!("rewrite-path: {}", scalar(path)),
        Filter::RewriteHost(host) => format!("rewrite-host: {}", scalar(host)),
        Filter::KeepHost => "keep-host: true".to_owned(),
        Filter::SetRequestHeader(name, value) => header("set-request-header", name, value),
        Filter::RemoveRequestHeader(name) => format!("remove-request-header: {}", scalar(name)),
        Filter::SetResponseHeader(name, value) => header("set-response-header", name, value),
        Filter::RemoveResponseHeader(name) => format!("remove-response-header: {}", scalar(name)),
        Filter::NoForwardedHeaders => "forwarded-headers: false".to_owned(),
        Filter::ForwardedPrefix => "forwarded-prefix: true".to_owned(),
        // Zuul's properties lead to no such filter.
        Filter::Compress(_) => "compress: {}".to_owned(),
    }
}

fn timeouts(timeouts: &Timeouts) -> Vec<(&'static str, String)> {
    let default = Timeouts::default();
    durations(&[
        ("connect", timeouts.connect, default.connect),
        ("first-byte", timeouts.first_byte, default.first_byte),
        ("idle", timeouts.idle, default.idle),
        ("request", timeouts.request, default.request),
    ])
}

fn durations(list: &[(&'static str, Duration, Duration)]) -> Vec<(&'static str, String)> {
    let changed = list.iter().filter(|(_, value, default)| value != default);
    changed.map(|(key, value, _)| (*key, show_duration(*value))).collect()
}

fn retry(retry: &Retry) -> Vec<(&'static str, String)> {
    let default = Retry::default();
    let mut fields = Vec::new();
    if retry.attempts != default.attempts {
        fields.push(("attempts", retry.attempts.to_string()));
    }
    if retry.idempotent != default.idempotent {
        fields.push(("idempotent", retry.idempotent.to_string()));
    }
    if !retry.statuses.is_empty() {
        let list: Vec<String> = retry.statuses.iter().map(u16::to_string).collect();
        fields.push(("statuses", format!("[{}]", list.join(", "))));
    }
    fields
}

fn write_service(out: &mut Lines, service: &Service) {
    match &service.endpoints {
        Endpoints::Registry(name) => {
            out.line(2, &format!("endpoints: {{ registry: {} }}", scalar(name.as_str())));
        }
        Endpoints::Dns { host, port } => out.line(2, &format!("endpoints: {{ dns: \"{host}:{port}\" }}")),
        Endpoints::Static(list) => {
            let list: Vec<String> = list.iter().map(endpoint_text).collect();
            out.line(2, &format!("endpoints: [{}]", list.join(", ")));
        }
    }
    match service.balance {
        Balance::P2c => {}
        Balance::RoundRobin => out.line(2, "balance: round-robin"),
        Balance::Random => out.line(2, "balance: random"),
    }
    out.section(2, "ejection", &ejection(&service.ejection));
    out.section(2, "retry-budget", &retry_budget(&service.retry_budget));
    out.section(2, "connections", &connections(&service.connections));
}

fn endpoint_text(endpoint: &StaticEndpoint) -> String {
    const USUAL_WEIGHT: u16 = 100;
    let StaticEndpoint { address, weight } = endpoint;
    if *weight == USUAL_WEIGHT {
        format!("\"{address}\"")
    } else {
        format!("{{ address: \"{address}\", weight: {weight} }}")
    }
}

fn ejection(ejection: &Ejection) -> Vec<(&'static str, String)> {
    let default = Ejection::default();
    let mut fields = Vec::new();
    if ejection.enabled != default.enabled {
        fields.push(("enabled", ejection.enabled.to_string()));
    }
    if ejection.consecutive != default.consecutive {
        fields.push(("consecutive", ejection.consecutive.to_string()));
    }
    fields.extend(durations(&[("base", ejection.base, default.base), ("max", ejection.max, default.max)]));
    fields
}

fn retry_budget(budget: &RetryBudget) -> Vec<(&'static str, String)> {
    let default = RetryBudget::default();
    [
        ("percent", budget.percent, default.percent),
        ("floor-per-second", budget.floor_per_second, default.floor_per_second),
        ("burst", budget.burst, default.burst),
    ]
    .into_iter()
    .filter(|(_, value, default)| value != default)
    .map(|(key, value, _)| (key, value.to_string()))
    .collect()
}

fn connections(connections: &Connections) -> Vec<(&'static str, String)> {
    let default = Connections::default();
    let mut fields = Vec::new();
    if connections.idle_per_endpoint != default.idle_per_endpoint {
        fields.push(("idle-per-endpoint", connections.idle_per_endpoint.to_string()));
    }
    if connections.requests != default.requests {
        fields.push(("requests", connections.requests.to_string()));
    }
    if connections.in_flight != default.in_flight {
        fields.push(("in-flight", connections.in_flight.to_string()));
    }
    fields.extend(durations(&[
        ("idle-timeout", connections.idle_timeout, default.idle_timeout),
        ("lifetime", connections.lifetime, default.lifetime),
    ]));
    fields
}

/// A text, quoted unless every reader takes it for a text as it is.
fn scalar(text: &str) -> String {
    const NOT_TEXTS: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '*'));
    if starts && plain && !NOT_TEXTS.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// YAML's double quotes, with escapes that JSON has too.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
