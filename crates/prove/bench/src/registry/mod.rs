//! `registry`: heartbeats, full fetches, deltas and memory beside Spring's Eureka server, then 100,000
//! instances on one core.

mod scale;
mod server;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_core::{Clock, SystemClock};
use serde::Serialize;

use crate::error::Error;
use crate::load::closed::{self, Plan};
use crate::load::{Fixed, Workload};
use crate::machine::cores::{self, Cores};
use crate::machine::limits::raise_open_files;
use crate::machine::usage::{cpu_of_tree, memory_of_tree};
use crate::report::stats::median;
use crate::report::table::Table;
use server::{Kind, RETENTION, STALE, Server};
use workload::{Action, Instances};

/// How long all registrations may take.
const REGISTERING: Duration = Duration::from_secs(120);
/// One instance of each so many changes before the delta is fetched.
const CHANGED: u64 = 100;

/// Options of `registry`.
#[derive(Debug, Args)]
pub struct Options {
    /// Numbers of instances; 0 leaves the comparison out.
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 10_000])]
    instances: Vec<u64>,
    /// Who is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Haechi, Kind::Eureka])]
    subjects: Vec<Kind>,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of heartbeats before the first measurement, and a quarter of it before each other one: the JVM
    /// compiles meanwhile.
    #[arg(long, default_value_t = 20.0)]
    warm_up: f64,
    /// Times each measurement is repeated; medians are quoted.
    #[arg(long, default_value_t = 3)]
    reps: usize,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Instances of the run that Haechi does alone, each with a heartbeat every 30 s; 0 leaves it out.
    #[arg(long, default_value_t = 100_000)]
    alone: u64,
    /// Seconds of that run.
    #[arg(long, default_value_t = 60.0)]
    alone_seconds: f64,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// Folder of registry.jar; by default where tests/originals/build.sh puts it.
    #[arg(long)]
    originals: Option<PathBuf>,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    cores: Cores,
}

/// One kind of request, measured.
#[derive(Debug, Clone, Copy, Serialize)]
struct Cost {
    per_cpu_second: f64,
    bytes_each: f64,
}

/// What was measured of one registry at one size.
#[derive(Debug, Serialize)]
struct Row {
    subject: &'static str,
    instances: u64,
    heartbeats: Cost,
    full: Cost,
    full_gzip: Cost,
    delta: Cost,
    memory_mib: f64,
    failed: u64,
}

