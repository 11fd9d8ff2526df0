//! Ribbon clients and URLs as services.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use haechi_core::ServiceName;
use haechi_route::config::{Balance, Connections, Ejection, Endpoints, RetryBudget, Service, StaticEndpoint};

use crate::Warnings;
use crate::key::{boolean, list};
use crate::ribbon::{Ribbon, number};

/// The weight that everyone has.
const WEIGHT: u16 = 100;

/// A service with Ribbon's usual rule, turn by turn.
pub(crate) fn of_endpoints(endpoints: Endpoints) -> Service {
    Service {
        endpoints,
        balance: Balance::RoundRobin,
        ejection: Ejection::default(),
        retry_budget: RetryBudget::default(),
        connections: Connections::default(),
        protocol: haechi_route::config::Protocol::default(),
        tls: None,
        proxy_protocol: None,
    }
}

/// The Ribbon client of this id.
pub(crate) fn of_id(id: &ServiceName, ribbon: &Ribbon, warnings: &mut Warnings) -> Service {
    let name = id.as_str();
    if let Some(secure) = ribbon.get(name, "IsSecure")
        && boolean(&secure.value) == Some(true)
    {
        warnings.add(&secure.property, "this version doesn't speak TLS to services; plain HTTP is used");
    }
    let mut service = of_endpoints(endpoints(id, ribbon, warnings));
    service.balance = balance(name, ribbon, warnings);
    service.ejection = ejection(name, ribbon, warnings);
    service
}

fn endpoints(id: &ServiceName, ribbon: &Ribbon, warnings: &mut Warnings) -> Endpoints {
    let name = id.as_str();
    let without_registry =
        ribbon.get(name, "eureka.enabled").is_some_and(|setting| boolean(&setting.value) == Some(false));
    let configured = ribbon
        .get(name, "NIWSServerListClassName")
        .is_some_and(|setting| setting.value.ends_with("ConfigurationBasedServerList"));
    let written = ribbon.own(name, "listOfServers");
    if without_registry || configured {
        let Some(setting) = written else {
            let property = format!("{name}.ribbon.listOfServers");
            warnings.add(&property, "is missing: without the registry the service has no endpoints");
            return Endpoints::Static(Vec::new());
        };
        return of_list(&setting.property, &setting.value, warnings);
    }
    if let Some(setting) = written {
        let message = "has no effect, as with Eureka: instances come from the registry unless \
                       ribbon.eureka.enabled=false";
        warnings.add(&setting.property, message);
    }
    // The registry writes names in upper case, as Eureka does.
    Endpoints::Registry(ServiceName::new(&name.to_ascii_uppercase()).unwrap_or_else(|_| id.clone()))
}

/// `host:port, http://host:port, …`.
fn of_list(property: &str, text: &str, warnings: &mut Warnings) -> Endpoints {
    let mut addresses = Vec::new();
    let mut names = Vec::new();
    for item in list(text) {
        match Destination::of(item) {
            Ok(Destination { endpoints: Endpoints::Static(mut list), .. }) => addresses.append(&mut list),
            Ok(Destination { endpoints, .. }) => names.push(endpoints),
            Err(problem) => warnings.add(property, format!("{item:?} is left out: {problem}")),
        }
    }
    match names.pop() {
        Some(only) if names.is_empty() && addresses.is_empty() => only,
        Some(_) if addresses.is_empty() => {
            warnings.add(property, "a service can have one host name; only the first is used");
            names.swap_remove(0)
        }
        Some(_) => {
            warnings.add(property, "host names beside addresses are left out");
            Endpoints::Static(addresses)
        }
        None => Endpoints::Static(addresses),
    }
}

fn balance(name: &str, ribbon: &Ribbon, warnings: &mut Warnings) -> Balance {
    let Some(setting) = ribbon.get(name, "NFLoadBalancerRuleClassName") else { return Balance::RoundRobin };
    match setting.value.rsplit('.').next().unwrap_or_default() {
        // In one zone, and with what isn't working left out, all of these go in turn.
        "RoundRobinRule" | "ZoneAvoidanceRule" | "AvailabilityFilteringRule" | "RetryRule" => {
            Balance::RoundRobin
        }
        "RandomRule" => Balance::Random,
        "WeightedResponseTimeRule" | "BestAvailableRule" => Balance::P2c,
        other => {
            let message = format!("{other} is not one of Ribbon's own rules; endpoints are used in turn");
            warnings.add(&setting.property, message);
            Balance::RoundRobin
        }
    }
}

fn ejection(name: &str, ribbon: &Ribbon, warnings: &mut Warnings) -> Ejection {
    let mut ejection = Ejection::default();
    if let Some(setting) = ribbon.breaker_of(name, "connectionFailureCountThreshold") {
        ejection.consecutive = number(setting, 3, warnings).max(1);
    }
    if let Some(setting) = ribbon.breaker_of(name, "circuitTripTimeoutFactorSeconds") {
        ejection.base = Duration::from_secs(u64::from(number(setting, 10, warnings).max(1)));
    }
    if let Some(setting) = ribbon.breaker_of(name, "circuitTripMaxTimeoutSeconds") {
        ejection.max = Duration::from_secs(u64::from(number(setting, 30, warnings).max(1)));
    }
    ejection.max = ejection.max.max(ejection.base);
    ejection
}

/// Where a URL leads.
pub(crate) struct Destination {
    /// `host:port`.
    pub(crate) authority: String,
    pub(crate) endpoints: Endpoints,
    /// The URL's path without slash at its end; empty for `/`.
    pub(crate) path: String,
}

impl Destination {
    /// Reads `http://host:port/path`, or `host:port`.
    pub(crate) fn of(url: &str) -> Result<Self, &'static str> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err("this version doesn't speak TLS to services"),
            Some(_) => return Err("its scheme is not http"),
            None if url.starts_with("http:") || url.starts_with("https:") => return Err("it is not a URL"),
            None => url,
        };
        if rest.contains(['?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err("it holds a query, a fragment, a user or a space");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| "its port is no port")?)
            }
            _ => (authority, 80),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let endpoints = match (host, bare.parse::<IpAddr>()) {
            ("", _) => return Err("it has no host"),
            ("localhost", _) => fixed(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            (_, Ok(ip)) => fixed(ip, port),
            _ if host.contains([':', '[', ']']) => return Err("its host is no host name"),
            _ => Endpoints::Dns { host: host.to_ascii_lowercase(), port },
        };
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { authority: format!("{host}:{port}"), endpoints, path })
    }
}

fn fixed(ip: IpAddr, port: u16) -> Endpoints {
    Endpoints::Static(vec![StaticEndpoint { address: SocketAddr::new(ip, port).into(), weight: WEIGHT }])
}
