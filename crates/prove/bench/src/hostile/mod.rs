//! `hostile`: clients that send slowly, take slowly, send too much, come in floods or stay idle with all connections
//! that the gateway's descriptors allow and more. Meanwhile good clients send requests at a given rate, before,
//! during and after each attack: what they see is the figure, and the gateway's memory afterwards.

mod attack;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_core::{Clock, SystemClock};
use serde::Serialize;

use crate::error::Error;
use crate::load::Fixed;
use crate::load::open::{self, Plan};
use crate::load::tally::Tally;
use crate::machine::child::Child;
use crate::machine::limits::raise_open_files;
use crate::machine::usage::memory_of_tree;
use crate::peers::{free_address, haechi};
use crate::report::table::Table;
use attack::{ATTACKS, Attack};

/// How long a program may take to start.
const START: Duration = Duration::from_secs(30);
/// Load before and after each attack.
const QUIET: Duration = Duration::from_secs(2);
/// How long the gateway may take to close what the attack left and give its memory back.
const RECOVER: Duration = Duration::from_secs(3);
/// Memory may grow by this share over all attacks, after one round to warm up.
const GROWTH: f64 = 1.10;

/// Options of `hostile`.
#[derive(Debug, Args)]
pub struct Options {
    /// Requests a second of the good clients.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Connections of the good clients.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Connections of each attack but the one that takes all.
    #[arg(long, default_value_t = 500)]
    attackers: usize,
    /// Descriptors that the gateway may have. The idle attack opens this many connections and one more.
    #[arg(long, default_value_t = 4096)]
    descriptors: usize,
    /// Seconds of each attack.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What the good clients saw, and the gateway's memory.
#[derive(Debug, Serialize)]
struct Outcome {
    attack: &'static str,
    round: usize,
    before: Seen,
    during: Seen,
    after: Seen,
    failures: String,
    memory_before: u64,
    memory_after: u64,
}

#[derive(Debug, Serialize)]
struct Seen {
    answered: u64,
    failed: u64,
    p99_ms: f64,
}

/// Runs the attacks and prints what came of them; fails when a good client's request failed or memory stayed.
pub async fn run(options: Options) -> Result<(), Error> {
    raise_open_files(options.descriptors as u64 * 2 + 1024);
    let clock = SystemClock::start();
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let (gateway, service) = (free_address()?, free_address()?);
    let this = std::env::current_exe()?;
    let cores = haechi::online_cores()?;
    let listen = ["backend".to_owned(), "--listen".to_owned(), service.to_string()];
    let mut backend = Child::start(&cores, &this, &listen, &folder.path().join("service"))?;
    backend.accepts(service, START).await?;
    let file = folder.path().join("haechi.yaml");
    // Nothing but a listener and a service: the defaults are what is measured.
    let configuration = format!(
        "gateway:
  listeners: [{{ name: web, listen: {gateway} }}]
  routes: [{{ name: all, match: {{ path: /** }}, service: app }}]
services: {{ app: {{ endpoints: [{service}] }} }}
"
    );
    std::fs::write(&file, configuration)?;
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={0}:{0}", options.descriptors));
    command
        .arg(options.haechi.clone().unwrap_or_else(crate::haechi_beside_this))
        .arg("up")
        .arg("-f")
        .arg(&file);
    let mut server = Child::spawn(command, &folder.path().join("output"))?;
    server.accepts(gateway, START).await?;

    let mut outcomes = Vec::new();
    for round in 0..2 {
        for attack in ATTACKS {
            let load = Load { target: gateway, options: &options, clock: &clock };
            outcomes.push(load.under(attack, round, server.pid()).await?);
        }
    }
    println!("{}", table(&outcomes));
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&outcomes)?)?;
    }
    verdict(&outcomes)
}

struct Load<'a> {
    target: std::net::SocketAddr,
    options: &'a Options,
    clock: &'a Arc<dyn Clock>,
}

impl Load<'_> {
    async fn under(&self, attack: Attack, round: usize, pid: u32) -> Result<Outcome, Error> {
        let before = self.good(QUIET).await;
        let memory_before = memory_of_tree(pid);
        let count =
            if attack == Attack::Idle { self.options.descriptors + 1 } else { self.options.attackers };
        let attackers = attack.start(self.target, count);
        let during = self.good(Duration::from_secs_f64(self.options.seconds)).await;
        for attacker in &attackers {
            attacker.abort();
        }
        drop(attackers);
        tokio::time::sleep(RECOVER).await;
        let after = self.good(QUIET).await;
        let failures = [&before, &during, &after].map(Tally::failures).concat();
        Ok(Outcome {
            attack: attack.name(),
            round,
            before: Seen::of(&before),
            during: Seen::of(&during),
            after: Seen::of(&after),
            failures,
            memory_before,
            memory_after: memory_of_tree(pid),
        })
    }

    async fn good(&self, duration: Duration) -> Tally {
        let Options { rate, connections, .. } = *self.options;
        let plan = Plan { target: self.target, rate, connections, duration };
        open::run(plan, Fixed::new("bench.local", "/128", Some(128)), self.clock, |_, _| {}).await
    }
}

impl Seen {
    fn of(tally: &Tally) -> Self {
        let p99_ms = tally.latency.quantile(0.99).as_secs_f64() * 1e3;
        Self { answered: tally.answered, failed: tally.failed, p99_ms }
    }
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new([
        "attack",
        "before: failed",
        "p99 ms",
        "during: failed",
        "p99 ms",
        "after: failed",
        "p99 ms",
        "memory MiB",
        "after",
        "failures",
    ]);
    for outcome in outcomes {
        let mut cells = vec![format!("{} {}", outcome.attack, outcome.round + 1)];
        for seen in [&outcome.before, &outcome.during, &outcome.after] {
            cells.push(format!("{} of {}", seen.failed, seen.failed + seen.answered));
            cells.push(format!("{:.1}", seen.p99_ms));
        }
        for memory in [outcome.memory_before, outcome.memory_after] {
            cells.push(format!("{:.1}", memory as f64 / 1_048_576.0));
        }
        cells.push(outcome.failures.clone());
        table.row(cells);
    }
    table
}

/// The first round fills pools and the allocator; what the second one adds on top stayed for no reason.
fn verdict(outcomes: &[Outcome]) -> Result<(), Error> {
    let failed: u64 =
        outcomes.iter().flat_map(|o| [&o.before, &o.during, &o.after]).map(|seen| seen.failed).sum();
    let of = |round| outcomes.iter().rfind(|o| o.round == round).map_or(0, |o| o.memory_after);
    let (first, second) = (of(0), of(1));
    let grew = second as f64 > first as f64 * GROWTH;
    if failed == 0 && !grew {
        return Ok(());
    }
    Err(Error::Missed(format!(
        "{failed} requests of good clients failed; {first} bytes after the first round, {second} after the second"
    )))
}
