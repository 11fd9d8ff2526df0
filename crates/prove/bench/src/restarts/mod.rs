//! `restarts`: thousands of instances behind a gateway that was told nothing but a listener and a service. Each is
//! restarted once: it closes its connections at an awkward moment, and its port refuses until it listens again. Meanwhile
//! requests come at a given rate. No GET may fail; no POST may arrive at two instances, or twice at one.
//!
//! The instances are spread over processes (`instances.rs`), since each has a listening socket and connections; the
//! gateway is the real program.

mod figures;
mod fleet;
mod instances;
mod requests;

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_core::{Clock, SystemClock};

use crate::error::Error;
use crate::load::open::{self, Plan};
use crate::machine::child::Child;
use crate::machine::usage::descriptors_of;
use crate::peers::free_address;
use figures::Figures;
use fleet::Fleet;
pub use instances::{InstanceOptions, serve};
use requests::{Got, Requests};

/// How long a program may take to start.
const START: Duration = Duration::from_secs(30);
/// Load is made in slices of this length until the last instance was restarted.
const SLICE: Duration = Duration::from_secs(5);
/// Between two looks at the gateway's descriptors.
const LOOK: Duration = Duration::from_millis(500);

/// Options of `restarts`.
#[derive(Debug, Args)]
pub struct Options {
    /// Instances of the service.
    #[arg(long, default_value_t = 10_000)]
    instances: usize,
    /// Processes that they are spread over.
    #[arg(long, default_value_t = 4)]
    processes: usize,
    /// Instances that are restarted at the same time; one in fifty unless given.
    #[arg(long)]
    at_once: Option<usize>,
    /// Milliseconds that an instance is away, at most.
    #[arg(long, default_value_t = 50)]
    away_ms: u64,
    /// Requests a second; every fourth is a POST.
    #[arg(long, default_value_t = 2000)]
    rate: u32,
    /// Connections of the clients.
    #[arg(long, default_value_t = 128)]
    connections: usize,
    /// Descriptors that the gateway may have; as many as it is allowed unless given.
    #[arg(long)]
    descriptors: Option<usize>,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Restarts all instances under load and prints what came of it; fails when a promise was not kept.
pub async fn run(options: Options) -> Result<(), Error> {
    let clock = SystemClock::start();
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let mut fleet = Fleet::start(&options, folder.path()).await?;
    let (web, admin) = (free_address()?, free_address()?);
    let file = folder.path().join("haechi.yaml");
    std::fs::write(&file, configuration(web, admin, &fleet.addresses)?)?;
    let mut gateway = start_gateway(&options, &file, &folder.path().join("output"))?;
    gateway.accepts(web, START).await?;
    gateway.accepts(admin, START).await?;

    let peak = watch_descriptors(gateway.pid());
    let started = clock.now();
    let got = load(&options, web, &clock, &mut fleet).await?;
    let took = clock.now().since(started);
    if gateway.has_ended() {
        return Err(Error::Missed("the gateway ended".to_owned()));
    }
    let metrics = figures::metrics(admin).await?;
    let seen = fleet.report().await?;
    let figures = Figures::new(&got, &seen, &metrics, peak.get(), took);
    println!("{}", figures.table());
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&figures)?)?;
    }
    figures.verdict()
}

/// Nothing but a listener and a service: the defaults are what is tried. The admin port is where the figures come from.
fn configuration(web: SocketAddr, admin: SocketAddr, instances: &[SocketAddr]) -> Result<String, Error> {
    let mut text = format!(
        "admin: {{ listen: {admin} }}
gateway:
  listeners: [{{ name: web, listen: {web} }}]
  routes: [{{ name: all, match: {{ path: /** }}, service: app }}]
services:
  app:
    endpoints:
"
    );
    for address in instances {
        writeln!(text, "      - {address}").map_err(std::io::Error::other)?;
    }
    Ok(text)
}

fn start_gateway(options: &Options, file: &std::path::Path, log: &std::path::Path) -> Result<Child, Error> {
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    if !program.is_file() {
        return Err(Error::Missing(format!("{} (cargo build --release -p haechi)", program.display())));
    }
    let mut command = match options.descriptors {
        Some(most) => {
            let mut limited = Command::new("prlimit");
            limited.arg(format!("--nofile={most}:{most}")).arg(program);
            limited
        }
        None => Command::new(program),
    };
    command.arg("up").arg("-f").arg(file);
    Ok(Child::spawn(command, log)?)
}

/// Sends requests from before the first restart until after the last.
async fn load(
    options: &Options,
    web: SocketAddr,
    clock: &Arc<dyn Clock>,
    fleet: &mut Fleet,
) -> Result<Got, Error> {
    let got: Rc<RefCell<Got>> = Rc::default();
    let plan = Plan { target: web, rate: options.rate, connections: options.connections, duration: SLICE };
    let mut first = 0;
    let mut restarting = false;
    loop {
        let last = restarting && fleet.is_done();
        let note = {
            let got = got.clone();
            move |finished: open::Finished, outcome: &_| {
                got.borrow_mut().note(first + finished.number, outcome);
            }
        };
        let tally = open::run(plan, Requests { first }, clock, note).await;
        first += tally.answered + tally.failed;
        if last {
            return Ok(got.take());
        }
        if !restarting {
            // The pools are warm.
            restarting = true;
            fleet.restart().await?;
        }
    }
}

/// The largest number of descriptors that a process is seen to have, as long as this program runs.
fn watch_descriptors(pid: u32) -> Rc<Cell<usize>> {
    let peak = Rc::new(Cell::new(0));
    let seen = peak.clone();
    tokio::task::spawn_local(async move {
        loop {
            seen.set(seen.get().max(descriptors_of(pid)));
            tokio::time::sleep(LOOK).await;
        }
    });
    peak
}
