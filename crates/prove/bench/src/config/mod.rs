//! `config`: requests for a CPU second beside Spring's config server on the same repository, then many clients
//! that boot at once while the git remote hangs.

mod boot;
mod repository;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_core::{Clock, SystemClock};
use serde::Serialize;

use crate::error::Error;
use crate::load::closed::{self, Plan};
use crate::load::connection::{Connection, Failure};
use crate::load::{Fixed, Workload};
use crate::machine::cores::{self, Cores};
use crate::machine::limits::raise_open_files;
use crate::machine::usage::{cpu_of_tree, memory_of_tree};
use crate::report::stats::median;
use crate::report::table::Table;
use repository::Remote;
use server::{Kind, Server};

/// What a client asks for when it boots.
const PATH: &str = "/helloworld-client/default";
/// A value that the right answer holds.
const PROOF: &str = "zuul.ignoredPatterns";

/// Options of `config`.
#[derive(Debug, Args)]
pub struct Options {
    /// Who is measured.
    #[arg(long, value_enum, value_delimiter = ',',
          default_values_t = [Kind::Haechi, Kind::Spring, Kind::SpringRefreshRate])]
    subjects: Vec<Kind>,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of load before the first measurement: the JVM compiles meanwhile.
    #[arg(long, default_value_t = 20.0)]
    warm_up: f64,
    /// Times each measurement is repeated; medians are quoted.
    #[arg(long, default_value_t = 3)]
    reps: usize,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Clients that boot at once while the remote hangs; 0 leaves it out.
    #[arg(long, default_value_t = 2000)]
    boots: usize,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// Folder of config-server.jar; by default where tests/originals/build.sh puts it.
    #[arg(long)]
    originals: Option<PathBuf>,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    cores: Cores,
}

#[derive(Debug, Serialize)]
struct Row {
    subject: &'static str,
    per_cpu_second: f64,
    per_second: f64,
    bytes: f64,
    memory_mib: f64,
    failed: u64,
}

/// Runs the measurement and prints it.
pub async fn run(options: Options) -> Result<(), Error> {
    raise_open_files(20_000);
    let _taken = cores::take(options.cores)?;
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    repository::make(&folder.path().join("properties"))?;
    let clock = SystemClock::start();
    let mut rows = Vec::new();
    for kind in &options.subjects {
        let row = requests(&options, *kind, folder.path(), &clock).await?;
        eprintln!("{row:?}");
        rows.push(row);
    }
    println!("GET {PATH}, {} connections\n\n{}", options.connections, table(&rows));
    let mut boots = Vec::new();
    if options.boots > 0 {
        for kind in &options.subjects {
            let boot = boot::storm(&options, *kind, folder.path(), &clock).await?;
            println!("{boot}");
            boots.push(boot);
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(
            path,
            serde_json::to_string_pretty(&serde_json::json!({ "rows": rows, "boots": boots }))?,
        )?;
    }
    Ok(())
}

async fn requests(
    options: &Options,
    kind: Kind,
    folder: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Row, Error> {
    let remote = Remote::serve(folder).await?;
    let own = folder.join(format!("{kind:?}"));
    let server = Server::start(kind, options, &own, &remote.url("properties"), "60s").await?;
    let length = check(&server).await?;
    let mut costs = Vec::new();
    let mut failed = 0;
    for repetition in 0..options.reps {
        let plan = Plan {
            target: server.address,
            connections: options.connections,
            warm_up: Duration::from_secs_f64(if repetition == 0 { options.warm_up } else { 0.5 }),
            duration: Duration::from_secs_f64(options.seconds),
        };
        let pid = server.child.pid();
        let measured = closed::run(plan, get(Some(length)), clock, || cpu_of_tree(pid)).await;
        if measured.tally.failed > 0 {
            eprintln!("{}: {}", kind.name(), measured.tally.failures());
        }
        failed += measured.tally.failed;
        let answered = measured.tally.answered as f64;
        let cpu = (measured.samples.1 - measured.samples.0).total();
        costs.push((answered / cpu, answered / measured.elapsed.as_secs_f64()));
    }
    Ok(Row {
        subject: kind.name(),
        per_cpu_second: median(costs.iter().map(|cost| cost.0)),
        per_second: median(costs.iter().map(|cost| cost.1)),
        bytes: length as f64,
        memory_mib: memory_of_tree(server.child.pid()) as f64 / 1_048_576.0,
        failed,
    })
}

fn get(length: Option<u64>) -> Fixed {
    Fixed::with("config", PATH, "Accept: application/json\r\n", length)
}

/// One request, whose answer must hold what the repository says; its length is that of all others.
async fn check(server: &Server) -> Result<u64, Error> {
    let ask = async {
        let mut body = Vec::new();
        let workload = get(None);
        let mut connection = Connection::open(server.address).await?;
        let answer = connection.exchange(workload.request(0, &mut Vec::new()), Some(&mut body)).await?;
        workload.check(&answer)?;
        if !String::from_utf8_lossy(&body).contains(PROOF) {
            return Err(Failure::Wrong(format!("no {PROOF}")));
        }
        Ok(answer.body_len)
    };
    let subject = server.kind.name().to_owned();
    ask.await.map_err(|source| Error::Check { subject, what: PATH.to_owned(), source })
}

fn table(rows: &[Row]) -> Table {
    let mut table =
        Table::new(["config server", "requests / CPU s", "requests / s", "bytes", "memory MiB", "failed"]);
    for row in rows {
        table.row([
            row.subject.to_owned(),
            format!("{:.0}", row.per_cpu_second),
            format!("{:.0}", row.per_second),
            format!("{:.0}", row.bytes),
            format!("{:.0}", row.memory_mib),
            row.failed.to_string(),
        ]);
    }
    table
}
