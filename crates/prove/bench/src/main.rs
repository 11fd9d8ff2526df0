//! Measurements beside peers, printed as ratios: losses as well as wins.

mod backend;
mod change;
mod config;
mod error;
mod gateway;
mod grpc;
mod hostile;
mod instructions;
mod kill;
mod load;
mod machine;
mod peers;
mod registry;
mod report;
mod restarts;
mod routes;
mod single;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "haechi-bench", version, about = "Haechi measured beside its peers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The static service that stands behind the gateways.
    Backend(single::BackendOptions),
    /// A load generator, closed loop or (with --rate) open loop.
    Load(single::LoadOptions),
    /// CPU time a request beside HAProxy, nginx, Envoy, Caddy and pingora.
    Gateway(gateway::Options),
    /// Instructions a request, compared with the figures kept.
    Instructions(instructions::Options),
    /// Heartbeats, fetches, deltas and memory beside Spring's Eureka server.
    Registry(registry::Options),
    /// Requests for a CPU second beside Spring's config server; boots while the remote hangs.
    Config(config::Options),
    /// What 10,000 routes cost, and how soon a change of one is live.
    Routes(routes::Options),
    /// Reloads and binary upgrades under requests, WebSockets and downloads of every protocol: nothing may be lost.
    Change(change::Options),
    /// One of two instances is killed or frozen under load: no GET may fail.
    Kill(kill::Options),
    /// Slow, idle and flooding clients beside good ones: no request of a good one may fail.
    Hostile(hostile::Options),
    /// Mixed and mutated traffic of every protocol for an hour beside good clients: HTTP/1.1, HTTP/2, HTTP/3, gRPC,
    /// WebSocket, TLS, TCP, UDP, Unix sockets, registry, config server, admin. No panic, no leak, no good request lost.
    Soak(soak::Options),
    /// Thousands of instances restarted one by one, with connections closed at awkward moments: no GET may fail, no POST
    /// may arrive twice.
    Restarts(restarts::Options),
    /// The instances of `restarts`, in a process of their own.
    #[command(hide = true)]
    RestartInstances(restarts::InstanceOptions),
}

/// Haechi's program as cargo places it: beside this one.
fn haechi_beside_this() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.with_file_name("haechi")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let work = async {
        match arguments.command {
            Command::Backend(options) => single::backend(options).await,
            Command::Load(options) => single::load(options).await,
            Command::Gateway(options) => gateway::run(options).await,
            Command::Instructions(options) => instructions::run(options).await,
            Command::Registry(options) => registry::run(options).await,
            Command::Config(options) => config::run(options).await,
            Command::Routes(options) => routes::run(options).await,
            Command::Change(options) => change::run(options).await,
            Command::Kill(options) => kill::run(options).await,
            Command::Hostile(options) => hostile::run(options).await,
            Command::Soak(options) => soak::run(options).await,
            Command::Restarts(options) => restarts::run(options).await,
            Command::RestartInstances(options) => restarts::serve(options).await,
        }
    };
    match tokio::task::LocalSet::new().run_until(work).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("haechi-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
