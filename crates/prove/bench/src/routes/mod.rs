//! `routes`: what 10,000 routes cost, and how soon a change of one of them is live everywhere.

mod change;
mod table;

use std::path::PathBuf;

use clap::Args;
use haechi_core::SystemClock;

use crate::error::Error;
use crate::machine::cores::{self, Cores};
use crate::report::table::Table;

/// Options of `routes`.
#[derive(Debug, Args)]
pub struct Options {
    /// Routes.
    #[arg(long, default_value_t = 10_000)]
    routes: usize,
    /// Changes of one route while requests flow; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    changes: usize,
    /// Requests a second meanwhile.
    #[arg(long, default_value_t = 2000)]
    rate: u32,
    /// Keep-alive connections that they come over; they spread over all workers.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    cores: Cores,
}

/// Runs the measurement and prints it.
pub async fn run(options: Options) -> Result<(), Error> {
    let _taken = cores::take(options.cores)?;
    let clock = SystemClock::start();
    let sets = [
        table::mixed("prefixes, hosts, exact, patterns", 10)?,
        table::mixed("prefixes, hosts, exact, patterns", options.routes)?,
        table::wildcards("patterns that start with a wildcard", 100)?,
    ];
    let mut rows = Table::new(["routes", "count", "ns a request", "bytes a route", "built in ms"]);
    let mut costs = Vec::new();
    for set in &sets {
        let cost = set.measure(&clock)?;
        rows.row([
            cost.name.to_owned(),
            cost.routes.to_string(),
            format!("{:.0}", cost.nanos),
            format!("{:.0}", cost.bytes_each),
            format!("{:.2}", cost.build_ms),
        ]);
        costs.push(cost);
    }
    println!("{rows}");
    let changes = match options.changes {
        0 => None,
        _ => Some(change::run(&options, &clock).await?),
    };
    if let Some(changes) = &changes {
        println!("{changes}");
    }
    if let Some(path) = &options.json {
        let all = serde_json::json!({ "tables": costs, "changes": changes });
        std::fs::write(path, serde_json::to_string_pretty(&all)?)?;
    }
    Ok(())
}
