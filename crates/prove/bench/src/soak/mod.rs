//! `soak`: an hour of mixed traffic against a program built with assertions. Good, malformed and mutated messages of
//! every protocol go to every kind of listener, services answer what none should, and the configuration changes all the
//! while. Beside it good clients ask and must all be answered. No panic, no growth: memory is flat after warming up,
//! connections and descriptors return when the traffic ends.

mod behind;
mod bytes;
mod frames;
mod kinds;
mod picture;
mod report;
mod seeds;
mod setup;
mod talk;
mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_core::rng::{self, Rng};
use haechi_core::{Clock, Instant, SystemClock};
use tokio::task::{JoinHandle, spawn_local};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::change::dial::{self, Way};
use crate::change::{Seen, applied, http1, http2, websocket};
use crate::error::Error;
use crate::machine::child::Child;
use crate::machine::limits::raise_open_files;
use crate::peers::haechi;
use behind::Met;
use kinds::{KINDS, Stage};
use report::{Found, Tally};
use seeds::Seeds;
use setup::{CERTIFICATE, Places, Services};
use watch::Sample;

/// How long the program may take to start.
const START: Duration = Duration::from_secs(30);
/// Between two requests of a good client.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two changes of the configuration.
const CHANGE: Duration = Duration::from_secs(3);
/// Between two looks at the process.
const LOOK: Duration = Duration::from_secs(2);
/// For everything to be given back at the end: pooled connections time out after 55 s, tunnels of layer 4 after 5 s.
const RETURN: Duration = Duration::from_secs(100);

/// Options of `soak`.
#[derive(Debug, Args)]
pub struct Options {
    /// Seconds of traffic.
    #[arg(long, default_value_t = 3600.0)]
    seconds: f64,
    /// What the traffic is drawn from. Messages are the same again with the same one; their order among the connections
    /// is the machine's.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections of the mixed traffic at once.
    #[arg(long, default_value_t = 48)]
    connections: u64,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// Keep the program's configuration and log in this folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Write a picture of the memory here.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write all samples here.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs it; fails when anything panicked, leaked, or a good client's request failed.
pub async fn run(options: Options) -> Result<(), Error> {
    raise_open_files(65_536);
    let clock = SystemClock::start();
    let temporary = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let folder = options.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    setup::folders(&folder)?;
    let mut rng = rng::seeded(options.seed);
    let (seeds, met) = (Rc::new(Seeds::read()), Rc::new(Met::default()));
    let places = Places::free()?;
    let services = Services::start(&seeds, &met, &mut rng).await?;
    let certificate = dial::certificate(&folder.join(CERTIFICATE))?;
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    let first = setup::configuration(&places, &services, 0);
    let mut child = haechi::up_everywhere(&program, &folder, &first)?;
    child.accepts(places.web, START).await?;
    applied(places.web, 0, &clock).await?;
    let before = Sample::take(child.pid(), clock.now(), &*clock);

    let seen = Rc::new(Seen { pause: PAUSE, ..Seen::default() });
    let tls = [
        Way::tls("h1", places.tls, &certificate, b"http/1.1")?,
        Way::tls("h2", places.tls, &certificate, b"h2")?,
    ];
    let clear = [Way::clear("good h1", places.web), Way::clear("good h2", places.web)];
    let mut tasks = good(&clear, &tls, &seen);
    let roots = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
    let stage =
        Rc::new(Stage { seeds, places, tls: tls.clone(), hello: Arc::new(roots.with_no_client_auth()) });
    let tally = Rc::new(Tally::default());
    for _ in 0..options.connections {
        tasks.push(spawn_local(traffic(stage.clone(), tally.clone(), rng.fork(), seen.clone())));
    }

    let span = Duration::from_secs_f64(options.seconds);
    let (began, mut samples) = (clock.now(), Vec::new());
    let change = |version| setup::configuration(&places, &services, version);
    let changed = tokio::select! {
        changed = changes(&folder, &change, places.web, &clock, began + span) => changed,
        ended = look(&mut child, began, &clock, &mut samples) => Err(ended),
    };
    seen.stop.set(true);
    for task in tasks {
        task.await.map_err(|error| Error::Missed(error.to_string()))?;
    }
    let after = returned(&child, places.admin, before, &clock).await;
    let (panics, lines) = watch::panics(&folder.join("output"))?;
    let found = Found { before, after, samples, panics, lines, changed, seconds: options.seconds };
    if let Some(path) = &options.svg {
        std::fs::write(path, picture::memory(&found.samples))?;
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&found.samples)?)?;
    }
    report::print(&found, &tally, &seen, &met);
    report::verdict(&found, &seen, &met)
}

