//! Lowered values as the file that would give them: for `haechi import` and for showing effective values.

mod layer4;
mod tls;

use haechi_core::units::show_duration;
use haechi_route::config::{
    self as route, Action, Endpoints, Filter, GatewayConfig, HostPattern, PathPattern, RedirectPath,
    ValuePattern,
};
use indexmap::IndexMap;
use serde_json::Value;

use crate::raw;

/// A gateway's configuration as a file says it, every default written out.
pub fn gateway_in_full(config: &GatewayConfig) -> raw::File {
    let listeners = config.listeners.iter().map(|(name, listener)| raw::Listener {
        name: raw::Name(name.clone()),
        listen: raw::ListenAddress(listener.listen.to_string()),
        // A port has none.
        mode: listener.listen.path().map(|_| raw::FileMode(format!("{:o}", listener.mode))),
        protocol: Some(layer4::protocol(listener.protocol)),
        // What is HTTP's alone is not said of others.
        http2: (listener.protocol == route::ListenerProtocol::Http).then_some(listener.http2),
        http3: (listener.protocol == route::ListenerProtocol::Http).then_some(listener.http3.is_some()),
        http3_port: listener.http3.as_ref().and_then(|http3| http3.port),
        http3_max_age: listener.http3.as_ref().map(|http3| duration(http3.max_age)),
        tls: listener.tls.as_ref().map(tls::of_listener),
        redirect_to_https: listener.redirect_to_https,
        proxy_protocol: listener.proxy_protocol.as_ref().map(|proxy| raw::ProxyProtocol {
            from: proxy.networks.iter().map(|network| raw::Network(network.to_string())).collect(),
        }),
    });
    raw::File {
        gateway: Some(raw::Gateway {
            workers: u16::try_from(config.workers).ok().filter(|workers| *workers != 0),
            listeners: listeners.collect(),
            routes: config.routes.iter().map(route).collect(),
            tcp_routes: layer4::tcp(config),
            tls_routes: layer4::tls(config),
            udp_routes: layer4::udp(config),
            import: None,
            access_log: config.access_log.as_ref().map(access_log),
            limits: Some(limits(&config.limits)),
        }),
        services: config.services.iter().map(|(name, s)| (name.as_str().to_owned(), service(s))).collect(),
        ..raw::File::default()
    }
}

/// A gateway's configuration as the YAML that a person would write: without what is a default anyway.
pub fn gateway_yaml(config: &GatewayConfig) -> String {
    let file = gateway_in_full(config);
    let mut value = serde_json::to_value(file).unwrap_or_default();
    let schema = crate::schema();
    without_defaults(&mut value, &schema, &schema);
    crate::emit::yaml(&value)
}

/// Takes out what equals the schema's default, and what is empty then.
fn without_defaults(value: &mut Value, schema: &Value, root: &Value) {
    let schema = resolved(schema, root);
    match value {
        Value::Object(entries) => {
            let properties = schema.get("properties");
            let required = schema.get("required").and_then(Value::as_array);
            entries.retain(|key, value| {
                let child =
                    properties.and_then(|p| p.get(key)).or_else(|| schema.get("additionalProperties"));
                let Some(child) = child else { return true };
                without_defaults(value, child, root);
                let is_required = required.is_some_and(|names| names.contains(&Value::from(key.as_str())));
                let is_default = child.get("default").is_some_and(|default| default == value);
                is_required || !(value.is_null() || is_default || is_empty(value))
            });
        }
        Value::Array(items) => {
            if let Some(child) = schema.get("items") {
                for item in items {
                    without_defaults(item, child, root);
                }
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// The schema behind a reference. The branches of our `anyOf`s have no defaults of their own to take out.
pub(crate) fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next());
    name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}

fn duration(d: std::time::Duration) -> raw::Duration {
    raw::Duration(show_duration(d))
}

fn size(bytes: u64) -> raw::Size {
    let shown = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .into_iter()
        .find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit));
    raw::Size(shown)
}

