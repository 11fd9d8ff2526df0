//! `gateway`: CPU time a request of Haechi and its peers, each on one core, saturated, in turns (A B C A B C …) in
//! one run; memory of idle connections before it, latency at a rate and system calls a request after it.

mod figures;
mod h2load;
mod idle;
mod latency;
mod measure;
mod picture;
mod rows;
mod syscalls;
mod websocket;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::backend::{self, Behaviour};
use crate::error::Error;
use crate::grpc;
use crate::load::Workload;
use crate::load::connection::Connection;
use crate::machine::cores::{self, Cores};
use crate::machine::limits::raise_open_files;
use crate::peers::{self, Gateway, Place, Running};
use figures::Figures;
use rows::{By, ROWS, Row};

/// Options of `gateway`.
#[derive(Debug, Args)]
pub struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of load before each measurement.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Times each measurement is repeated; medians are quoted.
    #[arg(long, default_value_t = 5)]
    reps: usize,
    /// Keep-alive connections of the load generator.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Which gateways, each with and without an access log to a file. pingora has to be named: it is built for minutes.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Gateway::Haechi, Gateway::Haproxy, Gateway::Nginx, Gateway::Envoy, Gateway::Caddy])]
    subjects: Vec<Gateway>,
    /// What is asked: 128, 16k, 1m (bytes of the answer), upload (of 1 MiB), close (a connection for each
    /// request), h2c (HTTP/2 by h2load), grpc (calls with one message each way), ws (WebSocket messages), tls and h2 (the same over TLS).
    #[arg(long, value_delimiter = ',', value_parser = ROWS.map(|row| row.key), default_values_t = rows::usual())]
    rows: Vec<String>,
    /// Requests a second for the latencies, with intended send times; 0 leaves them out.
    #[arg(long, default_value_t = 5000)]
    rate: u32,
    /// Measure the peers without an access log too.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    without_log: bool,
    /// Idle connections whose memory is measured; 0 leaves it out. HAProxy keeps two descriptors ready for each, and
    /// 20,000 are what many machines allow.
    #[arg(long, default_value_t = 9500)]
    idle: usize,
    /// Count system calls with strace, in runs of their own.
    #[arg(long)]
    strace: bool,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
    /// A HAProxy other than Debian's.
    #[arg(long)]
    haproxy: Option<PathBuf>,
    /// An nginx other than Debian's.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// An Envoy other than PyPI's.
    #[arg(long)]
    envoy: Option<PathBuf>,
    /// A Caddy other than Debian's.
    #[arg(long)]
    caddy: Option<PathBuf>,
    /// A program with the options of `crates/prove/pingora-peer`, which is built otherwise.
    #[arg(long)]
    pingora: Option<PathBuf>,
    /// Write all figures here.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw the ratios here, as SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Print the gateways' configurations.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    show_configurations: bool,
    #[command(flatten)]
    cores: Cores,
}

/// A gateway being measured.
struct Subject {
    gateway: Gateway,
    log: bool,
    running: Running,
}

impl Subject {
    fn name(&self) -> String {
        format!("{}{}", self.gateway.name(), if self.log { "" } else { ", no log" })
    }

    /// Whether it is measured in a row.
    fn takes(&self, row: Row) -> bool {
        !matches!(row.by, By::Grpc { .. }) || self.gateway.takes_grpc()
    }

    /// An access log that stayed empty would make its gateway look cheaper than it is.
    fn check_log(&self) -> Result<(), Error> {
        let Some(path) = &self.running.access_log else { return Ok(()) };
        match std::fs::metadata(path).map_or(0, |file| file.len()) {
            0 => Err(Error::Missed(format!("{} wrote nothing to {}", self.name(), path.display()))),
            _ => Ok(()),
        }
    }
}

