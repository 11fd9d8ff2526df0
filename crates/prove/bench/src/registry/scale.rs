//! Many instances on one core: does every heartbeat get its answer in time?

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Clock;
use serde::Serialize;

use super::server::{Kind, Server};
use super::workload::{Action, Instances};
use super::{Options, register};
use crate::error::Error;
use crate::load::open::{self, Plan};
use crate::machine::usage::{cpu_of_tree, memory_of_tree};

/// How often each instance sends a heartbeat.
const INTERVAL_SECONDS: u64 = 30;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Scale {
    instances: u64,
    seconds: f64,
    wanted_per_second: u32,
    answered: u64,
    failed: u64,
    core_share: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    memory_mib: f64,
    registering_seconds: f64,
}

/// Registers `instances` and keeps them alive.
pub async fn run(
    options: &Options,
    instances: u64,
    folder: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Scale, Error> {
    let server = Server::start(Kind::Haechi, options, folder).await?;
    let of = |action| Instances { action, count: instances, stride: 1, dirty: clock.wall().0 };
    let (register_with, heartbeats) = (of(Action::Register), of(Action::Heartbeat));
    let heartbeats = Instances { dirty: register_with.dirty, ..heartbeats };
    let started = clock.now();
    register(&server, register_with, options.connections, clock).await?;
    let registered = clock.now();
    let rate = u32::try_from(instances.div_ceil(INTERVAL_SECONDS)).unwrap_or(u32::MAX);
    let duration = Duration::from_secs_f64(options.alone_seconds);
    let plan = Plan { target: server.address, rate, connections: options.connections, duration };
    let before = cpu_of_tree(server.child.pid());
    let tally = open::run(plan, heartbeats, clock, |_, _| ()).await;
    let used = cpu_of_tree(server.child.pid()) - before;
    let seconds = clock.now().since(registered).as_secs_f64();
    let millis = |quantile| tally.latency.quantile(quantile).as_secs_f64() * 1e3;
    Ok(Scale {
        instances,
        seconds,
        wanted_per_second: rate,
        answered: tally.answered,
        failed: tally.failed,
        core_share: used.total() / seconds,
        p50_ms: millis(0.5),
        p99_ms: millis(0.99),
        max_ms: tally.latency.max().as_secs_f64() * 1e3,
        memory_mib: memory_of_tree(server.child.pid()) as f64 / 1_048_576.0,
        registering_seconds: registered.since(started).as_secs_f64(),
    })
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} instances with a heartbeat every {INTERVAL_SECONDS} s on one core of Haechi: {:.0} of {} a second \
             answered right for {:.0} s, {} failed; {:.0} % of the core, {:.0} MiB; from the intended time p50 {:.2} ms, \
             p99 {:.2} ms, max {:.0} ms; all registered in {:.1} s",
            self.instances,
            self.answered as f64 / self.seconds,
            self.wanted_per_second,
            self.seconds,
            self.failed,
            self.core_share * 100.0,
            self.memory_mib,
            self.p50_ms,
            self.p99_ms,
            self.max_ms,
            self.registering_seconds
        )
    }
}
