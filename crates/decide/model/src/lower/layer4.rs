//! `gateway.tcp-routes`, `tls-routes` and `udp-routes`.

use std::collections::BTreeMap;

use haechi_core::{RouteName, ServiceName};
use haechi_route::config::{Endpoints, HostPattern, Layer4, Layer4Route, Listener, ListenerProtocol};

use super::route::{Services, host_pattern};
use super::service::listens_at;
use super::{At, Lower};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::raw;

/// What every kind of these routes says.
struct Common<'r, 't> {
    kind: Layer4,
    name: &'r raw::Name,
    listener: &'r str,
    service: &'r str,
    hosts: &'r [raw::HostPattern],
    timeouts: raw::Layer4Timeouts,
    attempts: Option<u8>,
    at: At<'t>,
}

type Listeners = BTreeMap<String, Listener>;

impl Lower<'_> {
    /// Routes of what is passed on unread.
    pub(super) fn layer4(
        &mut self,
        gateway: &raw::Gateway,
        listeners: &Listeners,
        services: &Services,
        at: At<'_>,
    ) -> Vec<Layer4Route> {
        let mut routes: Vec<(Layer4Route, At<'_>)> = Vec::new();
        for common in all(gateway, at) {
            let kind = kind_of(common.kind);
            let route = self.isolated(kind, &common.name.0, |lower| {
                let route = lower.layer4_route(&common, listeners, services)?;
                lower.alone(&route, &routes, common.at);
                Some(route)
            });
            routes.extend(route.map(|route| (route, common.at)));
        }
        for (i, listener) in gateway.listeners.iter().enumerate() {
            self.has_route(listener, listeners, &routes, at.key("listeners").item(i));
        }
        routes.into_iter().map(|(route, _)| route).collect()
    }

    fn layer4_route(
        &mut self,
        common: &Common<'_, '_>,
        listeners: &Listeners,
        services: &Services,
    ) -> Option<Layer4Route> {
        let name = RouteName::new(&common.name.0).ok()?;
        let found = self.listener_named(common, listeners);
        let at = common.at;
        let service = self.service_named(common.service, services, at.key("service"));
        let mut route = Layer4Route::new(name, common.kind, found?, service?);
        let speaks_tls = services.get(&route.service).is_some_and(|service| service.tls.is_some());
        if speaks_tls && common.kind != Layer4::Tls {
            let kind = common.kind.as_str();
            let message =
                format!("service `{}` is spoken to over TLS, and a {kind}-route adds none", route.service);
            let diagnostic = Diagnostic::error("contradiction", at.key("service").span(), message);
            self.report(
                diagnostic.help("name a service without `tls`; a tls-route passes the client's TLS on"),
            );
        }
        if common.kind == Layer4::Udp {
            self.udp_service(&route.service, listeners, services, at.key("service"));
        }
        let timeouts = &common.timeouts;
        let here = at.key("timeouts");
        route.connect_timeout =
            self.positive(timeouts.connect.as_ref(), route.connect_timeout, here.key("connect"));
        route.idle_timeout = self.positive(timeouts.idle.as_ref(), route.idle_timeout, here.key("idle"));
        route.attempts = common.attempts.unwrap_or(route.attempts);
        route.hosts = common.hosts.iter().map(|host| host_pattern(&host.0)).collect();
        for (i, host) in route.hosts.iter().enumerate() {
            let here = at.key("hosts").item(i).span();
            if matches!(host, HostPattern::Exact(name) if name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok())
            {
                let diagnostic =
                    Diagnostic::error("bad-value", here, "clients never ask for an address by TLS");
                self.report(
                    diagnostic.help("write a host name (RFC 6066 §3), or leave `hosts` out for all others"),
                );
            }
        }
        Some(route)
    }

    /// What a service can't be that gets datagrams.
    fn udp_service(&mut self, name: &ServiceName, listeners: &Listeners, services: &Services, at: At<'_>) {
        let Some(service) = services.get(name) else { return };
        if service.proxy_protocol.is_some() {
            let message = format!("service `{name}` is told who asks in front of a connection; UDP has none");
            let diagnostic = Diagnostic::error("contradiction", at.span(), message);
            self.report(diagnostic.help("name a service without `proxy-protocol`"));
        }
        let Endpoints::Static(endpoints) = &service.endpoints else { return };
        if let Some(unix) = endpoints.iter().find(|endpoint| endpoint.address.path().is_some()) {
            let message =
                format!("service `{name}` has {}, and datagrams are sent to ports alone", unix.address);
            let diagnostic = Diagnostic::error("contradiction", at.span(), message);
            self.report(diagnostic.help("name a service whose endpoints have an address and a port"));
        }
        let own = endpoints.iter().find_map(|endpoint| {
            let is_own = |(_, listener): &(&String, &Listener)| {
                listener.protocol.is_udp() && listens_at(listener, &endpoint.address)
            };
            listeners.iter().find(is_own).map(|(listener, _)| (&endpoint.address, listener))
        });
        if let Some((address, listener)) = own {
            let message = format!(
                "{address} of service `{name}` is listener `{listener}` itself: datagrams would go round in circles"
            );
            let diagnostic = Diagnostic::error("loop", at.span(), message);
            self.report(diagnostic.help("write the address of the service behind the gateway"));
        }
    }

    fn listener_named(&mut self, common: &Common<'_, '_>, listeners: &Listeners) -> Option<String> {
        let (kind, name) = (common.kind.as_str(), common.listener);
        let at = common.at.key("listener");
        let diagnostic = match listeners.get(name) {
            Some(listener) if listener.protocol == ListenerProtocol::Layer4(common.kind) => {
                return Some(name.to_owned());
            }
            Some(listener) => {
                let protocol = listener.protocol.as_str();
                let message = format!("listener `{name}` has `protocol: {protocol}`, not `{kind}`");
                let help = match listener.protocol {
                    ListenerProtocol::Http => {
                        format!("give the listener `protocol: {kind}`, or name another one")
                    }
                    ListenerProtocol::Layer4(other) => {
                        format!("put the route under `{}-routes`, or name another listener", other.as_str())
                    }
                };
                Diagnostic::error("contradiction", at.span(), message).help(help)
            }
            None if self.was_left_out("listener", name) => {
                let diagnostic = Diagnostic::error(
                    "listener-left-out",
                    at.span(),
                    format!("listener `{name}` is left out"),
                )
                .help("mend the listener; this route comes back with it");
                match self.why_left_out("listener", name) {
                    Some(span) => diagnostic.note(span, "because of this"),
                    None => diagnostic,
                }
            }
            None => {
                let same = |listener: &&(&String, &Listener)| {
                    listener.1.protocol == ListenerProtocol::Layer4(common.kind)
                };
                let known =
                    listeners.iter().filter(|listener| same(&listener)).map(|(name, _)| name.as_str());
                let help = match did_you_mean(name, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("add it to `listeners`: {{ name: {name}, listen: …, protocol: {kind} }}"),
                };
                Diagnostic::error("unknown-listener", at.span(), format!("there is no listener `{name}`"))
                    .help(help)
            }
        };
        self.report(diagnostic);
        None
    }

    /// A route must be the only one of its name, and the only one for what it takes.
    fn alone(&mut self, route: &Layer4Route, others: &[(Layer4Route, At<'_>)], at: At<'_>) {
        if let Some((_, first)) = others.iter().find(|(other, _)| other.name == route.name) {
            let message = format!("two routes for TCP, TLS or UDP are called `{}`", route.name);
            let diagnostic = Diagnostic::error("duplicate-name", at.key("name").span(), message)
                .note(first.key("name").span(), "first here");
            return self.report(diagnostic.help("give each route its own name"));
        }
        let same_listener = others.iter().filter(|(other, _)| other.listener == route.listener);
        for (other, first) in same_listener {
            let both_any = other.hosts.is_empty() && route.hosts.is_empty();
            let shared = route.hosts.iter().position(|host| other.hosts.contains(host));
            if !both_any && shared.is_none() {
                continue;
            }
            let taken = match shared.and_then(|i| route.hosts.get(i)) {
                Some(HostPattern::Exact(host)) => host.clone(),
                Some(HostPattern::Suffix(suffix)) => format!("*{suffix}"),
                None if route.kind == Layer4::Tls => "all other names".to_owned(),
                None => "everything".to_owned(),
            };
            let place = shared.map_or(at.key("listener"), |i| at.key("hosts").item(i));
            let message = format!("routes `{}` and `{}` both take {taken}", other.name, route.name);
            let diagnostic = Diagnostic::error("route-tie", place.span(), message)
                .note(first.key("listener").span(), "the other route of this listener");
            let help = match route.kind {
                Layer4::Tls => "keep one of them; a name may stand in one route",
                Layer4::Tcp | Layer4::Udp => "keep one of them, or give one its own listener",
            };
            return self.report(diagnostic.help(help));
        }
    }

    /// A listener without a route takes what nobody gets.
    fn has_route(
        &mut self,
        raw: &raw::Listener,
        listeners: &Listeners,
        routes: &[(Layer4Route, At<'_>)],
        at: At<'_>,
    ) {
        let Some(listener) = listeners.get(&raw.name.0) else { return };
        let ListenerProtocol::Layer4(kind) = listener.protocol else { return };
        let has_one = routes.iter().any(|(route, _)| route.listener == raw.name.0);
        let lost_one = self.left_out.iter().any(|part| part.kind == kind_of(kind));
        if has_one || lost_one {
            return;
        }
        let (name, kind) = (&raw.name.0, kind.as_str());
        let message = format!("no {kind}-route takes what comes to listener `{name}`");
        let diagnostic = Diagnostic::warning("no-routes", at.key("name").span(), message);
        self.report(
            diagnostic.help(format!("add `{kind}-routes: [{{ name: …, listener: {name}, service: … }}]`")),
        );
    }
}

const fn kind_of(kind: Layer4) -> &'static str {
    match kind {
        Layer4::Tcp => "tcp-route",
        Layer4::Tls => "tls-route",
        Layer4::Udp => "udp-route",
    }
}

/// All of them, with their places.
fn all<'r, 't>(raw: &'r raw::Gateway, at: At<'t>) -> Vec<Common<'r, 't>> {
    let mut all = Vec::new();
    for (i, route) in raw.tcp_routes.iter().enumerate() {
        all.push(Common {
            kind: Layer4::Tcp,
            name: &route.name,
            listener: &route.listener,
            service: &route.service,
            hosts: &[],
            timeouts: route.timeouts.clone().unwrap_or_default(),
            attempts: route.attempts,
            at: at.key("tcp-routes").item(i),
        });
    }
    for (i, route) in raw.tls_routes.iter().enumerate() {
        all.push(Common {
            kind: Layer4::Tls,
            name: &route.name,
            listener: &route.listener,
            service: &route.service,
            hosts: &route.hosts,
            timeouts: route.timeouts.clone().unwrap_or_default(),
            attempts: route.attempts,
            at: at.key("tls-routes").item(i),
        });
    }
    for (i, route) in raw.udp_routes.iter().enumerate() {
        let idle = route.timeouts.as_ref().and_then(|timeouts| timeouts.idle.clone());
        all.push(Common {
            kind: Layer4::Udp,
            name: &route.name,
            listener: &route.listener,
            service: &route.service,
            hosts: &[],
            timeouts: raw::Layer4Timeouts { connect: None, idle },
            attempts: None,
            at: at.key("udp-routes").item(i),
        });
    }
    all
}