fn access_log(log: &route::AccessLog) -> raw::AccessLog {
    raw::AccessLog {
        path: log.path.as_ref().map(|path| raw::FilePath(path.to_string_lossy().into_owned())),
        format: Some(match log.format {
            route::LogFormat::Text => raw::LogFormat::Text,
            route::LogFormat::Json => raw::LogFormat::Json,
        }),
    }
}

fn limits(limits: &route::Limits) -> raw::Limits {
    raw::Limits {
        head: Some(size(limits.head_bytes as u64)),
        headers: u16::try_from(limits.headers).ok(),
        target: Some(size(limits.target_bytes as u64)),
        body: Some(size(limits.body_bytes)),
        chunk_extra: Some(size(limits.chunk_extra_bytes as u64)),
        connections: u32::try_from(limits.connections).ok(),
        connections_per_address: u32::try_from(limits.connections_per_address).ok(),
        idle_connections: u32::try_from(limits.idle_connections).ok(),
        pipelined: Some(size(limits.pipelined_bytes as u64)),
        compressors: u32::try_from(limits.compressors).ok(),
        file_cache: Some(size(limits.file_cache_bytes as u64)),
        pipes: u32::try_from(limits.pipes).ok(),
        min_rate: Some(size(limits.min_rate)),
        head_timeout: Some(duration(limits.head_timeout)),
        keep_alive: Some(duration(limits.keep_alive)),
        http2_streams: Some(limits.http2_streams),
        http2_window: Some(size(limits.http2_window.into())),
        http2_connection_window: Some(size(limits.http2_connection_window.into())),
        http2_control_frames: Some(limits.http2_control_frames),
        http2_resets: Some(limits.http2_resets),
        http3_streams: Some(limits.http3_streams),
        http3_window: Some(size(limits.http3_window.into())),
        http3_connection_window: Some(size(limits.http3_connection_window.into())),
        http3_control_frames: Some(limits.http3_control_frames),
        http3_resets: Some(limits.http3_resets),
        handshakes: u32::try_from(limits.handshakes).ok(),
        handshake_timeout: Some(duration(limits.handshake_timeout)),
        tunnel_idle: Some(duration(limits.tunnel_idle)),
        tunnel_drain: Some(duration(limits.tunnel_drain)),
        udp_sessions: u32::try_from(limits.udp_sessions).ok(),
    }
}

fn route(route: &route::Route) -> raw::Route {
    let (strip_prefix, filters) = match route.filters.split_first() {
        Some((Filter::StripPrefix(prefix), rest)) => (Some(raw::PathText(prefix.clone())), rest),
        _ => (None, route.filters.as_slice()),
    };
    raw::Route {
        name: raw::Name(route.name.as_str().to_owned()),
        matches: matches(&route.matches),
        priority: Some(route.priority),
        strip_prefix,
        filters: filters.iter().map(filter).collect(),
        timeouts: Some(raw::Timeouts {
            connect: Some(duration(route.timeouts.connect)),
            first_byte: Some(duration(route.timeouts.first_byte)),
            idle: Some(duration(route.timeouts.idle)),
            request: Some(duration(route.timeouts.request)),
        }),
        retry: Some(raw::Retry {
            attempts: Some(route.retry.attempts),
            idempotent: Some(route.retry.idempotent),
            statuses: route.retry.statuses.clone(),
        }),
        service: match &route.action {
            Action::Service(name) => Some(name.as_str().to_owned()),
            _ => None,
        },
        respond: match &route.action {
            Action::Respond(answer) => Some(respond(answer)),
            _ => None,
        },
        redirect: match &route.action {
            Action::Redirect(to) => Some(redirect(to)),
            _ => None,
        },
        files: match &route.action {
            Action::Files(folder) => Some(files(folder)),
            _ => None,
        },
    }
}

