//! Configurations for tests.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod answer;
pub mod frames;
pub mod h2;
pub mod h3;
pub mod pebble;
pub mod tls;
pub mod unix;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Generation, RouteName, ServiceName, SystemClock};
use haechi_gateway::{Gateway, Options};
use haechi_route::config::{
    Action, Balance, Endpoints, Filter, GatewayConfig, Listener, Match, PathPattern, Route, Service,
    StaticEndpoint, Timeouts,
};

/// One listener on port 0, one route for everything to a service of these endpoints.
pub fn config(endpoints: &[SocketAddr]) -> GatewayConfig {
    let mut config = GatewayConfig::default();
    config.listeners.insert("web".into(), Listener::plain(([127, 0, 0, 1], 0).into()));
    config.services.insert(name("app"), service(endpoints));
    config.routes.push(route("all", None, &[]));
    config
}

pub fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

pub fn service(endpoints: &[SocketAddr]) -> Service {
    let endpoints =
        endpoints.iter().map(|address| StaticEndpoint { address: (*address).into(), weight: 100 }).collect();
    Service {
        endpoints: Endpoints::Static(endpoints),
        balance: Balance::RoundRobin,
        ejection: haechi_route::config::Ejection::default(),
        retry_budget: haechi_route::config::RetryBudget::default(),
        connections: haechi_route::config::Connections::default(),
        protocol: haechi_route::config::Protocol::default(),
        tls: None,
        proxy_protocol: None,
    }
}

/// A route to the service `app`.
pub fn route(route: &str, path: Option<PathPattern>, filters: &[Filter]) -> Route {
    Route {
        name: RouteName::new(route).unwrap(),
        matches: Match { path, ..Match::default() },
        priority: 0,
        filters: filters.to_vec(),
        action: Action::Service(name("app")),
        timeouts: Timeouts::default(),
        retry: haechi_route::config::Retry::default(),
    }
}

/// A gateway of one worker, and where it listens.
pub async fn start(config: GatewayConfig) -> (Gateway, SocketAddr) {
    start_at(SystemClock::start(), config).await
}

/// The same with this clock.
pub async fn start_at(clock: Arc<dyn Clock>, config: GatewayConfig) -> (Gateway, SocketAddr) {
    let gateway = start_any(clock, config).await;
    let address = gateway.local_addrs()["web"];
    (gateway, address)
}

/// The same, whatever its listeners are called.
pub async fn start_any(clock: Arc<dyn Clock>, config: GatewayConfig) -> Gateway {
    let options = Options { config, generation: Generation(1), workers: 1, clock, subscriber: None };
    Gateway::start(options).await.unwrap()
}

/// Sets all timeouts of the first route so short that a test can wait for one.
pub fn impatient(config: &mut GatewayConfig, first_byte: Duration) {
    config.routes[0].timeouts.first_byte = first_byte;
}
