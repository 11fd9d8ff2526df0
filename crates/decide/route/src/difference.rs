//! What changed between two configurations, as lines for people:
//! `route hello: timeouts.first-byte 1s → 2s`.

mod tls_words;

use std::fmt::{self, Write as _};

use haechi_core::units::show_duration;

use crate::config::{
    AccessLog, Action, Balance, Compress, Endpoints, Files, Filter, GatewayConfig, Layer4Route, Limits,
    LogFormat, Protocol, ProxyFrom, ProxyVersion, Redirect, RedirectPath, Respond, Route, Service, Symlinks,
};
use crate::explain::{host_words, path_words, value_words};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changed: `route hello`, `service x`, `listener web`, `access-log`, `limits`.
    pub subject: String,
    /// How.
    pub kind: ChangeKind,
}

/// How something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// One of its fields is another.
    Field {
        /// The field, as in the file: `timeouts.first-byte`.
        field: &'static str,
        /// What it was.
        from: String,
        /// What it is.
        to: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.subject)?;
        match &self.kind {
            ChangeKind::Added => f.write_str("added"),
            ChangeKind::Removed => f.write_str("removed"),
            ChangeKind::Field { field, from, to } => write!(f, "{field} {from} → {to}"),
        }
    }
}

/// Bytes of a text that are shown whole.
const SHOWN: usize = 200;

