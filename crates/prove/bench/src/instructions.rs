//! `instructions`: how many instructions Haechi spends on a request in user space, counted by callgrind, and compared
//! with the figures kept in a file. Counts hardly depend on the machine or on what else runs, so a growth is found
//! where times would drown it.
//!
//! Each case runs twice, with few and with many requests; the difference is what requests cost, without the start.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::Request;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;

use crate::backend::{self, Behaviour};
use crate::error::Error;
use crate::grpc;
use crate::load::connection::{Connection, Failure};
use crate::load::http2;
use crate::machine::child::Child;
use crate::peers::haechi;
use crate::peers::{free_address, install};

/// A figure may grow by so many percent.
const TOLERANCE: f64 = 3.0;

/// How long the program may take to start: callgrind makes it some fifty times slower.
const START: Duration = Duration::from_secs(120);

/// Requests of the shorter run: what happens once has happened then.
const FEW: u64 = 500;

/// Keep-alive connections, used in turns.
const CONNECTIONS: usize = 4;

/// Options of `instructions`.
#[derive(Debug, Args)]
pub struct Options {
    /// The figures to compare with.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt"))]
    file: PathBuf,
    /// Write the figures instead of comparing them.
    #[arg(long)]
    update: bool,
    /// Requests that are counted for each case.
    #[arg(long, default_value_t = 4000)]
    requests: u64,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
}

/// What is asked.
struct Case {
    name: &'static str,
    by: By,
}

/// How it is asked.
enum By {
    /// In HTTP/1.1, with a head that begins so.
    Http1 {
        head: &'static str,
        body: usize,
        /// Whether each request has a connection of its own.
        anew: bool,
    },
    /// A GET in HTTP/2, of a service that speaks HTTP/1.1.
    Http2,
    /// A call of gRPC, so HTTP/2 on both sides.
    Grpc,
}

const CASES: &[Case] = &[
    Case { name: "GET of 128 B", by: By::Http1 { head: "GET /128 HTTP/1.1\r\n", body: 0, anew: false } },
    Case { name: "GET of 16 KiB", by: By::Http1 { head: "GET /16k HTTP/1.1\r\n", body: 0, anew: false } },
    Case {
        name: "POST of 1 KiB",
        by: By::Http1 { head: "POST /128 HTTP/1.1\r\nContent-Length: 1024\r\n", body: 1024, anew: false },
    },
    Case {
        name: "GET on a new connection",
        by: By::Http1 { head: "GET /128 HTTP/1.1\r\nConnection: close\r\n", body: 0, anew: true },
    },
    Case { name: "GET of 128 B, HTTP/2", by: By::Http2 },
    Case { name: "call of gRPC, 128 B", by: By::Grpc },
];

/// Counts, and compares or writes.
pub async fn run(options: Options) -> Result<(), Error> {
    let valgrind = install::ensure("valgrind")?;
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    let mut figures = Vec::new();
    for case in CASES {
        let few = count(&valgrind, &program, case, FEW).await?;
        let many = count(&valgrind, &program, case, FEW + options.requests).await?;
        let each = many.saturating_sub(few) / options.requests;
        eprintln!("{:<24} {each:>7} instructions a request", case.name);
        figures.push((case.name, each));
    }
    if options.update {
        return Ok(std::fs::write(&options.file, written(&figures))?);
    }
    compare(&figures, &read(&std::fs::read_to_string(&options.file)?), &options.file)
}

/// Instructions of a whole life of the program with so many requests.
async fn count(valgrind: &Path, program: &Path, case: &Case, requests: u64) -> Result<u64, Error> {
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let listener = backend::listen(([127, 0, 0, 1], 0).into())?;
    let calls = backend::listen(([127, 0, 0, 1], 0).into())?;
    let called = if let By::Grpc = case.by { Some(calls.local_addr()?) } else { None };
    let (services, address) = ((listener.local_addr()?, called), free_address()?);
    let serving = tokio::task::spawn_local(backend::serve(listener, Behaviour::default()));
    let calling = tokio::task::spawn_local(grpc::serve(calls));
    let log = folder.path().join("access.log");
    let file = folder.path().join("haechi.yaml");
    std::fs::write(&file, haechi::configuration(address, None, services, Some(&log))?)?;
    let counts = folder.path().join("counts");
    let args = [
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", counts.display()),
        program.display().to_string(),
        "up".to_owned(),
        "-f".to_owned(),
        file.display().to_string(),
    ];
    let output = folder.path().join("output");
    // One core, so one worker.
    let mut child = Child::start("0", valgrind, &args, &output)?;
    let started = child.accepts(address, START).await;
    started.map_err(|source| Error::Start {
        program: "valgrind".to_owned(),
        output: std::fs::read_to_string(&output).unwrap_or_default(),
        source,
    })?;
    let failed = |source| Error::Check { subject: "Haechi".to_owned(), what: case.name.to_owned(), source };
    match case.by {
        By::Http1 { head, body, anew } => exchange(head, body, anew, address, requests).await,
        By::Http2 => exchange_http2(address, requests).await,
        By::Grpc => call(address, requests).await,
    }
    .map_err(failed)?;
    child.signal(Signal::TERM)?;
    child.wait()?;
    serving.abort();
    calling.abort();
    total(&std::fs::read_to_string(&counts)?)
        .ok_or_else(|| Error::Missed(format!("callgrind wrote no total to {}", counts.display())))
}

