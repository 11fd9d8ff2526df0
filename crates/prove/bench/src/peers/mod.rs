//! The gateways measured, each with a good configuration that the output states.

pub mod haechi;
pub mod haproxy;
pub mod install;
pub mod nginx;
pub mod spring;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// Directory of its own for configuration and logs.
    pub folder: &'a Path,
    /// Whether it writes an access log to a file.
    pub log: bool,
    /// Where Haechi's program is.
    pub haechi: &'a Path,
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// The process, ended when this is dropped.
    pub child: Child,
    /// Where it accepts.
    pub address: SocketAddr,
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
}

impl Gateway {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Haechi => "Haechi",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
        }
    }

    /// Writes its configuration, starts it and waits until it accepts.
    pub async fn start(self, place: &Place<'_>) -> Result<Running, Error> {
        std::fs::create_dir_all(place.folder)?;
        let mut running = match self {
            Self::Haechi => haechi::start(place)?,
            Self::Haproxy => haproxy::start(place)?,
            Self::Nginx => nginx::start(place)?,
        };
        running.child.accepts(running.address, START).await.map_err(|source| Error::Start {
            program: self.name().to_owned(),
            output: std::fs::read_to_string(place.folder.join("output")).unwrap_or_default(),
            source,
        })?;
        Ok(running)
    }
}

/// An address of this machine that nothing listens at. Another program could take it before it is used; the
/// start then fails and says so.
pub fn free_address() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// First line of what a program prints with `flag`.
fn version_of(program: &Path, flag: &str) -> String {
    let output = std::process::Command::new(program).arg(flag).output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
}
