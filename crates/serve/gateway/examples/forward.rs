//! The smallest gateway, to profile: `forward LISTEN LOG ENDPOINT...` on one worker. LOG is a path, or `-` for none.

use std::net::SocketAddr;

use haechi_core::{Generation, RouteName, ServiceName, SystemClock};
use haechi_gateway::{Gateway, Options};
use haechi_route::config::{
    AccessLog, Action, Balance, Connections, Ejection, Endpoints, GatewayConfig, Listener, LogFormat, Match,
    Retry, RetryBudget, Route, Service, StaticEndpoint, Timeouts,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: forward LISTEN LOG ENDPOINT...";
    let listen: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let log = arguments.next().ok_or(usage)?;
    let endpoints = arguments
        .map(|address| Ok(StaticEndpoint { address: address.parse()?, weight: 100 }))
        .collect::<Result<Vec<_>, std::net::AddrParseError>>()?;
    let name = ServiceName::new("app")?;
    let config = GatewayConfig {
        listeners: [("web".to_owned(), Listener::plain(listen))].into(),
        services: [(
            name.clone(),
            Service {
                endpoints: Endpoints::Static(endpoints),
                balance: Balance::P2c,
                ejection: Ejection::default(),
                retry_budget: RetryBudget::default(),
                connections: Connections::default(),
                protocol: haechi_route::config::Protocol::default(),
                tls: None,
                proxy_protocol: None,
            },
        )]
        .into(),
        routes: vec![Route {
            name: RouteName::new("all")?,
            matches: Match::default(),
            priority: 0,
            filters: Vec::new(),
            action: Action::Service(name),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
        }],
        access_log: (log != "-").then(|| AccessLog { path: Some(log.into()), format: LogFormat::Text }),
        ..GatewayConfig::default()
    };
    let options = Options {
        config,
        generation: Generation(1),
        workers: 1,
        clock: SystemClock::start(),
        subscriber: None,
    };
    let gateway = Gateway::start(options).await?;
    println!("listening on {listen}");
    tokio::signal::ctrl_c().await?;
    gateway.drain(std::time::Duration::from_secs(5)).await;
    Ok(())
}
