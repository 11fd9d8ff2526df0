//! One route of many changes in the file while requests flow: when do all workers serve it, and is any request
//! lost?
//!
//! The route answers by itself, with a body one byte longer after each change, so that every answer tells which
//! generation gave it. A change is live when the last answer of the generation before has arrived.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Instant};
use serde::Serialize;

use super::Options;
use crate::error::Error;
use crate::load::Fixed;
use crate::load::connection::{Answer, Failure};
use crate::load::open::{self, Finished, Plan};
use crate::machine::usage::memory_of_tree;
use crate::peers::{free_address, haechi};
use crate::report::stats::median;

/// Time between two changes.
const BETWEEN: Duration = Duration::from_millis(1500);
/// How long the program may take to start with so many routes.
const START: Duration = Duration::from_secs(20);
/// Length of the probe's body before any change.
const FIRST_LENGTH: usize = 100;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Changes {
    routes: usize,
    rate: u32,
    cores: String,
    first_seen_ms: Vec<f64>,
    live_ms: Vec<f64>,
    answered: u64,
    failed: u64,
    failures: String,
    memory_mib: f64,
}

/// An answer as the load generator saw it.
type Seen = (Instant, u64);

/// Starts Haechi on all cores with `options.routes` routes and changes one again and again.
pub async fn run(options: &Options, clock: &Arc<dyn Clock>) -> Result<Changes, Error> {
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let (address, admin) = (free_address()?, free_address()?);
    let file = folder.path().join("haechi.yaml");
    let configuration = |length| configuration(address, admin, options.routes, length);
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    let mut child = haechi::up_everywhere(&program, folder.path(), &configuration(FIRST_LENGTH))?;
    child.accepts(address, START).await.map_err(|source| Error::Start {
        program: "Haechi".to_owned(),
        output: std::fs::read_to_string(folder.path().join("output")).unwrap_or_default(),
        source,
    })?;

    let seen: Rc<RefCell<Vec<Seen>>> = Rc::default();
    let note = {
        let seen = seen.clone();
        move |finished: Finished, outcome: &Result<Answer, Failure>| {
            if let Ok(answer) = outcome {
                seen.borrow_mut().push((finished.ended, answer.body_len));
            }
        }
    };
    let duration = BETWEEN * (options.changes as u32 + 2);
    let plan = Plan { target: address, rate: options.rate, connections: options.connections, duration };
    let load_clock = clock.clone();
    let load = tokio::task::spawn_local(async move {
        open::run(plan, Fixed::new("bench.local", "/probe", None), &load_clock, note).await
    });
    tokio::time::sleep(BETWEEN).await;
    let mut changed = Vec::new();
    for change in 1..=options.changes {
        let text = configuration(FIRST_LENGTH + change);
        changed.push(apply(&file, &text, clock)?);
        tokio::time::sleep(BETWEEN).await;
    }
    let memory_mib = memory_of_tree(child.pid()) as f64 / 1_048_576.0;
    let tally = load.await.map_err(|error| Error::Missed(error.to_string()))?;
    let mut result = Changes {
        routes: options.routes,
        rate: options.rate,
        cores: haechi::online_cores()?,
        first_seen_ms: Vec::new(),
        live_ms: Vec::new(),
        answered: tally.answered,
        failed: tally.failed,
        failures: tally.failures(),
        memory_mib,
    };
    result.read(&changed, &seen.borrow())?;
    Ok(result)
}

/// Puts the file in place at once, and answers when that began. Nobody else tells Haechi of it. What is measured
/// begins before the rename, with the new file on disk: writing it is the editor's time.
fn apply(file: &Path, text: &str, clock: &Arc<dyn Clock>) -> Result<Instant, Error> {
    let new = file.with_extension("new");
    let mut out = std::fs::File::create(&new)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    let now = clock.now();
    std::fs::rename(&new, file)?;
    Ok(now)
}

fn configuration(address: SocketAddr, admin: SocketAddr, routes: usize, length: usize) -> String {
    let mut text = format!(
        "admin: {{ listen: {admin} }}
services:
  app: {{ endpoints: [127.0.0.1:9] }}
gateway:
  listeners: [{{ name: web, listen: {address} }}]
  routes:
    - {{ name: probe, match: {{ path: /probe }}, respond: {{ status: 200, body: {} }} }}
",
        "x".repeat(length)
    );
    for index in 1..routes {
        // Writing to a string can't fail.
        let _ = match index % 2 {
            0 => writeln!(
                text,
                "    - {{ name: route-{index}, match: {{ path: /svc-{index}/** }}, service: app }}"
            ),
            _ => writeln!(
                text,
                "    - {{ name: route-{index}, match: {{ host: tenant-{}.example.com, path: /app-{index}/** }}, service: app }}",
                index % 400
            ),
        };
    }
    text
}

impl Changes {
    /// For each change: the first answer of the new generation, and the last of the one before.
    fn read(&mut self, changed: &[Instant], seen: &[Seen]) -> Result<(), Error> {
        for (index, when) in changed.iter().enumerate() {
            let new = (FIRST_LENGTH + index + 1) as u64;
            let first = seen.iter().filter(|(_, length)| *length >= new).map(|(ended, _)| *ended).min();
            let last_old = seen.iter().filter(|(_, length)| *length < new).map(|(ended, _)| *ended).max();
            let (Some(first), Some(last_old)) = (first, last_old) else {
                return Err(Error::Missed(format!("change {} was never live", index + 1)));
            };
            self.first_seen_ms.push(first.since(*when).as_secs_f64() * 1e3);
            self.live_ms.push(last_old.max(first).since(*when).as_secs_f64() * 1e3);
        }
        Ok(())
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worst = self.live_ms.iter().copied().fold(0.0, f64::max);
        write!(
            f,
            "{} changes of one of {} routes in the file, {} requests/s meanwhile, cores {}: live on all workers after \
             {:.1} ms (median; worst {:.1}), first seen after {:.1} ms; {} requests answered right, {} lost; {:.0} MiB",
            self.live_ms.len(),
            self.routes,
            self.rate,
            self.cores,
            median(self.live_ms.iter().copied()),
            worst,
            median(self.first_seen_ms.iter().copied()),
            self.answered,
            self.failed,
            self.memory_mib
        )?;
        if self.failures.is_empty() { Ok(()) } else { write!(f, "; {}", self.failures) }
    }
}