/// Sends the requests one after the other.
async fn exchange(
    head: &str,
    body: usize,
    anew: bool,
    address: SocketAddr,
    requests: u64,
) -> Result<(), Failure> {
    let mut request =
        format!("{head}Host: bench.local\r\nUser-Agent: haechi-bench\r\nAccept: */*\r\n\r\n").into_bytes();
    request.resize(request.len() + body, b'x');
    let mut open = Vec::new();
    for number in 0..requests as usize {
        if open.len() < CONNECTIONS {
            open.push(Connection::open(address).await?);
        }
        let at = number % open.len();
        is_well(open[at].exchange(&request, None).await?.status)?;
        if anew {
            // Its end belongs to the request: it must not fall together with the next one's begin.
            for connection in open.drain(..) {
                if connection.into_idle().read(&mut [0]).await? > 0 {
                    return Err(Failure::Wrong("two answers".to_owned()));
                }
            }
        }
    }
    Ok(())
}

/// The same in HTTP/2.
async fn exchange_http2(address: SocketAddr, requests: u64) -> Result<(), Failure> {
    let mut open = Vec::new();
    for number in 0..requests as usize {
        if open.len() < CONNECTIONS {
            open.push(http2::Connection::open(address).await?);
        }
        let request = Request::get("http://bench.local/128").header("user-agent", "haechi-bench");
        let request = request.header("accept", "*/*").body(()).map_err(io::Error::other)?;
        let at = number % open.len();
        is_well(open[at].exchange(request, &Bytes::new()).await?.status)?;
    }
    Ok(())
}

/// Calls one after the other.
async fn call(address: SocketAddr, requests: u64) -> Result<(), Failure> {
    let (mut open, body) = (Vec::new(), grpc::body().into());
    for number in 0..requests as usize {
        if open.len() < CONNECTIONS {
            open.push(http2::Connection::open(address).await?);
        }
        let at = number % open.len();
        grpc::call(&mut open[at], address, &body).await?;
    }
    Ok(())
}

fn is_well(status: u16) -> Result<(), Failure> {
    if status == 200 { Ok(()) } else { Err(Failure::Wrong(format!("status {status}"))) }
}

/// The count in callgrind's file: `totals: 123`, or `summary: 123`.
fn total(counts: &str) -> Option<u64> {
    let number = |line: &str| line.split_once(": ").and_then(|(_, number)| number.trim().parse().ok());
    counts
        .lines()
        .rev()
        .find(|line| line.starts_with("totals: ") || line.starts_with("summary: "))
        .and_then(number)
}

fn written(figures: &[(&str, u64)]) -> String {
    let mut text = "# User instructions of Haechi for one request, by `haechi-bench instructions` on the release binary.\n\
         # `haechi-bench instructions --update` writes them anew; say in the commit why a figure grew.\n"
        .to_owned();
    for (name, figure) in figures {
        let _ = writeln!(text, "{name} = {figure}");
    }
    text
}

fn read(text: &str) -> BTreeMap<&str, u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(" = "))
        .filter_map(|(name, figure)| Some((name, figure.parse().ok()?)))
        .collect()
}

/// Tells of each figure; an error when one grew too far, or is not kept.
fn compare(figures: &[(&str, u64)], kept: &BTreeMap<&str, u64>, file: &Path) -> Result<(), Error> {
    let mut missed = Vec::new();
    for (name, figure) in figures {
        let Some(before) = kept.get(name) else {
            missed.push(format!("{name}: {figure} instructions, and no figure is kept"));
            continue;
        };
        let growth = (*figure as f64 - *before as f64) * 100.0 / *before as f64;
        println!("{name:<24} {figure:>7}, kept {before:>7}: {growth:+.1} %");
        if growth > TOLERANCE {
            missed.push(format!("{name}: {figure} instructions, {growth:.1} % more than {before}"));
        } else if growth < -TOLERANCE {
            println!("  it shrank: `haechi-bench instructions --update` keeps that");
        }
    }
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::Missed(format!(
        "{}\nmore than {} % over {}. If the growth is worth it, run `haechi-bench instructions --update` and say \
         why in the commit; otherwise look for it with `valgrind --tool=callgrind` on the profiling build.",
        missed.join("\n"),
        TOLERANCE,
        file.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_growth_is_found() {
        let text = written(&[("GET of 128 B", 1000), ("POST of 1 KiB", 2000)]);
        let kept = read(&text);
        let file = Path::new("figures");
        assert!(compare(&[("GET of 128 B", 1030), ("POST of 1 KiB", 1)], &kept, file).is_ok());
        let grown = compare(&[("GET of 128 B", 1031)], &kept, file).unwrap_err().to_string();
        assert!(grown.contains("3.1 % more than 1000") && grown.contains("--update"), "{grown}");
        assert!(compare(&[("another", 1)], &kept, file).is_err());
    }

    #[test]
    fn the_total_of_callgrind_is_found() {
        assert_eq!(total("events: Ir\nsummary: 5\n\nfn=(1)\n1 2\ntotals: 1234\n"), Some(1234));
        assert_eq!(total("events: Ir\n"), None);
    }
}