fn files(folder: &route::Files) -> raw::Files {
    raw::Files {
        root: raw::FilePath(folder.root.to_string_lossy().into_owned()),
        index: Some(folder.index.clone()),
        fallback: folder.fallback.clone().map(raw::PathText),
        listing: Some(folder.listing),
        precompressed: Some(folder.precompressed),
        cache_control: folder.cache_control.clone(),
        hidden: Some(folder.hidden),
        symlinks: Some(match folder.symlinks {
            route::Symlinks::Within => raw::Symlinks::Within,
            route::Symlinks::Never => raw::Symlinks::Never,
        }),
        types: folder.types.iter().cloned().collect(),
    }
}

fn respond(answer: &route::Respond) -> raw::Respond {
    raw::Respond {
        status: answer.status,
        content_type: Some(answer.content_type.clone()),
        headers: answer.headers.iter().cloned().collect(),
        body: Some(answer.body.clone()),
        body_file: None,
    }
}

fn redirect(to: &route::Redirect) -> raw::Redirect {
    let text = |path: &str| Some(raw::PathText(path.to_owned()));
    raw::Redirect {
        status: Some(to.status),
        scheme: to.scheme.map(|scheme| match scheme {
            route::Scheme::Http => raw::Scheme::Http,
            route::Scheme::Https => raw::Scheme::Https,
        }),
        host: to.host.clone().map(raw::Host),
        port: to.port,
        path: match &to.path {
            RedirectPath::Full(path) => text(path),
            _ => None,
        },
        prefix: match &to.path {
            RedirectPath::Prefix { to, .. } => text(to),
            _ => None,
        },
    }
}

fn matches(matches: &route::Match) -> raw::Match {
    let host = matches.host.as_ref().map(|host| {
        raw::HostPattern(match host {
            HostPattern::Exact(host) => host.trim_matches(['[', ']']).to_owned(),
            HostPattern::Suffix(suffix) => format!("*{suffix}"),
        })
    });
    let path = matches.path.as_ref().map(|path| {
        raw::PathPattern(match path {
            PathPattern::Exact(path) | PathPattern::Pattern(path) => path.clone(),
            PathPattern::Prefix(prefix) => format!("{prefix}/**"),
        })
    });
    raw::Match {
        host,
        path,
        methods: matches.methods.iter().map(|method| raw::Method(method.clone())).collect(),
        headers: conditions(&matches.headers),
        query: conditions(&matches.query),
    }
}

fn conditions(conditions: &[route::ValueMatch]) -> IndexMap<String, raw::ValueMatch> {
    let condition = raw::ValueCondition::default;
    let one = |value: &ValuePattern| match value {
        ValuePattern::Exact(text) => raw::ValueMatch::Exact(text.clone()),
        ValuePattern::Prefix(text) => {
            raw::ValueMatch::Condition(raw::ValueCondition { prefix: Some(text.clone()), ..condition() })
        }
        ValuePattern::Present => {
            raw::ValueMatch::Condition(raw::ValueCondition { present: Some(true), ..condition() })
        }
        ValuePattern::Absent => {
            raw::ValueMatch::Condition(raw::ValueCondition { present: Some(false), ..condition() })
        }
    };
    conditions.iter().map(|c| (c.name.clone(), one(&c.value))).collect()
}

fn encoding(coding: route::Coding) -> raw::Encoding {
    match coding {
        route::Coding::Zstd => raw::Encoding::Zstd,
        route::Coding::Brotli => raw::Encoding::Br,
        route::Coding::Gzip => raw::Encoding::Gzip,
    }
}

