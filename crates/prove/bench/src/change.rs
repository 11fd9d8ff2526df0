//! `change`: configuration reloads and binary upgrades while requests, an upgraded connection (as WebSockets are)
//! and a long download go through the gateway. Nothing may fail or be cut, and every configuration must apply.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_core::{Clock, Instant, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::error::Error;
use crate::load::connection::Connection;
use crate::peers::{free_address, haechi};

/// How long the program may take to start, and a configuration to apply.
const PATIENCE: Duration = Duration::from_secs(10);
/// A head in the service or a line from it; both are written below.
const HEAD: usize = 4096;
const GET: &[u8] = b"GET /small HTTP/1.1\r\nHost: bench\r\n\r\n";

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
    /// Kept connections with requests one after another; as many tasks open a connection for each request.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Bytes of the download, which lasts as long as the rest.
    #[arg(long, default_value_t = 1 << 30)]
    download: u64,
    /// Haechi's program; by default the one beside this program.
    #[arg(long)]
    haechi: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Seen {
    stop: Cell<bool>,
    requests: Cell<u64>,
    messages: Cell<u64>,
    failures: RefCell<Vec<String>>,
}

impl Seen {
    fn failed(&self, what: &str, why: &dyn std::fmt::Display) {
        self.failures.borrow_mut().push(format!("{what}: {why}"));
    }
}

/// Runs it; fails when anything was lost.
pub async fn run(options: Options) -> Result<(), Error> {
    let clock = SystemClock::start();
    let folder = tempfile::Builder::new().prefix("haechi-bench-").tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let service = listener.local_addr()?;
    let bytes = options.download;
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(serve(stream, bytes));
        }
    });
    let gateway = free_address()?;
    let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
    let mut child = haechi::up_everywhere(&program, folder.path(), &configuration(gateway, service, 0))?;
    child.accepts(gateway, PATIENCE).await?;

    let seen = Rc::new(Seen::default());
    let span = Duration::from_secs_f64(options.seconds);
    let mut tasks = vec![
        spawn_local(messages(gateway, seen.clone())),
        spawn_local(download(gateway, bytes, span, clock.clone(), seen.clone())),
    ];
    for number in 0..options.connections * 2 {
        tasks.push(spawn_local(requests(gateway, number % 2 == 0, seen.clone())));
    }
    let changed = changes(&options, &program, folder.path(), (gateway, service), &clock).await;
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
        "{} reloads, each applied, and {} upgrades in {:.0} s: {} requests, {} messages, a download of {} bytes; {} failed",
        options.reloads,
        options.upgrades,
        took.as_secs_f64(),
        seen.requests.get(),
        seen.messages.get(),
        options.download,
        failures.len()
    );
    match failures.first() {
        None => Ok(()),
        Some(first) => Err(Error::Missed(format!("{} failed, the first: {first}", failures.len()))),
    }
}