/// The fields of a thing in words, always the same ones in the same order.
type Fields = Vec<(&'static str, String)>;

/// Everything that is different in `new`, listeners first, then routes, services and the rest. Empty exactly if
/// the two behave the same; the order of routes means nothing.
pub fn difference(old: &GatewayConfig, new: &GatewayConfig) -> Vec<Change> {
    let mut changes = Vec::new();
    let listeners = |config: &GatewayConfig| {
        let one = |(name, listener): (&String, &crate::config::Listener)| {
            let tls = listener.tls.as_ref().map_or_else(|| "none".to_owned(), tls_words::of_listener);
            let http2 = listener.http2.to_string();
            let http3 = listener.http3.as_ref().map_or_else(|| "none".to_owned(), of_http3);
            let redirect =
                listener.redirect_to_https.map_or_else(|| "none".to_owned(), |port| port.to_string());
            let fields = vec![
                ("listen", listener.listen.to_string()),
                ("mode", format!("{:o}", listener.mode)),
                ("protocol", listener.protocol.as_str().to_owned()),
                ("http2", http2),
                ("http3", http3),
                ("tls", tls),
                ("redirect-to-https", redirect),
                ("proxy-protocol", proxy_words(listener.proxy_protocol.as_ref())),
            ];
            (format!("listener {name}"), fields)
        };
        config.listeners.iter().map(one).collect()
    };
    compare(&listeners(old), &listeners(new), &mut changes);
    routes(old, new, &mut changes);
    compare(&layer4(old), &layer4(new), &mut changes);
    let services = |config: &GatewayConfig| {
        config
            .services
            .iter()
            .map(|(name, service)| (format!("service {name}"), of_service(service)))
            .collect()
    };
    compare(&services(old), &services(new), &mut changes);
    let rest = |config: &GatewayConfig| {
        let log = config.access_log.iter().map(|log| ("access-log".to_owned(), of_access_log(log)));
        log.chain([("limits".to_owned(), of_limits(&config.limits))]).collect()
    };
    compare(&rest(old), &rest(new), &mut changes);
    changes
}

/// Routes of what is passed on unread.
fn layer4(config: &GatewayConfig) -> Vec<(String, Fields)> {
    let one = |route: &Layer4Route| {
        let fields = vec![
            ("listener", route.listener.clone()),
            ("hosts", listed(route.hosts.iter().map(host_words))),
            ("service", route.service.to_string()),
            ("timeouts.connect", show_duration(route.connect_timeout)),
            ("idle", show_duration(route.idle_timeout)),
            ("attempts", route.attempts.to_string()),
        ];
        (format!("{}-route {}", route.kind.as_str(), route.name), fields)
    };
    let mut routes: Vec<_> = config.layer4.iter().map(one).collect();
    routes.sort();
    routes
}

fn of_http3(http3: &crate::config::Http3) -> String {
    let port = http3.port.map(|port| format!(" at port {port}")).unwrap_or_default();
    format!("announced for {}{port}", show_duration(http3.max_age))
}

/// Words are made of routes that differ alone: there may be many thousands.
fn routes(old: &GatewayConfig, new: &GatewayConfig, changes: &mut Vec<Change>) {
    // Most routes stand where they stood and are the same: those need no looking for.
    let stays = |index: usize| old.routes.get(index) == new.routes.get(index);
    let sorted = |config: &GatewayConfig| {
        let mut routes: Vec<usize> = (0..config.routes.len()).filter(|index| !stays(*index)).collect();
        routes.sort_by(|a, b| config.routes[*a].name.cmp(&config.routes[*b].name));
        routes
    };
    let (before, after) = (sorted(old), sorted(new));
    let twin = |route: &Route, order: &[usize], config: &GatewayConfig| {
        let place = order.binary_search_by(|index| config.routes[*index].name.cmp(&route.name)).ok()?;
        Some(order[place])
    };
    let words = |config: &GatewayConfig, other: &GatewayConfig, order: &[usize], others: &[usize]| {
        let differs = |index: &&usize| {
            let route = &config.routes[**index];
            twin(route, others, other).is_none_or(|twin| other.routes[twin] != *route)
        };
        let one = |index: &usize| {
            let route = &config.routes[*index];
            (format!("route {}", route.name), of_route(route))
        };
        order.iter().filter(differs).map(one).collect()
    };
    compare(&words(old, new, &before, &after), &words(new, old, &after, &before), changes);
}

/// Compares two lists that are sorted by their subjects.
fn compare(old: &Vec<(String, Fields)>, new: &Vec<(String, Fields)>, changes: &mut Vec<Change>) {
    let find = |list: &Vec<(String, Fields)>, subject: &str| {
        list.binary_search_by(|(other, _)| other.as_str().cmp(subject)).ok()
    };
    for (subject, _) in old {
        if find(new, subject).is_none() {
            changes.push(Change { subject: subject.clone(), kind: ChangeKind::Removed });
        }
    }
    for (subject, fields) in new {
        let Some(before) = find(old, subject) else {
            changes.push(Change { subject: subject.clone(), kind: ChangeKind::Added });
            continue;
        };
        for ((field, from), (_, to)) in old[before].1.iter().zip(fields) {
            if from != to {
                let kind = ChangeKind::Field { field, from: from.clone(), to: to.clone() };
                changes.push(Change { subject: subject.clone(), kind });
            }
        }
    }
}

fn of_route(route: &Route) -> Fields {
    let Route { name: _, matches, priority, filters, action, timeouts, retry } = route;
    let any = || "any".to_owned();
    vec![
        ("match.host", matches.host.as_ref().map_or_else(any, host_words)),
        ("match.path", path_words(matches.path.as_ref())),
        ("match.methods", listed(matches.methods.iter().cloned())),
        ("match.headers", listed(matches.headers.iter().map(value_words))),
        ("match.query", listed(matches.query.iter().map(value_words))),
        ("priority", priority.to_string()),
        ("filters", listed(filters.iter().map(filter_words))),
        ("action", action_words(action)),
        ("timeouts.connect", show_duration(timeouts.connect)),
        ("timeouts.first-byte", show_duration(timeouts.first_byte)),
        ("timeouts.idle", show_duration(timeouts.idle)),
        ("timeouts.request", show_duration(timeouts.request)),
        ("retry.attempts", retry.attempts.to_string()),
        ("retry.idempotent", retry.idempotent.to_string()),
        ("retry.statuses", listed(retry.statuses.iter().map(u16::to_string))),
    ]
}

fn of_service(service: &Service) -> Fields {
    let Service { endpoints, balance, ejection, retry_budget, connections, protocol, tls, proxy_protocol } =
        service;
    vec![
        ("endpoints", endpoints_words(endpoints)),
        ("balance", balance_words(*balance).to_owned()),
        ("ejection.enabled", ejection.enabled.to_string()),
        ("ejection.consecutive", ejection.consecutive.to_string()),
        ("ejection.base", show_duration(ejection.base)),
        ("ejection.max", show_duration(ejection.max)),
        ("retry-budget.percent", retry_budget.percent.to_string()),
        ("retry-budget.floor-per-second", retry_budget.floor_per_second.to_string()),
        ("retry-budget.burst", retry_budget.burst.to_string()),
        ("connections.idle-per-endpoint", connections.idle_per_endpoint.to_string()),
        ("connections.idle-timeout", show_duration(connections.idle_timeout)),
        ("connections.lifetime", show_duration(connections.lifetime)),
        ("connections.requests", connections.requests.to_string()),
        ("connections.in-flight", connections.in_flight.to_string()),
        ("protocol", protocol_words(*protocol).to_owned()),
        ("tls", tls.as_ref().map_or_else(|| "none".to_owned(), tls_words::of_service)),
        (
            "proxy-protocol",
            match proxy_protocol {
                None => "none",
                Some(ProxyVersion::V1) => "v1",
                Some(ProxyVersion::V2) => "v2",
            }
            .to_owned(),
        ),
    ]
}

/// Whose connections begin with a header.
fn proxy_words(proxy: Option<&ProxyFrom>) -> String {
    match proxy {
        None => "none".to_owned(),
        Some(from) if from.networks.is_empty() => "from everybody".to_owned(),
        Some(from) => format!("from {}", listed(from.networks.iter().map(ToString::to_string))),
    }
}

fn of_access_log(log: &AccessLog) -> Fields {
    let path = log.path.as_ref().map_or_else(|| "standard output".to_owned(), |p| p.display().to_string());
    let format = match log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    vec![("path", path), ("format", format.to_owned())]
}

fn of_limits(limits: &Limits) -> Fields {
    let bytes = |n: u64| format!("{n}B");
    vec![
        ("head", bytes(limits.head_bytes as u64)),
        ("headers", limits.headers.to_string()),
        ("target", bytes(limits.target_bytes as u64)),
        ("body", bytes(limits.body_bytes)),
        ("chunk-extra", bytes(limits.chunk_extra_bytes as u64)),
        ("connections", limits.connections.to_string()),
        ("connections-per-address", limits.connections_per_address.to_string()),
        ("idle-connections", limits.idle_connections.to_string()),
        ("pipelined", bytes(limits.pipelined_bytes as u64)),
        ("compressors", limits.compressors.to_string()),
        ("file-cache", bytes(limits.file_cache_bytes as u64)),
        ("pipes", limits.pipes.to_string()),
        ("min-rate", bytes(limits.min_rate)),
        ("head-timeout", show_duration(limits.head_timeout)),
        ("keep-alive", show_duration(limits.keep_alive)),
        ("http2-streams", limits.http2_streams.to_string()),
        ("http2-window", bytes(limits.http2_window.into())),
        ("http2-connection-window", bytes(limits.http2_connection_window.into())),
        ("http2-control-frames", limits.http2_control_frames.to_string()),
        ("http2-resets", limits.http2_resets.to_string()),
        ("http3-streams", limits.http3_streams.to_string()),
        ("http3-window", bytes(limits.http3_window.into())),
        ("http3-connection-window", bytes(limits.http3_connection_window.into())),
        ("http3-control-frames", limits.http3_control_frames.to_string()),
        ("http3-resets", limits.http3_resets.to_string()),
        ("handshakes", limits.handshakes.to_string()),
        ("handshake-timeout", show_duration(limits.handshake_timeout)),
        ("tunnel-idle", show_duration(limits.tunnel_idle)),
        ("tunnel-drain", show_duration(limits.tunnel_drain)),
        ("udp-sessions", limits.udp_sessions.to_string()),
    ]
}

const fn protocol_words(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Auto => "auto",
        Protocol::Http1 => "http1",
        Protocol::Http2 => "h2",
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { format!("[{}]", items.join(", ")) }
}

fn action_words(action: &Action) -> String {
    match action {
        Action::Service(name) => format!("service {name}"),
        Action::Respond(respond) => respond_words(respond),
        Action::Redirect(redirect) => redirect_words(redirect),
        Action::Files(files) => files_words(files),
    }
}

fn respond_words(respond: &Respond) -> String {
    let Respond { status, content_type, headers, body } = respond;
    let mut words = format!("respond {status}");
    if !body.is_empty() {
        words.push(' ');
        words.push_str(&text_words(body));
    }
    if content_type != Respond::TEXT {
        let _ = write!(words, " as {content_type}");
    }
    for (name, value) in headers {
        let _ = write!(words, " with {name}: {value}");
    }
    words
}

/// A text in quotes. A page is told by its length and a sum, so that any change of it shows.
fn text_words(text: &str) -> String {
    if text.len() <= SHOWN {
        return format!("{text:?}");
    }
    // FNV-1a: two texts that are not the same must not look the same; nobody here is out to find two that do.
    let sum = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{} bytes, sum {sum:016x}", text.len())
}

fn files_words(files: &Files) -> String {
    let Files { root, index, fallback, listing, precompressed, cache_control, hidden, symlinks, types } =
        files;
    let mut words = format!("files of {}", root.display());
    let _ = write!(words, ", index {}", listed(index.iter().cloned()));
    if let Some(fallback) = fallback {
        let _ = write!(words, ", fallback {fallback}");
    }
    for (is_said, said) in [
        (*listing, ", listed"),
        (!*precompressed, ", never precompressed"),
        (*hidden, ", hidden ones too"),
        (*symlinks == Symlinks::Never, ", no symlinks"),
    ] {
        words.push_str(if is_said { said } else { "" });
    }
    if let Some(value) = cache_control {
        let _ = write!(words, ", cache-control {value:?}");
    }
    for (extension, media) in types {
        let _ = write!(words, ", {extension} as {media}");
    }
    words
}

/// Where a redirect leads, in words: `redirect 308 https://(host)(path)`.
fn redirect_words(redirect: &Redirect) -> String {
    let Redirect { status, scheme, host, port, path } = redirect;
    let mut words = format!("redirect {status} ");
    if let Some(scheme) = scheme {
        words.push_str(scheme.as_str());
        words.push(':');
    }
    if scheme.is_some() || host.is_some() || port.is_some() {
        words.push_str("//");
        words.push_str(host.as_deref().unwrap_or("(host)"));
    }
    if let Some(port) = port {
        let _ = write!(words, ":{port}");
    }
    match path {
        RedirectPath::Keep => words.push_str("(path)"),
        RedirectPath::Full(path) => words.push_str(path),
        RedirectPath::Prefix { from, to } => drop(write!(words, "{to} in place of {from}")),
    }
    words
}

fn endpoints_words(endpoints: &Endpoints) -> String {
    match endpoints {
        Endpoints::Static(list) => {
            listed(list.iter().map(|endpoint| format!("{} weight {}", endpoint.address, endpoint.weight)))
        }
        Endpoints::Dns { host, port } => format!("dns {host}:{port}"),
        Endpoints::Registry(name) => format!("registry {name}"),
    }
}

const fn balance_words(balance: Balance) -> &'static str {
    match balance {
        Balance::P2c => "p2c",
        Balance::RoundRobin => "round-robin",
        Balance::Random => "random",
    }
}