fn filter(filter: &Filter) -> raw::Filter {
    let mut raw = raw::Filter::default();
    let header =
        |name: &String, value: &String| Some(raw::HeaderValue { name: name.clone(), value: value.clone() });
    let path = |path: &String| raw::PathText(path.clone());
    match filter {
        Filter::StripPrefix(prefix) => raw.strip_prefix = Some(path(prefix)),
        Filter::RewritePrefix { from, to } => {
            raw.rewrite_prefix = Some(raw::RewritePrefix { from: path(from), to: path(to) });
        }
        Filter::RewritePath(to) => raw.rewrite_path = Some(path(to)),
        Filter::RewriteHost(host) => raw.rewrite_host = Some(raw::Host(host.clone())),
        Filter::KeepHost => raw.keep_host = Some(true),
        Filter::SetRequestHeader(name, value) => raw.set_request_header = header(name, value),
        Filter::RemoveRequestHeader(name) => raw.remove_request_header = Some(name.clone()),
        Filter::SetResponseHeader(name, value) => raw.set_response_header = header(name, value),
        Filter::RemoveResponseHeader(name) => raw.remove_response_header = Some(name.clone()),
        Filter::NoForwardedHeaders => raw.forwarded_headers = Some(false),
        Filter::ForwardedPrefix => raw.forwarded_prefix = Some(true),
        Filter::Compress(compress) => {
            raw.compress = Some(raw::Compress {
                encodings: Some(compress.encodings.iter().copied().map(encoding).collect()),
                min_size: Some(size(compress.min_size)),
                types: compress.types.clone(),
                secrets: Some(compress.secrets),
            });
        }
    }
    raw
}

fn service(service: &route::Service) -> raw::Service {
    let source = raw::EndpointSource::default;
    let endpoints = match &service.endpoints {
        Endpoints::Static(list) => raw::Endpoints::Static(list.iter().map(endpoint).collect()),
        Endpoints::Dns { host, port } => raw::Endpoints::Source(raw::EndpointSource {
            dns: Some(raw::HostAndPort(format!("{host}:{port}"))),
            ..source()
        }),
        Endpoints::Registry(name) => raw::Endpoints::Source(raw::EndpointSource {
            registry: Some(raw::Name(name.as_str().to_owned())),
            ..source()
        }),
    };
    raw::Service {
        endpoints,
        balance: Some(match service.balance {
            route::Balance::P2c => raw::Balance::P2c,
            route::Balance::RoundRobin => raw::Balance::RoundRobin,
            route::Balance::Random => raw::Balance::Random,
        }),
        ejection: Some(raw::Ejection {
            enabled: Some(service.ejection.enabled),
            consecutive: Some(service.ejection.consecutive),
            base: Some(duration(service.ejection.base)),
            max: Some(duration(service.ejection.max)),
        }),
        retry_budget: Some(raw::RetryBudget {
            percent: Some(service.retry_budget.percent),
            floor_per_second: Some(service.retry_budget.floor_per_second),
            burst: Some(service.retry_budget.burst),
        }),
        connections: Some(raw::Connections {
            idle_per_endpoint: Some(service.connections.idle_per_endpoint),
            idle_timeout: Some(duration(service.connections.idle_timeout)),
            lifetime: Some(duration(service.connections.lifetime)),
            requests: Some(service.connections.requests),
            in_flight: Some(service.connections.in_flight),
        }),
        protocol: Some(match service.protocol {
            route::Protocol::Auto => raw::Protocol::Auto,
            route::Protocol::Http1 => raw::Protocol::Http1,
            route::Protocol::Http2 => raw::Protocol::H2,
        }),
        tls: service.tls.as_ref().map(tls::of_service),
        proxy_protocol: service.proxy_protocol.map(|version| match version {
            route::ProxyVersion::V1 => raw::ProxyVersion::V1,
            route::ProxyVersion::V2 => raw::ProxyVersion::V2,
        }),
        health: None,
    }
}

fn endpoint(endpoint: &route::StaticEndpoint) -> raw::Endpoint {
    let address = raw::EndpointAddress(endpoint.address.to_string());
    match endpoint.weight {
        100 => raw::Endpoint::Address(address),
        weight => raw::Endpoint::Weighted(raw::WeightedEndpoint { address, weight: Some(weight) }),
    }
}