/// Good clients: requests over connections that are kept and that aren't, of both protocols, and WebSockets that live
/// through all of it.
fn good(clear: &[Way; 2], tls: &[Way; 2], seen: &Rc<Seen>) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for [over_http1, over_http2] in [clear, tls] {
        tasks.push(spawn_local(http1::requests(over_http1.clone(), true, seen.clone())));
        tasks.push(spawn_local(http1::requests(over_http1.clone(), false, seen.clone())));
        tasks.push(spawn_local(http2::requests(over_http2.clone(), seen.clone())));
        tasks.push(spawn_local(websocket::over_http1(over_http1.clone(), seen.clone())));
        tasks.push(spawn_local(websocket::over_http2(over_http2.clone(), seen.clone())));
    }
    tasks
}

/// One turn after another, of a kind drawn anew each time.
async fn traffic(stage: Rc<Stage>, tally: Rc<Tally>, mut rng: Rng, seen: Rc<Seen>) {
    let all: u32 = KINDS.iter().map(|(_, share)| share).sum();
    while !seen.stop.get() {
        let mut drawn = rng.u32(..all);
        for (index, (kind, share)) in KINDS.into_iter().enumerate() {
            if drawn < share {
                tally.count(index, stage.turn(kind, &mut rng).await.ok());
                break;
            }
            drawn -= share;
        }
    }
}

/// Changes the file until it is time, now and then by way of one that can't be read, and moves the access log away.
async fn changes(
    folder: &Path,
    configuration: &dyn Fn(u32) -> String,
    web: SocketAddr,
    clock: &Arc<dyn Clock>,
    end: Instant,
) -> Result<u32, Error> {
    let (file, new) = (folder.join("haechi.yaml"), folder.join("new.yaml"));
    let mut version = 0;
    while clock.now() < end {
        version += 1;
        let text = configuration(version);
        if version % 5 == 0 {
            std::fs::write(&new, text.clone() + "\n]]]{ not YAML\n")?;
            std::fs::rename(&new, &file)?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &file)?;
        applied(web, version, clock).await?;
        // An hour of lines is not kept; that it is gone is found as when logrotate moves it.
        let _ = std::fs::remove_file(folder.join("access.log"));
        tokio::time::sleep(CHANGE).await;
    }
    Ok(version)
}

/// Looks again and again; returns when the program ended by itself.
async fn look(child: &mut Child, began: Instant, clock: &Arc<dyn Clock>, samples: &mut Vec<Sample>) -> Error {
    while !child.has_ended() {
        samples.push(Sample::take(child.pid(), began, &**clock));
        tokio::time::sleep(LOOK).await;
    }
    Error::Missed("the program ended by itself".to_owned())
}

/// Waits until connections and descriptors are what they were before, or as long as that may take.
async fn returned(child: &Child, admin: SocketAddr, before: Sample, clock: &Arc<dyn Clock>) -> report::After {
    let began = clock.now();
    loop {
        let sample = Sample::take(child.pid(), began, &**clock);
        let metrics = watch::metrics(admin).await;
        let after = report::After { sample, metrics };
        if after.left(before).is_empty() || clock.now().since(began) > RETURN {
            return after;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
