//! `services`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use haechi_core::{Address, ServiceName};
use haechi_route::config::{
    Balance, Connections, Ejection, Endpoints, Listener, Protocol, ProxyVersion, RetryBudget, Service,
    StaticEndpoint,
};

use super::{At, Lower};
use crate::diagnostic::Diagnostic;
use crate::{format, raw};

impl Lower<'_> {
    pub(super) fn services(
        &mut self,
        raw: &raw::File,
        listeners: &BTreeMap<String, Listener>,
        at: At<'_>,
    ) -> BTreeMap<ServiceName, Service> {
        let mut services = BTreeMap::new();
        for (name, service) in &raw.services {
            let here = at.key("services").key(name);
            let lowered = self.isolated("service", name, |lower| {
                let name = match ServiceName::new(name) {
                    Ok(name) => name,
                    Err(error) => {
                        let diagnostic = Diagnostic::error("bad-value", here.span(), error.to_string());
                        lower.report(diagnostic.help("a name has 1 to 255 bytes and no spaces"));
                        return None;
                    }
                };
                Some((name, lower.service(service, raw, listeners, here)?))
            });
            services.extend(lowered);
        }
        services
    }

    fn service(
        &mut self,
        raw: &raw::Service,
        file: &raw::File,
        listeners: &BTreeMap<String, Listener>,
        at: At<'_>,
    ) -> Option<Service> {
        let endpoints = match &raw.endpoints {
            raw::Endpoints::Static(list) => {
                self.static_endpoints(list, raw.tls.is_some(), listeners, at.key("endpoints"))
            }
            raw::Endpoints::Source(source) => self.source(source, file, listeners, at.key("endpoints")),
        };
        if raw.health.is_some() {
            let message = "this version doesn't ask endpoints for their health yet";
            let diagnostic = Diagnostic::warning("not-yet", at.key("health").span(), message);
            self.report(
                diagnostic.help("endpoints are still left out on what requests show: see `ejection`"),
            );
        }
        if raw.proxy_protocol.is_some() && raw.protocol == Some(raw::Protocol::H2) {
            let message = "connections of HTTP/2 are shared, so one header can't say who asks";
            let diagnostic = Diagnostic::error("contradiction", at.key("proxy-protocol").span(), message);
            self.report(
                diagnostic.help("remove `proxy-protocol` (X-Forwarded-For says it), or `protocol: h2`"),
            );
        }
        Some(Service {
            endpoints: endpoints?,
            balance: match raw.balance.unwrap_or_default() {
                raw::Balance::P2c => Balance::P2c,
                raw::Balance::RoundRobin => Balance::RoundRobin,
                raw::Balance::Random => Balance::Random,
            },
            ejection: self.ejection(raw.ejection.as_ref(), at.key("ejection")),
            retry_budget: Self::retry_budget(raw.retry_budget.as_ref()),
            connections: self.connections(raw.connections.as_ref(), at.key("connections")),
            protocol: match raw.protocol.unwrap_or_default() {
                raw::Protocol::Auto => Protocol::Auto,
                raw::Protocol::Http1 => Protocol::Http1,
                raw::Protocol::H2 => Protocol::Http2,
            },
            tls: raw.tls.as_ref().map(|tls| self.service_tls(tls, at.key("tls"))),
            proxy_protocol: raw.proxy_protocol.map(|version| match version {
                raw::ProxyVersion::V1 => ProxyVersion::V1,
                raw::ProxyVersion::V2 => ProxyVersion::V2,
            }),
        })
    }

    fn static_endpoints(
        &mut self,
        raw: &[raw::Endpoint],
        secure: bool,
        listeners: &BTreeMap<String, Listener>,
        at: At<'_>,
    ) -> Option<Endpoints> {
        let mut endpoints: Vec<StaticEndpoint> = Vec::with_capacity(raw.len());
        for (i, raw) in raw.iter().enumerate() {
            let here = at.item(i);
            let (address, weight) = match raw {
                raw::Endpoint::Address(address) => (address, 100),
                raw::Endpoint::Weighted(raw) => (&raw.address, raw.weight.unwrap_or(100)),
            };
            let address = format::endpoint_address(&address.0).ok()?;
            let address = self.address(address, here)?;
            if let (Some(_), true) = (address.path(), secure) {
                let message = format!("no TLS is spoken over a Unix socket: {address} is on this machine");
                let diagnostic = Diagnostic::error("contradiction", here.span(), message);
                self.report(diagnostic.help("remove the service's `tls`, or write an address and a port"));
            }
            if let Some(first) = endpoints.iter().position(|known| known.address == address) {
                self.report(
                    Diagnostic::error("duplicate-name", here.span(), format!("{address} is listed twice"))
                        .note(at.item(first).span(), "first here")
                        .help("keep one; to send it more requests write { address: …, weight: 200 }"),
                );
            }
            self.no_loop(&address, listeners, here);
            endpoints.push(StaticEndpoint { address, weight });
        }
        if !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.weight == 0) {
            let diagnostic = Diagnostic::error(
                "contradiction",
                at.span(),
                "every endpoint has weight 0, so none takes a request",
            );
            self.report(diagnostic.help("give at least one a weight above 0"));
        }
        Some(Endpoints::Static(endpoints))
    }

    /// A request sent to one of our own listeners would come back for ever. Datagrams are another matter: only a
    /// udp-route sends them.
    fn no_loop(&mut self, address: &Address, listeners: &BTreeMap<String, Listener>, at: At<'_>) {
        let is_own = |listener: &Listener| !listener.protocol.is_udp() && listens_at(listener, address);
        if let Some((name, _)) = listeners.iter().find(|(_, listener)| is_own(listener)) {
            let message =
                format!("{address} is listener `{name}` itself: requests would go round in circles");
            let diagnostic = Diagnostic::error("loop", at.span(), message);
            self.report(diagnostic.help("write the address of the service behind the gateway"));
        }
    }

    fn source(
        &mut self,
        raw: &raw::EndpointSource,
        file: &raw::File,
        listeners: &BTreeMap<String, Listener>,
        at: At<'_>,
    ) -> Option<Endpoints> {
        match (&raw.registry, &raw.dns) {
            (Some(name), None) => {
                if file.registry.is_none() {
                    let message = "there is no registry in this file to take instances from";
                    let diagnostic = Diagnostic::error("no-registry", at.span(), message);
                    self.report(diagnostic.help("add `registry: { listen: 127.0.0.1:8761 }`"));
                }
                // Application names are upper case on Eureka's wire, and so in the registry's facts.
                ServiceName::new(&name.0.to_uppercase()).ok().map(Endpoints::Registry)
            }
            (None, Some(dns)) => {
                let (host, port) = format::host_and_port(&dns.0).ok()?;
                let ip =
                    if host == "localhost" { Ok(std::net::Ipv4Addr::LOCALHOST.into()) } else { host.parse() };
                if let Ok(ip) = ip {
                    self.no_loop(&SocketAddr::new(ip, port).into(), listeners, at);
                }
                Some(Endpoints::Dns { host, port })
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "endpoints come from exactly one source";
                let diagnostic = Diagnostic::error("contradiction", at.span(), message);
                self.report(
                    diagnostic.help("write { registry: NAME }, { dns: HOST:PORT } or a list of addresses"),
                );
                None
            }
        }
    }

    fn ejection(&mut self, raw: Option<&raw::Ejection>, at: At<'_>) -> Ejection {
        let default = Ejection::default();
        let Some(raw) = raw else { return default };
        let ejection = Ejection {
            enabled: raw.enabled.unwrap_or(default.enabled),
            consecutive: raw.consecutive.unwrap_or(default.consecutive),
            base: self.positive(raw.base.as_ref(), default.base, at.key("base")),
            max: self.positive(raw.max.as_ref(), default.max, at.key("max")),
        };
        if ejection.base > ejection.max {
            let written = if raw.max.is_some() { "max" } else { "base" };
            let diagnostic =
                Diagnostic::error("contradiction", at.key(written).span(), "`base` is longer than `max`");
            self.report(diagnostic.help("make `max` at least as long as `base`"));
        }
        ejection
    }

    fn retry_budget(raw: Option<&raw::RetryBudget>) -> RetryBudget {
        let default = RetryBudget::default();
        let Some(raw) = raw else { return default };
        RetryBudget {
            percent: raw.percent.unwrap_or(default.percent),
            floor_per_second: raw.floor_per_second.unwrap_or(default.floor_per_second),
            burst: raw.burst.unwrap_or(default.burst),
        }
    }

    fn connections(&mut self, raw: Option<&raw::Connections>, at: At<'_>) -> Connections {
        let default = Connections::default();
        let Some(raw) = raw else { return default };
        Connections {
            idle_per_endpoint: raw.idle_per_endpoint.unwrap_or(default.idle_per_endpoint),
            idle_timeout: self.positive(
                raw.idle_timeout.as_ref(),
                default.idle_timeout,
                at.key("idle-timeout"),
            ),
            lifetime: self.duration(raw.lifetime.as_ref(), default.lifetime, at.key("lifetime")),
            requests: raw.requests.unwrap_or(default.requests),
            in_flight: raw.in_flight.unwrap_or(default.in_flight),
        }
    }
}

/// Whether what is sent to `address` comes in at this listener.
pub(super) fn listens_at(listener: &Listener, address: &Address) -> bool {
    let (Some(address), Some(listen)) = (address.tcp(), listener.listen.tcp()) else {
        return listener.listen == *address;
    };
    let here = address.ip().is_loopback() || address.ip().is_unspecified();
    listen.port() == address.port() && (listen.ip() == address.ip() || (listen.ip().is_unspecified() && here))
}
