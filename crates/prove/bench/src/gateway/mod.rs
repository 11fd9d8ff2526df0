//! `gateway`: CPU time a request of Haechi, HAProxy and nginx, each on one core, saturated, in turns
//! (A B C A B C …) in one run; then memory of idle connections and system calls a request.

mod figures;
mod idle;
mod measure;
mod picture;
mod syscalls;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::backend::{self, Behaviour, SIZES, Size};
use crate::error::Error;
use crate::load::connection::Connection;
use crate::load::{Get, Workload};
use crate::machine::cores::{self, Cores};
use crate::machine::limits::raise_open_files;
use crate::peers::{Gateway, Place, Running};
use figures::Figures;

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
    /// Which gateways, each with and without an access log to a file.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Gateway::Haechi, Gateway::Haproxy, Gateway::Nginx])]
    subjects: Vec<Gateway>,
    /// Paths to request: 128, 16k, 1m.
    #[arg(long, value_delimiter = ',', default_values_t = ["128".to_owned(), "16k".to_owned(), "1m".to_owned()])]
    sizes: Vec<String>,
    /// Measure the peers without an access log too.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    without_log: bool,
    /// Idle connections whose memory is measured; 0 leaves it out.
    #[arg(long, default_value_t = 5000)]
    idle: usize,
    /// Count system calls with strace, in runs of their own.
    #[arg(long)]
    strace: bool,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
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

    let mut subjects = Vec::new();
    for gateway in &options.subjects {
        for log in [true, false] {
            if log || options.without_log {
                let name = format!("{gateway:?}-{log}").to_lowercase();
                let haechi = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
                let folder = folder.path().join(name);
                let core = options.cores.subject_core;
                let place = Place { core, service, folder: &folder, log, haechi: &haechi };
                subjects.push(Subject { gateway: *gateway, log, running: gateway.start(&place).await? });
            }
        }
    }
    let sizes: Vec<Size> =
        SIZES.into_iter().filter(|size| options.sizes.iter().any(|name| size.path[1..] == *name)).collect();
    for subject in &subjects {
        for size in &sizes {
            check(subject, *size).await?;
        }
    }
    let mut figures = Figures::new(&options, &subjects);
    for repetition in 0..options.reps {
        for size in &sizes {
            for subject in &subjects {
                let sample = measure::one(&options, subject, *size).await;
                eprintln!("{:>2} {:>7} {:<17} {sample}", repetition + 1, size.name, subject.name());
                figures.add(subject.name(), *size, sample);
            }
        }
        for subject in &subjects {
            subject.check_log()?;
        }
    }
    for subject in &subjects {
        if options.idle > 0 && subject.log {
            figures.idle.push((subject.name(), idle::bytes_per_connection(subject, options.idle).await?));
        }
    }
    if options.strace {
        for subject in subjects.iter().filter(|subject| subject.log) {
            for size in &sizes {
                let count = syscalls::per_request(&options, subject, *size).await?;
                figures.syscalls.push((subject.name(), size.name, count));
            }
        }
    }
    print!("{figures}");
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

/// Requests `size` once and compares every byte; two requests, so that a reused connection is seen too.
async fn check(subject: &Subject, size: Size) -> Result<(), Error> {
    let failed = |source| Error::Check { subject: subject.name(), what: size.path.to_owned(), source };
    let mut connection =
        Connection::open(subject.running.address).await.map_err(|error| failed(error.into()))?;
    let get = Get::new("bench.local", size.path, Some(size.length as u64));
    for _ in 0..2 {
        let mut body = Vec::new();
        let request = get.request(0, &mut Vec::new()).to_vec();
        let answer = connection.exchange(&request, Some(&mut body)).await.map_err(failed)?;
        get.check(&answer).map_err(failed)?;
        if !body.iter().enumerate().all(|(offset, byte)| *byte == backend::body_byte(offset)) {
            return Err(failed(crate::load::connection::Failure::Wrong("another body".to_owned())));
        }
        if !answer.keep_alive {
            return Err(failed(crate::load::connection::Failure::Wrong("closes the connection".to_owned())));
        }
    }
    Ok(())
}

impl Options {
    fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
