//! `gateway:` as a whole: its parts, and what can be wrong between them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use haechi_core::{ServiceName, units};
use haechi_route::config::{
    AccessLog, GatewayConfig, Layer4Route, Limits, ListenerProtocol, LogFormat, Route,
};
use haechi_route::{Reason, RouteTable};

use super::{At, Lower};
use crate::diagnostic::Diagnostic;
use crate::lowered::ZuulImport;
use crate::raw;

impl Lower<'_> {
    pub(super) fn gateway(
        &mut self,
        raw: &raw::File,
        at: At<'_>,
    ) -> (Option<GatewayConfig>, Option<ZuulImport>) {
        let Some(gateway) = &raw.gateway else {
            if !raw.services.is_empty() {
                let span = at.key("services").key_span();
                let diagnostic =
                    Diagnostic::warning("unused", span, "there are services and no gateway to use them");
                self.report(diagnostic.help("add `gateway: { listeners: [ … ], routes: [ … ] }`"));
            }
            return (None, None);
        };
        let here = at.key("gateway");
        let listeners = self.listeners(&gateway.listeners, here.key("listeners"));
        let services = self.services(raw, &listeners, at);
        let zuul = gateway.import.as_ref().and_then(|import| self.import(import, raw, here.key("import")));
        let routes = self.routes(gateway, &services, here);
        let layer4 = self.layer4(gateway, &listeners, &services, here);
        let lost_a_route = self.left_out.iter().any(|part| part.kind.ends_with("route"));
        let serves_http = listeners.values().any(|listener| listener.protocol == ListenerProtocol::Http);
        if serves_http && gateway.routes.is_empty() && zuul.is_none() && !lost_a_route {
            let diagnostic = Diagnostic::warning("no-routes", here.span(), "the gateway has no routes");
            self.report(diagnostic.help("every request is answered 404; add `routes` or `import`"));
        }
        // An imported route may use it, or one that is left out.
        if self.whole && zuul.is_none() && !lost_a_route {
            self.unused_services(&routes, &layer4, &services, at.key("services"));
        }
        let config = GatewayConfig {
            workers: gateway.workers.map_or(0, usize::from),
            listeners,
            routes,
            layer4,
            services,
            access_log: gateway.access_log.as_ref().map(|log| self.access_log(log, here.key("access-log"))),
            limits: self.limits(gateway.limits.as_ref(), here.key("limits")),
        };
        let more_routes = zuul.is_some() || lost_a_route;
        self.acme_together(&gateway.listeners, &config, more_routes, here.key("listeners"));
        (Some(config), zuul)
    }

    /// The routes that can be served together.
    fn routes(
        &mut self,
        gateway: &raw::Gateway,
        services: &BTreeMap<ServiceName, haechi_route::config::Service>,
        at: At<'_>,
    ) -> Vec<Route> {
        let mut routes = Vec::with_capacity(gateway.routes.len());
        let mut places: Vec<At<'_>> = Vec::with_capacity(gateway.routes.len());
        for (i, raw) in gateway.routes.iter().enumerate() {
            let at = at.key("routes").item(i);
            let asked = self.counted.asked();
            if let Some(route) = self.isolated("route", &raw.name.0, |lower| lower.route(raw, services, at)) {
                routes.push(route);
                places.push(at);
            }
            if self.counted.asked() != asked {
                self.from_files.push(i);
            }
        }
        let (table, refused) = RouteTable::build(&routes);
        for refused in &refused {
            self.refused(refused, &routes, &places);
        }
        // With a route left out, the others have other indexes.
        self.table = refused.is_empty().then(|| Arc::new(table));
        let mut index = 0;
        routes.retain(|_| {
            index += 1;
            refused.binary_search_by_key(&(index - 1), |refused| refused.route).is_err()
        });
        routes
    }

    fn refused(&mut self, refused: &haechi_route::Refused, routes: &[Route], places: &[At<'_>]) {
        let Some(at) = places.get(refused.route) else { return };
        let place = |name: &str| {
            let index = routes.iter().position(|route| route.name.as_str() == name)?;
            places.get(index).map(|at| at.key("name").span())
        };
        let name = refused.name.as_str();
        let diagnostic = match &refused.reason {
            Reason::Tie { other, example } => {
                let message = format!("routes `{name}` and `{other}` tie: both match {example}");
                let mut diagnostic = Diagnostic::error("route-tie", at.key("match").span(), message)
                    .label("as specific as the other")
                    .help(
                        "narrow one of them by host, path, method, header or query, or give one a `priority`; \
                         the order in the file has no meaning",
                    );
                if let Some(span) = place(other.as_str()) {
                    diagnostic = diagnostic.note(span, "the other route");
                }
                diagnostic
            }
            Reason::NameTaken => {
                let message = format!("two routes are called `{name}`");
                let mut diagnostic = Diagnostic::error("duplicate-name", at.key("name").span(), message)
                    .help("give each route its own name");
                if let Some(span) = place(name) {
                    diagnostic = diagnostic.note(span, "first here");
                }
                diagnostic
            }
            reason @ (Reason::Path { .. } | Reason::PathTooLong) => {
                let diagnostic =
                    Diagnostic::error("bad-value", at.key("match").key("path").span(), reason.to_string());
                diagnostic
                    .help("no request with such a path is let in; write the path as the gateway sees it")
            }
            reason => Diagnostic::error("bad-value", at.key("match").span(), reason.to_string()),
        };
        self.leave_out("route", name, diagnostic);
    }

    fn unused_services(
        &mut self,
        routes: &[Route],
        layer4: &[Layer4Route],
        services: &BTreeMap<ServiceName, haechi_route::config::Service>,
        at: At<'_>,
    ) {
        for name in unused(services, routes, layer4) {
            let message = format!("service `{name}` is used by no route");
            let diagnostic = Diagnostic::warning("unused", at.key(name.as_str()).key_span(), message);
            self.report(diagnostic.help("name it in a route's `service`, or remove it"));
        }
    }

    fn access_log(&mut self, raw: &raw::AccessLog, at: At<'_>) -> AccessLog {
        let path = raw.path.as_ref().map(|path| self.path(path));
        if let Some(folder) = path.as_ref().and_then(|p| p.parent()).filter(|f| !self.files.is_folder(f)) {
            let message = format!("the folder {} doesn't exist", folder.display());
            let diagnostic = Diagnostic::error("missing-file", at.key("path").span(), message);
            self.report(diagnostic.help("make the folder, or name another one"));
        }
        let format = match raw.format.unwrap_or_default() {
            raw::LogFormat::Text => LogFormat::Text,
            raw::LogFormat::Json => LogFormat::Json,
        };
        AccessLog { path, format }
    }

    fn limits(&mut self, raw: Option<&raw::Limits>, at: At<'_>) -> Limits {
        let default = Limits::default();
        let Some(raw) = raw else { return default };
        let limits = Limits {
            head_bytes: self.size(raw.head.as_ref(), default.head_bytes as u64, at.key("head")) as usize,
            headers: raw.headers.map_or(default.headers, usize::from),
            target_bytes: self.size(raw.target.as_ref(), default.target_bytes as u64, at.key("target"))
                as usize,
            body_bytes: self.size(raw.body.as_ref(), default.body_bytes, at.key("body")),
            chunk_extra_bytes: self.size(
                raw.chunk_extra.as_ref(),
                default.chunk_extra_bytes as u64,
                at.key("chunk-extra"),
            ) as usize,
            connections: raw.connections.map_or(default.connections, |n| n as usize),
            connections_per_address: raw
                .connections_per_address
                .map_or(default.connections_per_address, |n| n as usize),
            idle_connections: raw.idle_connections.map_or(default.idle_connections, |n| n as usize),
            pipelined_bytes: self.size(
                raw.pipelined.as_ref(),
                default.pipelined_bytes as u64,
                at.key("pipelined"),
            ) as usize,
            compressors: raw.compressors.map_or(default.compressors, |n| n as usize),
            file_cache_bytes: self.size(
                raw.file_cache.as_ref(),
                default.file_cache_bytes as u64,
                at.key("file-cache"),
            ) as usize,
            pipes: raw.pipes.map_or(default.pipes, |n| n as usize),
            min_rate: self.size(raw.min_rate.as_ref(), default.min_rate, at.key("min-rate")),
            head_timeout: self.positive(
                raw.head_timeout.as_ref(),
                default.head_timeout,
                at.key("head-timeout"),
            ),
            keep_alive: self.positive(raw.keep_alive.as_ref(), default.keep_alive, at.key("keep-alive")),
            http2_streams: raw.http2_streams.unwrap_or(default.http2_streams),
            http2_window: self.window(
                raw.http2_window.as_ref(),
                default.http2_window,
                at.key("http2-window"),
            ),
            http2_connection_window: self.window(
                raw.http2_connection_window.as_ref(),
                default.http2_connection_window,
                at.key("http2-connection-window"),
            ),
            http2_control_frames: raw.http2_control_frames.unwrap_or(default.http2_control_frames),
            http2_resets: raw.http2_resets.unwrap_or(default.http2_resets),
            http3_streams: raw.http3_streams.unwrap_or(default.http3_streams),
            http3_window: self.window(
                raw.http3_window.as_ref(),
                default.http3_window,
                at.key("http3-window"),
            ),
            http3_connection_window: self.window(
                raw.http3_connection_window.as_ref(),
                default.http3_connection_window,
                at.key("http3-connection-window"),
            ),
            http3_control_frames: raw.http3_control_frames.unwrap_or(default.http3_control_frames),
            http3_resets: raw.http3_resets.unwrap_or(default.http3_resets),
            handshakes: raw.handshakes.map_or(default.handshakes, |n| n as usize),
            handshake_timeout: self.positive(
                raw.handshake_timeout.as_ref(),
                default.handshake_timeout,
                at.key("handshake-timeout"),
            ),
            tunnel_idle: self.positive(raw.tunnel_idle.as_ref(), default.tunnel_idle, at.key("tunnel-idle")),
            tunnel_drain: self.duration(
                raw.tunnel_drain.as_ref(),
                default.tunnel_drain,
                at.key("tunnel-drain"),
            ),
            udp_sessions: raw.udp_sessions.map_or(default.udp_sessions, |n| n as usize),
        };
        const HEADS: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 20;
        if !HEADS.contains(&limits.head_bytes) {
            let diagnostic = Diagnostic::error(
                "out-of-range",
                at.key("head").span(),
                "a head of this size can't be served",
            );
            self.report(diagnostic.help("write a size from 1KiB to 1MiB"));
        }
        if limits.target_bytes > limits.head_bytes {
            let written = if raw.target.is_some() { "target" } else { "head" };
            let diagnostic = Diagnostic::error(
                "contradiction",
                at.key(written).span(),
                "`target` is larger than `head`, which holds it",
            );
            self.report(diagnostic.help("make `target` smaller, or `head` larger"));
        }
        limits
    }

    /// A window of HTTP/2, and the same for HTTP/3 (RFC 9113 §6.9.1 has the largest, and 64KiB is where every connection starts).
    fn window(&mut self, raw: Option<&raw::Size>, default: u32, at: At<'_>) -> u32 {
        const WINDOWS: std::ops::RangeInclusive<u64> = 64 << 10..=64 << 20;
        let bytes = self.size(raw, default.into(), at);
        if !WINDOWS.contains(&bytes) {
            let diagnostic =
                Diagnostic::error("out-of-range", at.span(), "a window of this size can't be served");
            self.report(diagnostic.help("write a size from 64KiB to 64MiB"));
        }
        u32::try_from(bytes).unwrap_or(default)
    }

    pub(super) fn size(&mut self, raw: Option<&raw::Size>, default: u64, at: At<'_>) -> u64 {
        let Some(raw::Size(text)) = raw else { return default };
        units::size(text).unwrap_or_else(|error| {
            self.report(Diagnostic::error("bad-value", at.span(), error.to_string()));
            default
        })
    }
}

/// The services that no route names.
pub(crate) fn unused<'s>(
    services: &'s BTreeMap<ServiceName, haechi_route::config::Service>,
    routes: &[Route],
    layer4: &[Layer4Route],
) -> impl Iterator<Item = &'s ServiceName> {
    let layer4 = layer4.iter().map(|route| &route.service);
    let used: HashSet<&str> =
        routes.iter().flat_map(Route::services).chain(layer4).map(ServiceName::as_str).collect();
    services.keys().filter(move |name| !used.contains(name.as_str())).collect::<Vec<_>>().into_iter()
}
