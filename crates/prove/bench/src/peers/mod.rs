//! The gateways measured, each with a good configuration that the output states.

pub mod caddy;
pub mod envoy;
pub mod haechi;
pub mod haproxy;
pub mod install;
pub mod nginx;
pub mod pingora;
pub mod spring;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_core::rng::from_entropy;

use crate::error::Error;
use crate::machine::child::Child;

/// How long a gateway may take to accept connections.
const START: Duration = Duration::from_secs(10);

/// Where a gateway listens, what is behind it, and where its files are.
#[derive(Debug)]
pub struct Place<'a> {
    /// Its core.
    pub core: usize,
    /// The service behind it.
    pub service: SocketAddr,
    /// The service of gRPC behind it, which speaks HTTP/2 in the clear.
    pub grpc: SocketAddr,
    /// Directory of its own for configuration and logs.
    pub folder: &'a Path,
    /// Whether it writes an access log to a file.
    pub log: bool,
    /// The gateway's program, where it was named.
    pub program: Option<&'a Path>,
    /// A certificate with its key, where TLS is wanted.
    pub certificate: Option<&'a Path>,
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// The process, ended when this is dropped.
    pub child: Child,
    /// Where it accepts.
    pub address: SocketAddr,
    /// Where it accepts HTTP/2 in the clear.
    pub http2: SocketAddr,
    /// Where it accepts TLS, with HTTP/1.1 and HTTP/2 by ALPN.
    pub tls: Option<SocketAddr>,
    /// Its configuration, for the output.
    pub configuration: String,
    /// What it says its version is.
    pub version: String,
    /// Its access log, when it writes one.
    pub access_log: Option<PathBuf>,
}

/// The gateways known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// The program of this workspace.
    Haechi,
    /// HAProxy.
    Haproxy,
    /// nginx.
    Nginx,
    /// Envoy.
    Envoy,
    /// Caddy.
    Caddy,
    /// A small proxy on pingora.
    Pingora,
}

impl Gateway {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Haechi => "Haechi",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Envoy => "Envoy",
            Self::Caddy => "Caddy",
            Self::Pingora => "pingora",
        }
    }

    /// Whether its configuration here has a way to the service of gRPC.
    pub const fn takes_grpc(self) -> bool {
        !matches!(self, Self::Pingora)
    }

    /// Writes its configuration, starts it and waits until it accepts.
    pub async fn start(self, place: &Place<'_>) -> Result<Running, Error> {
        std::fs::create_dir_all(place.folder)?;
        let mut running = match self {
            Self::Haechi => haechi::start(place)?,
            Self::Haproxy => haproxy::start(place)?,
            Self::Nginx => nginx::start(place)?,
            Self::Envoy => envoy::start(place)?,
            Self::Caddy => caddy::start(place)?,
            Self::Pingora => pingora::start(place)?,
        };
        running.child.accepts(running.address, START).await.map_err(|source| Error::Start {
            program: self.name().to_owned(),
            output: std::fs::read_to_string(place.folder.join("output")).unwrap_or_default(),
            source,
        })?;
        Ok(running)
    }
}

/// An address of this machine that nothing listens at, nor has a datagram socket at.
///
/// Its port is below those that the kernel gives to outgoing connections, of which a load makes many: one of them could
/// take it before it is used. Another server could still; the start then fails and says so.
pub fn free_address() -> Result<SocketAddr, Error> {
    const LOWEST: u16 = 10_000;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let outgoing: Option<u16> = range.split_whitespace().next().and_then(|first| first.parse().ok());
    // Where outgoing connections have nearly all ports, there is nothing better than luck.
    let below = outgoing.unwrap_or_default().max(2 * LOWEST);
    let mut rng = from_entropy();
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], rng.u16(LOWEST..below)));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

/// Writes a self-signed certificate and its key, ECDSA on P-256 as most sites have.
pub fn certificate(file: &Path) -> Result<(), Error> {
    let openssl = install::ensure("openssl")?;
    let key = file.with_extension("key");
    let status = std::process::Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=bench.local", "-addext", "subjectAltName=DNS:bench.local", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(file)
        .stderr(std::process::Stdio::null())
        .status()?;
    if !status.success() {
        return Err(Error::Missed("openssl made no certificate".to_owned()));
    }
    let both = [std::fs::read(file)?, std::fs::read(key)?].concat();
    Ok(std::fs::write(file, both)?)
}

/// An address for TLS, where it is wanted.
pub fn tls_address(place: &Place<'_>) -> Result<Option<SocketAddr>, Error> {
    place.certificate.map(|_| free_address()).transpose()
}

/// First line of what a program prints with `flag`.
fn version_of(program: &Path, flag: &str) -> String {
    let output = std::process::Command::new(program).arg(flag).output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("unknown")
        .trim()
        .to_owned()
}
