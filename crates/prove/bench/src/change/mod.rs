//! `change`: configuration reloads and binary upgrades while requests, WebSockets and a long download go through the
//! gateway by HTTP/1.1 and HTTP/2, in the clear and over TLS. Nothing may fail or be cut, and every configuration must
//! apply.

pub mod dial;
pub mod http1;
pub mod http2;
pub mod listen;
pub mod service;
pub mod websocket;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use dial::Way;
use haechi_core::{Address, Clock, SystemClock};
use listen::Listener;
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::spawn_local;

use crate::error::Error;
use crate::load::connection::Connection;
use crate::peers::{free_address, haechi};

/// How long the program may take to start, and a configuration to apply.
const PATIENCE: Duration = Duration::from_secs(10);
/// The gateway's certificate with its key, beside its file.
const CERTIFICATE: &str = "certificate.pem";

/// Options of `change`.
#[derive(Debug, Args)]
pub struct Options {
    /// Seconds that all of it is spread over.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Configurations applied.
    #[arg(long, default_value_t = 200)]
    reloads: u32,
    /// Binaries that take over.
    #[arg(long, default_value_t = 20)]
    upgrades: u32,
    /// Connections of each kind: HTTP/1.1 kept, HTTP/1.1 opened for each request, HTTP/2 and WebSocket over each, all of
    /// it in the clear and over TLS.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Bytes of each download; there is one in the clear and one over TLS, and they last as long as the rest.
    #[arg(long, default_value_t = 1 << 30)]
    download: u64,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Ends it.
    pub stop: Cell<bool>,
    /// Between two requests, or turns of them.
    pub pause: Duration,
    /// Requests answered right.
    pub requests: Cell<u64>,
    /// Requests of HTTP/2 that the gateway said it had not taken; the next connection takes their like.
    pub not_taken: Cell<u64>,
    /// Messages that came back.
    pub messages: Cell<u64>,
    /// Datagrams that came back, and of these those that were sent more than once.
    pub datagrams: Cell<u64>,
    pub sent_again: Cell<u64>,
    /// What went wrong.
    pub failures: RefCell<Vec<String>>,
}

impl Seen {
    /// A message came back; an error when it is another one.
    fn message(&self, same: bool) -> io::Result<()> {
        self.messages.set(self.messages.get() + 1);
        if same { Ok(()) } else { Err(io::Error::other("another message came back")) }
    }

    /// Between two requests.
    pub async fn rest(&self) {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
    }

    /// Something went wrong.
    pub fn failed(&self, what: &str, why: &dyn std::fmt::Display) {
        self.failures.borrow_mut().push(format!("{what}: {why}"));
    }
}

/// Runs it; fails when anything was lost.
pub async fn run(options: Options) -> Result<(), Error> {
    let clock = SystemClock::start();
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let certificate = dial::certificate(&folder.path().join(CERTIFICATE))?;
    let listener = Listener::tcp().await?;
    let (web, tls) = (free_address()?, free_address()?);
    let places = Places { web, tls, service: listener.address()? };
    spawn_local(service::serve(listener, options.download));
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    let mut child = haechi::up_everywhere(&program, folder.path(), &places.configuration(0))?;
    child.accepts(web, PATIENCE).await?;

    let seen = Rc::new(Seen::default());
    let span = Duration::from_secs_f64(options.seconds);
    let mut tasks = Vec::new();
    for http1 in [Way::clear("h1", web), Way::tls("h1 over TLS", tls, &certificate, b"http/1.1")?] {
        tasks.push(spawn_local(http1::download(
            http1.clone(),
            options.download,
            span,
            clock.clone(),
            seen.clone(),
        )));
        for _ in 0..options.connections {
            tasks.push(spawn_local(http1::requests(http1.clone(), true, seen.clone())));
            tasks.push(spawn_local(http1::requests(http1.clone(), false, seen.clone())));
            tasks.push(spawn_local(websocket::over_http1(http1.clone(), seen.clone())));
        }
    }
    for http2 in [Way::clear("h2", web), Way::tls("h2 over TLS", tls, &certificate, b"h2")?] {
        for _ in 0..options.connections {
            tasks.push(spawn_local(http2::requests(http2.clone(), seen.clone())));
            tasks.push(spawn_local(websocket::over_http2(http2.clone(), seen.clone())));
        }
    }
    let changed = changes(&options, &program, folder.path(), &places, &clock).await;
    seen.stop.set(true);
    for task in tasks {
        task.await.map_err(|error| Error::Missed(error.to_string()))?;
    }
    let (last, took) = changed?;
    if let Some(pid) = Pid::from_raw(last) {
        kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
    }
    let failures = seen.failures.borrow();
    println!(
        "{} reloads, each applied, and {} upgrades in {:.0} s: {} requests, {} messages of {} WebSockets, 2 downloads of \
         {} bytes; {} requests of HTTP/2 were not taken and said so; {} failed",
        options.reloads,
        options.upgrades,
        took.as_secs_f64(),
        seen.requests.get(),
        seen.messages.get(),
        options.connections * 4,
        options.download,
        seen.not_taken.get(),
        failures.len()
    );
    for failure in failures.iter().skip(1).take(20) {
        println!("  {failure}");
    }
    match failures.first() {
        None => Ok(()),
        Some(first) => Err(Error::Missed(format!("{} failed, the first: {first}", failures.len()))),
    }
}