fn configuration(gateway: SocketAddr, service: SocketAddr, version: u32) -> String {
    format!(
        "gateway:
  listeners: [{{ name: web, listen: {gateway} }}]
  routes:
    - {{ name: version, match: {{ path: /version }}, respond: {{ status: 200, body: \"{version:08}\" }} }}
    - {{ name: all, match: {{ path: /** }}, service: app }}
services:
  app: {{ endpoints: [{service}] }}
"
    )
}

/// Changes file and binary, evenly spread. The pid that serves at the end, and how long it took.
async fn changes(
    options: &Options,
    program: &Path,
    folder: &Path,
    (gateway, service): (SocketAddr, SocketAddr),
    clock: &Arc<dyn Clock>,
) -> Result<(i32, Duration), Error> {
    let (began, file) = (clock.now(), folder.join("haechi.yaml"));
    let (mut last, mut upgraded) = (0, 0);
    for version in 1..=options.reloads {
        let new = folder.join("new.yaml");
        std::fs::write(&new, configuration(gateway, service, version))?;
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
        applied(gateway, version, clock).await?;
        let due = options.seconds * f64::from(version) / f64::from(options.reloads);
        tokio::time::sleep(Duration::from_secs_f64(due).saturating_sub(clock.now().since(began))).await;
    }
    Ok((last, clock.now().since(began)))
}

/// Returns once the gateway answers by this configuration.
async fn applied(gateway: SocketAddr, version: u32, clock: &Arc<dyn Clock>) -> Result<(), Error> {
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

/// Requests one after another, over one connection as long as it stays open or over a new one for each.
async fn requests(gateway: SocketAddr, keep: bool, seen: Rc<Seen>) {
    let mut kept = None;
    while !seen.stop.get() {
        let opened = match kept.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(gateway).await,
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => return seen.failed("connect", &error),
        };
        match connection.exchange(GET, None).await {
            Ok(answer) if answer.status == 200 && answer.body_len == 2 => {
                seen.requests.set(seen.requests.get() + 1);
                kept = (keep && answer.keep_alive).then_some(connection);
            }
            Ok(answer) => seen.failed("request", &format!("{answer:?}")),
            Err(error) => seen.failed("request", &error),
        }
    }
}

/// One upgraded connection, over which a message goes and comes back all the time.
async fn messages(gateway: SocketAddr, seen: Rc<Seen>) {
    let work = async {
        let mut stream = TcpStream::connect(gateway).await?;
        stream
            .write_all(
                b"GET /echo HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .await?;
        let head = head(&mut stream).await?.unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(std::io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        let mut number: u64 = 0;
        while !seen.stop.get() {
            number += 1;
            stream.write_all(&number.to_be_bytes()).await?;
            if stream.read_u64().await? != number {
                return Err(std::io::Error::other("another message came back"));
            }
            seen.messages.set(number);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    if let Err(error) = work.await {
        seen.failed("upgraded connection", &error);
    }
}

/// One download, read evenly over the time.
async fn download(gateway: SocketAddr, bytes: u64, span: Duration, clock: Arc<dyn Clock>, seen: Rc<Seen>) {
    let work = async {
        let began: Instant = clock.now();
        let mut stream = TcpStream::connect(gateway).await?;
        stream.write_all(b"GET /download HTTP/1.1\r\nHost: bench\r\n\r\n").await?;
        let mut left = bytes;
        if !head(&mut stream).await?.unwrap_or_default().starts_with(b"HTTP/1.1 200") {
            return Err(std::io::Error::other("no download"));
        }
        let mut buffer = vec![0; 1 << 20];
        while left > 0 {
            let room = buffer.len().min(left as usize);
            match stream.read(&mut buffer[..room]).await? {
                0 => return Err(std::io::Error::other(format!("cut with {left} bytes left"))),
                count => left -= count as u64,
            }
            let due = span.mul_f64((bytes - left) as f64 / bytes as f64);
            tokio::time::sleep(due.saturating_sub(clock.now().since(began))).await;
        }
        Ok(())
    };
    if let Err(error) = work.await {
        seen.failed("download", &error);
    }
}

/// Reads a head and nothing behind it. Nothing at the end of the stream.
async fn head(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        if head.len() > HEAD {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
    Ok(Some(head))
}

/// The service: a small answer, a long one, or an echo.
async fn serve(mut stream: TcpStream, bytes: u64) {
    let work = async {
        while let Some(head) = head(&mut stream).await? {
            if head.starts_with(b"GET /download ") {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
                stream.write_all(answer.as_bytes()).await?;
                let part = vec![b'x'; 1 << 16];
                let mut left = bytes;
                while left > 0 {
                    let count = part.len().min(left as usize);
                    stream.write_all(&part[..count]).await?;
                    left -= count as u64;
                }
            } else if head.starts_with(b"GET /echo ") {
                stream
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    .await?;
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await?;
                return Ok(());
            } else {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
            }
        }
        std::io::Result::Ok(())
    };
    // The gateway closes connections when it likes.
    let _ = work.await;
}
