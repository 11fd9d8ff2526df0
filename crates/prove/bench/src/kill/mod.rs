//! `kill`: two instances of a service in Haechi's registry, requests at a given rate through its gateway; one
//! instance is killed with SIGKILL, or frozen with SIGSTOP. No GET may fail.
//!
//! When the dead instance was last tried is read from outside the gateway: refused connections from the
//! kernel's counter (killed), requests that took longer than the first-byte timeout (frozen).

mod refused;

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_core::{Clock, Instant, SystemClock};
use rustix::process::Signal;
use serde::Serialize;

use crate::error::Error;
use crate::load::connection::{Answer, Connection, Failure};
use crate::load::open::{self, Finished, Plan};
use crate::load::tally::Tally;
use crate::load::{Fixed, Workload};
use crate::machine::child::Child;
use crate::machine::cores::{self, Cores};
use crate::peers::{free_address, haechi};
use refused::Refused;

/// How long a program may take to start.
const START: Duration = Duration::from_secs(10);
/// How long the gateway may take to learn of the instances.
const LEARN: Duration = Duration::from_secs(5);
/// Load before the instance dies.
const BEFORE: Duration = Duration::from_secs(2);
/// The last attempt after a kill must be within this; after freezing, within this and the timeout that tells.
const PROMISED: Duration = Duration::from_millis(100);
/// A frozen instance may be tried again now and then, to see whether it is back: at most so many requests a
/// second, on average, may meet it later than promised.
const PROBES_PER_SECOND: f64 = 1.0;

/// Options of `kill`.
#[derive(Debug, Args)]
pub struct Options {
    /// Requests a second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Keep-alive connections at most.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds of load after the instance's death.
    #[arg(long, default_value_t = 6.0)]
    after: f64,
    /// Milliseconds each instance takes for an answer, so that requests are in flight when it dies.
    #[arg(long, default_value_t = 5)]
    delay_ms: u64,
    /// The gateway's first-byte timeout in milliseconds: how long it waits for a frozen instance.
    #[arg(long, default_value_t = 500)]
    first_byte_ms: u64,
    /// Times each death is repeated.
    #[arg(long, default_value_t = 3)]
    reps: usize,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    cores: Cores,
}

/// What happens to the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Death {
    Killed,
    Frozen,
}

/// What came of one death.
#[derive(Debug, Serialize)]
struct Outcome {
    death: Death,
    answered: u64,
    failed: u64,
    failures: String,
    /// Attempts that met the dead instance: refused connections, or requests that waited for the timeout.
    met: u64,
    /// How many of them later than promised.
    late: u64,
    /// The last of them, after the death.
    last_ms: f64,
    p50_ms: f64,
    max_ms: f64,
}

/// Runs the measurement and prints it; fails when a promise was not kept.
pub async fn run(options: Options) -> Result<(), Error> {
    let _taken = cores::take(options.cores)?;
    let clock = SystemClock::start();
    let mut outcomes = Vec::new();
    for death in [Death::Killed, Death::Frozen] {
        for _ in 0..options.reps {
            let outcome = once(&options, death, &clock).await?;
            println!("{outcome}");
            outcomes.push(outcome);
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&outcomes)?)?;
    }
    let failed: u64 = outcomes.iter().map(|outcome| outcome.failed).sum();
    let probes = (options.after * PROBES_PER_SECOND) as u64;
    let missed = outcomes.iter().filter(|outcome| match outcome.death {
        Death::Killed => outcome.late > 0,
        Death::Frozen => outcome.late > probes,
    });
    match missed.count() {
        0 if failed == 0 => Ok(()),
        missed => {
            Err(Error::Missed(format!("{failed} requests failed, {missed} of the dead were tried too late")))
        }
    }
}

async fn once(options: &Options, death: Death, clock: &Arc<dyn Clock>) -> Result<Outcome, Error> {
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let (gateway, registry) = (free_address()?, free_address()?);
    let configuration = configuration(gateway, registry, options.first_byte_ms)?;
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    let mut server = haechi::up_everywhere(&program, folder.path(), &configuration)?;
    server.accepts(gateway, START).await?;
    server.accepts(registry, START).await?;
    let mut instances = Vec::new();
    for number in 0..2 {
        let address = free_address()?;
        instances.push(instance(options, folder.path(), number, address).await?);
        register(registry, number, address, clock).await?;
    }
    wait_for_service(gateway, clock).await?;

    let slow: Rc<RefCell<Vec<Instant>>> = Rc::default();
    let timeout = Duration::from_millis(options.first_byte_ms);
    let note = {
        let slow = slow.clone();
        move |finished: Finished, _: &Result<Answer, Failure>| {
            if finished.ended.since(finished.intended) >= timeout {
                slow.borrow_mut().push(finished.intended);
            }
        }
    };
    let duration = BEFORE + Duration::from_secs_f64(options.after);
    let plan = Plan { target: gateway, rate: options.rate, connections: options.connections, duration };
    let load_clock = clock.clone();
    let load = tokio::task::spawn_local(async move {
        open::run(plan, Fixed::new("bench.local", "/128", Some(128)), &load_clock, note).await
    });
    tokio::time::sleep(BEFORE).await;
    let refused = Refused::watch(clock.clone())?;
    let died = clock.now();
    let victim = instances.first().ok_or_else(|| Error::Missing("an instance".to_owned()))?;
    victim.signal(if death == Death::Killed { Signal::KILL } else { Signal::STOP })?;
    let tally = load.await.map_err(|error| Error::Missed(error.to_string()))?;
    let met: Vec<Duration> = match death {
        Death::Killed => refused.counted().iter().map(|when| when.since(died)).collect(),
        Death::Frozen => slow.borrow().iter().map(|intended| intended.since(died)).collect(),
    };
    let promised = if death == Death::Killed { PROMISED } else { PROMISED + timeout };
    Ok(Outcome::new(death, &tally, &met, promised))
}