/// Runs the measurement and prints it.
pub async fn run(options: Options) -> Result<(), Error> {
    raise_open_files(20_000);
    let _taken = cores::take(options.cores)?;
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let clock = SystemClock::start();
    let mut rows = Vec::new();
    for instances in options.instances.iter().filter(|instances| **instances > 0) {
        for kind in &options.subjects {
            let folder = folder.path().join(format!("{}-{instances}", kind.name()));
            let server = Server::start(*kind, &options, &folder).await?;
            let row = Bench { options: &options, server, clock: clock.clone() }.measure(*instances).await?;
            eprintln!("{row:?}");
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        print!("{}", table(&rows));
    }
    let alone = match options.alone {
        0 => None,
        instances => Some(scale::run(&options, instances, &folder.path().join("alone"), &clock).await?),
    };
    if let Some(alone) = &alone {
        println!("\n{alone}");
    }
    if let Some(path) = &options.json {
        std::fs::write(
            path,
            serde_json::to_string_pretty(&serde_json::json!({ "rows": rows, "alone": alone }))?,
        )?;
    }
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    server: Server,
    clock: Arc<dyn Clock>,
}

impl Bench<'_> {
    async fn measure(self, instances: u64) -> Result<Row, Error> {
        let dirty = self.clock.wall().0;
        let of = |action| Instances { action, count: instances, stride: 1, dirty };
        register(&self.server, of(Action::Register), self.options.connections, &self.clock).await?;
        let registered = self.clock.now();
        tokio::time::sleep(STALE).await;
        self.holds("/eureka/apps", instances).await?;

        let mut failed = 0;
        let warm_up = self.options.warm_up;
        let heartbeats = self.cost(|| of(Action::Heartbeat), warm_up, &mut failed).await;
        let get =
            |path: &'static str, fields: &'static str| move || Fixed::with("registry", path, fields, None);
        let json = "Accept: application/json\r\n";
        let gzip = "Accept: application/json\r\nAccept-Encoding: gzip\r\n";
        let full = self.cost(get("/eureka/apps", json), warm_up / 4.0, &mut failed).await;
        let full_gzip = self.cost(get("/eureka/apps", gzip), warm_up / 4.0, &mut failed).await;
        let memory_mib = memory_of_tree(self.server.child.pid()) as f64 / 1_048_576.0;

        let settled = RETENTION + Duration::from_secs(5);
        tokio::time::sleep(settled.saturating_sub(self.clock.now().since(registered))).await;
        let changes = Instances { stride: CHANGED, ..of(Action::TakeOut) };
        let target = (self.server.address, self.options.connections);
        let changed = instances / CHANGED;
        let tally = closed::each(target, changed, changes, &self.clock, REGISTERING).await;
        all_right(&tally.failures(), "changes")?;
        tokio::time::sleep(STALE).await;
        self.holds("/eureka/apps/delta", changed).await?;
        // Short enough to end before the changes leave the delta.
        let delta = self.short_cost(get("/eureka/apps/delta", json), &mut failed).await;
        self.holds("/eureka/apps/delta", changed).await?;
        let subject = self.server.kind.name();
        Ok(Row { subject, instances, heartbeats, full, full_gzip, delta, memory_mib, failed })
    }

    /// Whether a listing holds exactly `instances`.
    async fn holds(&self, path: &'static str, instances: u64) -> Result<(), Error> {
        let get = Fixed::with("registry", path, "Accept: application/json\r\n", None);
        let counted = self.server.ask(&get).await.and_then(|(_, body)| {
            let counted = body.matches("\"instanceId\"").count() as u64;
            let wrong =
                || crate::load::connection::Failure::Wrong(format!("{counted} instances, not {instances}"));
            if counted == instances { Ok(()) } else { Err(wrong()) }
        });
        let subject = self.server.kind.name().to_owned();
        counted.map_err(|source| Error::Check { subject, what: path.to_owned(), source })
    }

    async fn cost<W: Workload + 'static>(
        &self,
        workload: impl Fn() -> W,
        warm_up: f64,
        failed: &mut u64,
    ) -> Cost {
        let mut costs = Vec::new();
        for repetition in 0..self.options.reps {
            let warm_up = if repetition == 0 { warm_up } else { 0.5 };
            costs.push(self.once(workload(), warm_up, self.options.seconds, failed).await);
        }
        Cost {
            per_cpu_second: median(costs.iter().map(|cost| cost.per_cpu_second)),
            bytes_each: median(costs.iter().map(|cost| cost.bytes_each)),
        }
    }

    async fn short_cost<W: Workload + 'static>(&self, workload: impl Fn() -> W, failed: &mut u64) -> Cost {
        self.once(workload(), 4.0, 5.0, failed).await
    }

    async fn once<W: Workload + 'static>(
        &self,
        workload: W,
        warm_up: f64,
        seconds: f64,
        failed: &mut u64,
    ) -> Cost {
        let plan = Plan {
            target: self.server.address,
            connections: self.options.connections,
            warm_up: Duration::from_secs_f64(warm_up),
            duration: Duration::from_secs_f64(seconds),
        };
        let pid = self.server.child.pid();
        let measured = closed::run(plan, workload, &self.clock, || cpu_of_tree(pid)).await;
        let answered = measured.tally.answered as f64;
        if measured.tally.failed > 0 {
            eprintln!("{}: {}", self.server.kind.name(), measured.tally.failures());
        }
        *failed += measured.tally.failed;
        Cost {
            per_cpu_second: answered / (measured.samples.1 - measured.samples.0).total(),
            bytes_each: measured.tally.bytes as f64 / answered,
        }
    }
}

/// Registers every instance of `workload` once.
async fn register(
    server: &Server,
    workload: Instances,
    connections: usize,
    clock: &Arc<dyn Clock>,
) -> Result<(), Error> {
    let target = (server.address, connections);
    let tally = closed::each(target, workload.count, workload, clock, REGISTERING).await;
    all_right(&tally.failures(), "registrations")
}

fn all_right(failures: &str, what: &str) -> Result<(), Error> {
    if failures.is_empty() { Ok(()) } else { Err(Error::Missed(format!("{what}: {failures}"))) }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new([
        "registry",
        "instances",
        "heartbeats / CPU s",
        "full: KB",
        "full: CPU ms",
        "gzip: KB",
        "gzip: CPU ms",
        "delta of 1 %: KB",
        "delta: CPU ms",
        "memory MiB",
        "failed",
    ]);
    for row in rows {
        let kilobytes = |cost: Cost| format!("{:.1}", cost.bytes_each / 1000.0);
        let millis = |cost: Cost| format!("{:.3}", 1000.0 / cost.per_cpu_second);
        table.row([
            row.subject.to_owned(),
            row.instances.to_string(),
            format!("{:.0}", row.heartbeats.per_cpu_second),
            kilobytes(row.full),
            millis(row.full),
            kilobytes(row.full_gzip),
            millis(row.full_gzip),
            kilobytes(row.delta),
            millis(row.delta),
            format!("{:.0}", row.memory_mib),
            row.failed.to_string(),
        ]);
    }
    table
}
