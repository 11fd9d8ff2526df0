//! `soak`: an hour of mixed traffic against a program built with assertions. Good, malformed and mutated messages of
//! every protocol, HTTP/3 and datagrams among them, go to every kind of listener, services at ports and Unix sockets
//! answer what none should, and the configuration changes all the while. Beside it good clients ask and must all be
//! answered, each with what is its own. No panic, no growth: memory is flat after warming up, sessions keep to their
//! bound, connections and descriptors return when the traffic ends.

mod behind;
mod bytes;
mod calls;
mod configuration;
mod datagrams;
mod frames;
mod good;
mod kinds;
mod packets;
mod picture;
mod quic;
mod report;
mod seeds;
mod setup;
mod streams;
mod strict;
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
use tokio::task::spawn_local;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::change::dial::{self, Way};
use crate::change::{Seen, applied};
use crate::error::Error;
use crate::machine::child::Child;
use crate::machine::limits::raise_open_files;
use crate::peers::haechi;
use configuration::{SESSIONS, configuration};
use kinds::{KINDS, Stage};
use quic::Quic;
use report::{Found, Tally};
use seeds::Seeds;
use setup::{CERTIFICATE, Paths, Places, Services};
use strict::Met;
use watch::Sample;

/// How long the program may take to start.
const START: Duration = Duration::from_secs(30);
/// Between two requests of a good client.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two changes of the configuration.
const CHANGE: Duration = Duration::from_secs(3);
/// Between two looks at the process.
const LOOK: Duration = Duration::from_secs(2);
/// Between two lines about how it goes.
const TELL: Duration = Duration::from_secs(60);
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
    /// Keep the program's configuration and log in this folder. Its sockets are elsewhere, as their paths must be short.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Write a picture of memory, descriptors, sessions and connections over time, and of what became of each kind of
    /// traffic, here.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write all samples, and the counts of each kind of traffic and of the good clients, here.
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
    let (places, paths) = (Places::free()?, Paths::within(temporary.path()));
    let services = Services::start(temporary.path(), &seeds, &met, &mut rng).await?;
    let certificate = dial::certificate(&folder.join(CERTIFICATE))?;
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    let first = configuration(&places, &paths, &services, 0);
    let mut child = haechi::up_everywhere(&program, &folder, &first)?;
    child.accepts(places.web, START).await?;
    applied(places.web, 0, &clock).await?;
    let metrics = watch::metrics(places.admin).await;
    let before = Sample::take(child.pid(), clock.now(), &*clock, metrics.as_deref());

    let seen = Rc::new(Seen { pause: PAUSE, ..Seen::default() });
    let tls = [
        Way::tls("h1", places.tls, &certificate, b"http/1.1")?,
        Way::tls("h2", places.tls, &certificate, b"h2")?,
    ];
    let clear = [Way::clear("good h1", places.web), Way::clear("good h2", places.web)];
    let unix = [
        Way::clear("h1 over a Unix socket", paths.web.clone()),
        Way::clear("h2 over a Unix socket", paths.web.clone()),
    ];
    let quic = Quic::trusting(&certificate)?;
    let mut tasks = good::over([&clear, &tls, &unix], &seen);
    for _ in 0..2 {
        tasks.push(spawn_local(good::over_http3(quic.clone(), places.tls, rng.fork(), seen.clone())));
        tasks.push(spawn_local(good::datagrams(places.udp, rng.fork(), seen.clone())));
    }
    let stage = Rc::new(Stage {
        seeds,
        places,
        paths: paths.clone(),
        tls: tls.clone(),
        hello: Arc::new(hello(b"http/1.1")),
        hello_of_quic: Arc::new(hello(b"h3")),
        quic,
        seen: seen.clone(),
    });
    let tally = Rc::new(Tally::default());
    for _ in 0..options.connections {
        tasks.push(spawn_local(traffic(stage.clone(), tally.clone(), rng.fork(), seen.clone())));
    }

    let span = Duration::from_secs_f64(options.seconds);
    let (began, mut samples) = (clock.now(), Vec::new());
    let change = |version| configuration(&places, &paths, &services, version);
    let changed = tokio::select! {
        changed = changes(&folder, &change, places.web, &clock, began + span) => changed,
        ended = look(&mut child, places.admin, began, &clock, &seen, &mut samples) => Err(ended),
    };
    seen.stop.set(true);
    for task in tasks {
        task.await.map_err(|error| Error::Missed(error.to_string()))?;
    }
    let after = returned(&child, places.admin, before, &clock).await;
    let (panics, lines) = watch::panics(&folder.join("output"))?;
    let found = Found { before, after, samples, panics, lines, changed, seconds: options.seconds };
    let workers = std::thread::available_parallelism()?.get();
    if let Some(path) = &options.svg {
        std::fs::write(path, picture::draw(&found.samples, &tally))?;
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&report::json(&found, &tally, &seen))?)?;
    }
    report::print(&found, &tally, &seen, &met);
    report::verdict(&found, &seen, &met, workers * SESSIONS)
}

/// What ClientHellos are made with that lead to no handshake.
fn hello(protocol: &[u8]) -> ClientConfig {
    let builder = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
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

/// Looks again and again, and tells now and then how it goes; returns when the program ended by itself.
async fn look(
    child: &mut Child,
    admin: SocketAddr,
    began: Instant,
    clock: &Arc<dyn Clock>,
    seen: &Seen,
    samples: &mut Vec<Sample>,
) -> Error {
    let mut tell = began + TELL;
    while !child.has_ended() {
        let metrics = watch::metrics(admin).await;
        let sample = Sample::take(child.pid(), began, &**clock, metrics.as_deref());
        samples.push(sample);
        if clock.now() >= tell {
            tell = tell + TELL;
            eprintln!(
                "{sample}; {} good requests, {} failed",
                seen.requests.get(),
                seen.failures.borrow().len()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
    Error::Missed("the program ended by itself".to_owned())
}

/// Waits until connections and descriptors are what they were before, or as long as that may take.
async fn returned(child: &Child, admin: SocketAddr, before: Sample, clock: &Arc<dyn Clock>) -> report::After {
    let began = clock.now();
    loop {
        let metrics = watch::metrics(admin).await;
        let sample = Sample::take(child.pid(), began, &**clock, metrics.as_deref());
        let after = report::After { sample, metrics };
        if after.left(before).is_empty() || clock.now().since(began) > RETURN {
            return after;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