fn configuration(gateway: SocketAddr, registry: SocketAddr, first_byte_ms: u64) -> Result<String, Error> {
    Ok(format!(
        "admin: {{ listen: {admin} }}
registry: {{ listen: {registry} }}
gateway:
  listeners: [{{ name: web, listen: {gateway} }}]
  routes:
    - {{ name: all, match: {{ path: /** }}, service: app, timeouts: {{ first-byte: {first_byte_ms}ms }} }}
services:
  app: {{ endpoints: {{ registry: APP }} }}
",
        admin = free_address()?
    ))
}

async fn instance(
    options: &Options,
    folder: &Path,
    number: usize,
    address: SocketAddr,
) -> Result<Child, Error> {
    let program = std::env::current_exe()?;
    let args = [
        "backend".to_owned(),
        "--listen".to_owned(),
        address.to_string(),
        "--delay-ms".to_owned(),
        options.delay_ms.to_string(),
    ];
    let log = folder.join(format!("instance-{number}"));
    let mut child = Child::start(&options.cores.client_core.to_string(), &program, &args, &log)?;
    child.accepts(address, START).await?;
    Ok(child)
}

/// As a Eureka client does, with a lease that doesn't run out while measuring: silence alone must not be what
/// tells.
async fn register(
    registry: SocketAddr,
    number: usize,
    instance: SocketAddr,
    clock: &Arc<dyn Clock>,
) -> Result<(), Error> {
    let (host, port, now) = (instance.ip(), instance.port(), clock.wall().0);
    let body = format!(
        r#"{{"instance":{{"instanceId":"app-{number}","hostName":"{host}","app":"APP","ipAddr":"{host}","status":"UP","port":{{"$":{port},"@enabled":"true"}},"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},"leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":90}},"vipAddress":"app","lastDirtyTimestamp":"{now}"}}}}"#
    );
    let request = format!(
        "POST /eureka/apps/APP HTTP/1.1\r\nHost: registry\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let failed =
        |source| Error::Check { subject: "Haechi".to_owned(), what: "a registration".to_owned(), source };
    let mut connection = Connection::open(registry).await?;
    let answer = connection.exchange(request.as_bytes(), None).await.map_err(failed)?;
    if answer.status == 204 {
        Ok(())
    } else {
        Err(failed(Failure::Wrong(format!("status {}", answer.status))))
    }
}

/// Until the gateway sends requests to the registered instances.
async fn wait_for_service(gateway: SocketAddr, clock: &Arc<dyn Clock>) -> Result<(), Error> {
    let get = Fixed::new("bench.local", "/128", Some(128));
    let deadline = clock.now() + LEARN;
    loop {
        let mut connection = Connection::open(gateway).await?;
        let answer = connection.exchange(get.request(0, &mut Vec::new()), None).await;
        match answer.and_then(|answer| get.check(&answer)) {
            Ok(()) => return Ok(()),
            Err(source) if clock.now() > deadline => {
                return Err(Error::Check { subject: "Haechi".to_owned(), what: "/128".to_owned(), source });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

impl Outcome {
    fn new(death: Death, tally: &Tally, met: &[Duration], promised: Duration) -> Self {
        let millis = |took: Duration| took.as_secs_f64() * 1e3;
        Self {
            death,
            answered: tally.answered,
            failed: tally.failed,
            failures: tally.failures(),
            met: met.len() as u64,
            late: met.iter().filter(|after| **after > promised).count() as u64,
            last_ms: met.iter().copied().max().map_or(0.0, millis),
            p50_ms: millis(tally.latency.quantile(0.5)),
            max_ms: millis(tally.latency.max()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, met) = match self.death {
            Death::Killed => ("killed", "refused connections"),
            Death::Frozen => ("frozen", "requests that met it"),
        };
        write!(
            f,
            "{what}: {} requests answered right, {} failed; {} {met}, the last {:.1} ms after its death, {} later than \
             promised; latency p50 {:.1} ms, max {:.1} ms",
            self.answered, self.failed, self.met, self.last_ms, self.late, self.p50_ms, self.max_ms
        )?;
        if self.failures.is_empty() { Ok(()) } else { write!(f, "; {}", self.failures) }
    }
}