/// Runs the measurement and prints it.
pub async fn run(options: Options) -> Result<(), Error> {
    raise_open_files(20_000);
    let _taken = cores::take(options.cores)?;
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let listener = backend::listen(([127, 0, 0, 1], 0).into())?;
    let service = listener.local_addr()?;
    tokio::task::spawn_local(backend::serve(listener, Behaviour::default()));
    let listener = backend::listen(([127, 0, 0, 1], 0).into())?;
    let calls = listener.local_addr()?;
    tokio::task::spawn_local(grpc::serve(listener));

    let rows: Vec<Row> =
        ROWS.into_iter().filter(|row| options.rows.iter().any(|key| key == row.key)).collect();
    let certificate = folder.path().join("certificate.pem");
    if rows.iter().any(|row| row.by.is_tls()) {
        peers::certificate(&certificate)?;
    }
    let certificate = certificate.is_file().then_some(&*certificate);
    let mut subjects = Vec::new();
    for gateway in &options.subjects {
        for log in [true, false] {
            if log || options.without_log {
                let name = format!("{gateway:?}-{log}").to_lowercase();
                let folder = folder.path().join(name);
                let core = options.cores.subject_core;
                let program = options.program(*gateway);
                let place = Place { core, service, grpc: calls, folder: &folder, log, program, certificate };
                subjects.push(Subject { gateway: *gateway, log, running: gateway.start(&place).await? });
            }
        }
    }
    for subject in &subjects {
        for row in rows.iter().filter(|row| subject.takes(**row)) {
            check(subject, *row).await?;
        }
    }
    let mut figures = Figures::new(&options, &subjects);
    // Before all load: memory that an allocator kept from it would be given to these connections for nothing.
    for subject in &subjects {
        if options.idle > 0 && subject.log {
            figures.idle.push((subject.name(), idle::bytes_per_connection(subject, options.idle).await?));
        }
    }
    for repetition in 0..options.reps {
        for row in &rows {
            for subject in subjects.iter().filter(|subject| subject.takes(*row)) {
                let sample = if row.by.is_h2load() {
                    h2load::one(&options, subject, *row).await?
                } else if row.by == By::WebSocket {
                    websocket::one(&options, subject).await?
                } else {
                    measure::one(&options, subject, *row).await
                };
                eprintln!("{:>2} {:>7} {:<17} {sample}", repetition + 1, row.key, subject.name());
                figures.add(subject.name(), *row, sample);
            }
        }
        for subject in &subjects {
            subject.check_log()?;
        }
    }
    for subject in subjects.iter().filter(|subject| subject.log && options.rate > 0) {
        figures.latencies.push(latency::at_rate(&options, subject, options.rate).await?);
    }
    if options.strace {
        for subject in subjects.iter().filter(|subject| subject.log) {
            for row in rows.iter().filter(|row| !row.by.is_h2load() && row.by != By::WebSocket) {
                let count = syscalls::per_request(&options, subject, *row).await?;
                figures.syscalls.push((subject.name(), row.name, count));
            }
        }
    }
    print!("{figures}");
    for subject in subjects.iter().filter(|subject| subject.log) {
        println!("{}: {}", subject.name(), subject.running.version);
    }
    if options.show_configurations {
        for subject in &subjects {
            println!(
                "\n### {}: {}\n\n```\n{}```",
                subject.name(),
                subject.running.version,
                subject.running.configuration
            );
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&figures)?)?;
    }
    if let Some(path) = &options.svg {
        std::fs::write(path, picture::ratios(&figures))?;
    }
    Ok(())
}

/// Requests `row` and compares every byte; two requests, so that a reused connection is seen too.
async fn check(subject: &Subject, row: Row) -> Result<(), Error> {
    let failed = |source| Error::Check { subject: subject.name(), what: row.name.to_owned(), source };
    let wrong = |what: &str| failed(crate::load::connection::Failure::Wrong(what.to_owned()));
    if let By::Grpc { .. } = row.by {
        return grpc::check(subject.running.http2).await.map_err(failed);
    }
    let mut open: Option<Connection> = None;
    let asked = row.request();
    for _ in 0..2 {
        let connection = match &mut open {
            Some(connection) if row.keeps() => connection,
            _ => {
                let fresh = Connection::open(subject.running.address).await;
                open.insert(fresh.map_err(|error| failed(error.into()))?)
            }
        };
        let mut body = Vec::new();
        let request = asked.request(0, &mut Vec::new()).to_vec();
        let answer = connection.exchange(&request, Some(&mut body)).await.map_err(failed)?;
        asked.check(&answer).map_err(failed)?;
        if !body.iter().enumerate().all(|(offset, byte)| *byte == backend::body_byte(offset)) {
            return Err(wrong("another body"));
        }
        if answer.keep_alive != row.keeps() {
            return Err(wrong("keeps a connection that it should close, or closes one that it should keep"));
        }
    }
    Ok(())
}

impl Options {
    /// The program that was named for a gateway.
    fn program(&self, gateway: Gateway) -> Option<&Path> {
        let named = match gateway {
            Gateway::Haechi => &self.haechi,
            Gateway::Haproxy => &self.haproxy,
            Gateway::Nginx => &self.nginx,
            Gateway::Envoy => &self.envoy,
            Gateway::Caddy => &self.caddy,
            Gateway::Pingora => &self.pingora,
        };
        named.as_deref()
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