fn filter_words(filter: &Filter) -> String {
    match filter {
        Filter::StripPrefix(prefix) => format!("strip-prefix {prefix}"),
        Filter::RewritePrefix { from, to } => format!("rewrite-prefix {from} to {to}"),
        Filter::RewritePath(path) => format!("rewrite-path {path}"),
        Filter::RewriteHost(host) => format!("rewrite-host {host}"),
        Filter::KeepHost => "keep-host".to_owned(),
        Filter::SetRequestHeader(name, value) => format!("set-request-header {name}: {value}"),
        Filter::RemoveRequestHeader(name) => format!("remove-request-header {name}"),
        Filter::SetResponseHeader(name, value) => format!("set-response-header {name}: {value}"),
        Filter::RemoveResponseHeader(name) => format!("remove-response-header {name}"),
        Filter::NoForwardedHeaders => "no forwarded-headers".to_owned(),
        Filter::ForwardedPrefix => "forwarded-prefix".to_owned(),
        Filter::Compress(Compress { encodings, min_size, types, secrets }) => {
            let encodings = listed(encodings.iter().map(|coding| coding.token().to_owned()));
            let secrets = if *secrets { ", secrets too" } else { "" };
            format!("compress {encodings} from {min_size}B, types {}{secrets}", listed(types.iter().cloned()))
        }
    }
}
