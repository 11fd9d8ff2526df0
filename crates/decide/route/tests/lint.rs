//! Lint and difference: what people read before and after a change.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::route;
use haechi_core::ServiceName;
use haechi_route::config::{
    AccessLog, Action, Balance, Connections, Ejection, Endpoints, Filter, GatewayConfig, Listener, LogFormat,
    Respond, RetryBudget, Route, Service, StaticEndpoint,
};
use haechi_route::{Severity, difference, lint};

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn service(weights: &[u16]) -> Service {
    let endpoint =
        |weight: &u16| StaticEndpoint { address: "127.0.0.1:3000".parse().unwrap(), weight: *weight };
    Service {
        endpoints: Endpoints::Static(weights.iter().map(endpoint).collect()),
        balance: Balance::P2c,
        ejection: Ejection::default(),
        retry_budget: RetryBudget::default(),
        connections: Connections::default(),
        protocol: haechi_route::config::Protocol::default(),
        tls: None,
        proxy_protocol: None,
    }
}

fn to(service: &str, route: Route) -> Route {
    Route { action: Action::Service(name(service)), ..route }
}

fn config() -> GatewayConfig {
    let mut config = GatewayConfig::default();
    config.listeners.insert("web".to_owned(), Listener::plain("127.0.0.1:8080".parse().unwrap()));
    config.routes = vec![to("app", route("hello", "/hello/**")), to("app", route("all", "/**"))];
    config.services.insert(name("app"), service(&[100]));
    config
}

fn problems(config: &GatewayConfig) -> Vec<String> {
    lint(config).iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_configuration_has_no_problems() {
    assert_eq!(problems(&config()), Vec::<String>::new());
}

#[test]
fn all_problems_are_told_at_once() {
    let mut config = config();
    config.routes[0].action = Action::Service(name("ap"));
    config.routes[0].filters = vec![
        Filter::StripPrefix("/hullo".to_owned()),
        Filter::StripPrefix("/hello/".to_owned()),
        Filter::RewritePath("x".to_owned()),
        Filter::SetRequestHeader("x y".to_owned(), "1".to_owned()),
        Filter::SetResponseHeader("x".to_owned(), "1\r\nset-cookie: a".to_owned()),
        Filter::RemoveRequestHeader("Content-Length".to_owned()),
        Filter::RewriteHost("a b".to_owned()),
    ];
    config.routes[0].retry.attempts = 0;
    config.routes[0].timeouts.first_byte = Duration::ZERO;
    config.routes.push(to("app", route("tie", "/hello/**")));
    config
        .routes
        .push(Route { action: Action::Respond(Respond::text(99, "")), ..route("teapot", "/teapot") });
    config.services.insert(name("idle"), service(&[0, 0]));
    config.services.get_mut("idle").unwrap().ejection.max = Duration::from_millis(1);
    assert_eq!(
        problems(&config),
        [
            "route tie: ties with route hello: both match /hello/** and neither is more specific; \
             narrow one of them or give one a higher priority",
            "route hello: service ap is not there; add it to services",
            "route hello: retry.attempts is 0; 1 is no retry",
            "route hello: timeouts.first-byte is 0; it must be longer",
            "route hello: strip-prefix /hullo: not every path of the route starts with it",
            "route hello: rewrite-path \"x\": the path does not start with /",
            "route hello: \"x y\" is not a header's name",
            "route hello: the value of header x holds a control character",
            "route hello: the gateway writes header Content-Length itself; it can't be set or removed",
            "route hello: rewrite-host: \"a b\" is not a host",
            "route teapot: status 99 is not from 200 to 599",
            "service idle: no route leads to it",
            "service idle: it has no endpoint with a weight above 0",
            "service idle: endpoint 127.0.0.1:3000 is there twice; the first counts",
            "service idle: ejection.base is longer than ejection.max",
        ]
    );
    assert_eq!(lint(&config).iter().filter(|p| p.severity == Severity::Warning).count(), 3);
}

fn changes(old: &GatewayConfig, new: &GatewayConfig) -> Vec<String> {
    difference(old, new).iter().map(ToString::to_string).collect()
}

#[test]
fn the_order_of_routes_is_no_difference() {
    let (old, mut new) = (config(), config());
    new.routes.reverse();
    assert_eq!(changes(&old, &new), Vec::<String>::new());
}

#[test]
fn a_difference_reads_as_lines() {
    let (old, mut new) = (config(), config());
    new.listeners.get_mut("web").unwrap().listen = "127.0.0.1:8081".parse().unwrap();
    new.routes.remove(1);
    new.routes[0].timeouts.first_byte = Duration::from_secs(2);
    new.routes[0].filters = vec![Filter::StripPrefix("/hello".to_owned()), Filter::KeepHost];
    new.routes[0].matches.methods = vec!["GET".to_owned()];
    new.routes.push(route("new", "/new"));
    new.services.get_mut("app").unwrap().balance = Balance::RoundRobin;
    new.services.insert(name("x"), service(&[1]));
    new.access_log = Some(AccessLog { path: None, format: LogFormat::Json });
    new.limits.head_bytes = 1024;
    assert_eq!(
        changes(&old, &new),
        [
            "listener web: listen 127.0.0.1:8080 → 127.0.0.1:8081",
            "route all: removed",
            "route hello: match.methods none → [GET]",
            "route hello: filters none → [strip-prefix /hello, keep-host]",
            "route hello: timeouts.first-byte 15s → 2s",
            "route new: added",
            "service app: balance p2c → round-robin",
            "service x: added",
            "access-log: added",
            "limits: head 32768B → 1024B",
        ]
    );
    let back = changes(&new, &old);
    assert!(back.contains(&"service x: removed".to_owned()), "{back:?}");
}
