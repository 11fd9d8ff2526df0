//! The two registries, configured alike.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::Options;
use crate::error::Error;
use crate::load::Workload;
use crate::load::connection::{Answer, Connection, Failure};
use crate::machine::child::Child;
use crate::peers::{free_address, haechi, spring};

/// How long a change stays in the delta, in both: longer than Eureka's cache of listings (30 s).
pub const RETENTION: Duration = Duration::from_secs(60);
/// How old Eureka's listings may be: its default, which spares it work.
pub const STALE: Duration = Duration::from_secs(31);
/// How long a JVM may take to start on one busy core.
const START: Duration = Duration::from_secs(90);

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The program of this workspace.
    Haechi,
    /// Spring Cloud's Eureka server.
    Eureka,
}

impl Kind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Haechi => "Haechi",
            Self::Eureka => "Eureka",
        }
    }
}

/// A registry that serves.
#[derive(Debug)]
pub struct Server {
    /// Who.
    pub kind: Kind,
    /// Its process.
    pub child: Child,
    /// Where it accepts.
    pub address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it answers.
    pub async fn start(kind: Kind, options: &Options, folder: &Path) -> Result<Self, Error> {
        let address = free_address()?;
        let core = options.cores.subject_core;
        let retention = RETENTION.as_secs();
        let child = match kind {
            Kind::Haechi => {
                let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
                let configuration = format!(
                    "admin: {{ listen: {} }}\nregistry: {{ listen: {address}, delta-retention: {retention}s }}\n",
                    free_address()?
                );
                haechi::up(core, &program, folder, &configuration)?
            }
            Kind::Eureka => {
                let jar = options.originals.clone().unwrap_or_else(spring::originals).join("registry.jar");
                let arguments = [
                    format!("--eureka.server.retention-time-in-m-s-in-delta-queue={}", retention * 1000),
                    "--eureka.server.delta-retention-timer-interval-in-ms=1000".to_owned(),
                ];
                spring::start(core, &jar, folder, address.port(), &arguments)?
            }
        };
        let mut server = Self { kind, child, address };
        server.child.accepts(address, START).await.map_err(|source| Error::Start {
            program: kind.name().to_owned(),
            output: std::fs::read_to_string(folder.join("output")).unwrap_or_default(),
            source,
        })?;
        Ok(server)
    }

    /// One request of `workload` with its whole body.
    pub async fn ask(&self, workload: &impl Workload) -> Result<(Answer, String), Failure> {
        let mut body = Vec::new();
        let mut scratch = Vec::new();
        let request = workload.request(0, &mut scratch);
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.exchange(request, Some(&mut body)).await?;
        workload.check(&answer)?;
        Ok((answer, String::from_utf8_lossy(&body).into_owned()))
    }
}