/// Who listens where.
struct Places {
    /// The gateway, in the clear.
    web: SocketAddr,
    /// The gateway, with TLS.
    tls: SocketAddr,
    service: Address,
}

impl Places {
    /// The file that answers `version`.
    fn configuration(&self, version: u32) -> String {
        let Self { web, tls, service } = self;
        format!(
            "gateway:
  listeners:
    - {{ name: web, listen: {web} }}
    - {{ name: tls, listen: {tls}, tls: {{ certificates: [{CERTIFICATE}] }} }}
  routes:
    - {{ name: version, match: {{ path: /version }}, respond: {{ status: 200, body: \"{version:08}\" }} }}
    - {{ name: all, match: {{ path: /** }}, service: app }}
services:
  app: {{ endpoints: [{service}] }}
"
        )
    }
}

/// Changes file and binary, evenly spread. The pid that serves at the end, and how long it took.
async fn changes(
    options: &Options,
    program: &Path,
    folder: &Path,
    places: &Places,
    clock: &Arc<dyn Clock>,
) -> Result<(i32, Duration), Error> {
    let (began, file) = (clock.now(), folder.join("haechi.yaml"));
    let (mut last, mut upgraded) = (0, 0);
    for version in 1..=options.reloads {
        let new = folder.join("new.yaml");
        std::fs::write(&new, places.configuration(version))?;
        std::fs::rename(&new, &file)?;
        if upgraded * options.reloads < version * options.upgrades {
            upgraded += 1;
            let mut command = tokio::process::Command::new(program);
            let output = command.args(["upgrade", "-f"]).arg(&file).output().await?;
            let said = String::from_utf8_lossy(&output.stdout);
            // `pid 4711 has taken over from …`
            let pid = said.lines().last().and_then(|line| line.split(' ').nth(1)?.parse().ok());
            last = pid.filter(|_| output.status.success()).ok_or_else(|| {
                Error::Missed(format!(
                    "upgrade {upgraded}: {said}{}",
                    String::from_utf8_lossy(&output.stderr)
                ))
            })?;
        }
        applied(places.web, version, clock).await?;
        let due = options.seconds * f64::from(version) / f64::from(options.reloads);
        tokio::time::sleep(Duration::from_secs_f64(due).saturating_sub(clock.now().since(began))).await;
    }
    Ok((last, clock.now().since(began)))
}

/// Returns once the gateway answers `/version` by this configuration.
pub async fn applied(gateway: SocketAddr, version: u32, clock: &Arc<dyn Clock>) -> Result<(), Error> {
    let (deadline, wanted) = (clock.now() + PATIENCE, format!("{version:08}"));
    loop {
        let mut body = Vec::new();
        let mut connection = Connection::open(gateway).await?;
        let request = b"GET /version HTTP/1.1\r\nHost: bench\r\n\r\n";
        let answer = connection.exchange(request, Some(&mut body)).await;
        if answer.is_ok() && body == wanted.as_bytes() {
            return Ok(());
        }
        if clock.now() > deadline {
            return Err(Error::Missed(format!("configuration {version} did not apply: {answer:?}")));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
