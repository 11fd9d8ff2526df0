//! The two config servers on the same repository.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::Options;
use crate::error::Error;
use crate::machine::child::Child;
use crate::peers::{free_address, haechi, spring};

/// How long a JVM may take to start on one busy core.
const START: Duration = Duration::from_secs(90);

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The program of this workspace.
    Haechi,
    /// Spring Cloud Config Server with its defaults: asks the remote before each answer.
    Spring,
    /// Spring Cloud Config Server that asks the remote every 60 s at most.
    SpringRefreshRate,
}

impl Kind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Haechi => "Haechi",
            Self::Spring => "Spring",
            Self::SpringRefreshRate => "Spring, refreshRate 60",
        }
    }
}

/// A config server that serves.
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
    /// Starts it on a repository and waits until it accepts. Haechi looks for changes every `refresh`.
    pub async fn start(
        kind: Kind,
        options: &Options,
        folder: &Path,
        uri: &str,
        refresh: &str,
    ) -> Result<Self, Error> {
        let address = free_address()?;
        let core = options.cores.subject_core;
        let child = if kind == Kind::Haechi {
            let program = options.haechi.clone().unwrap_or_else(crate::haechi_beside_this);
            let configuration = format!(
                "admin: {{ listen: {admin} }}
config:
  listen: {address}
  git: {{ uri: '{uri}', label: main, refresh: {refresh}, clone-on-start: true, folder: {clone} }}
",
                admin = free_address()?,
                clone = folder.join("clone").display()
            );
            haechi::up(core, &program, folder, &configuration)?
        } else {
            let jar = options.originals.clone().unwrap_or_else(spring::originals).join("config-server.jar");
            let mut arguments = vec![
                format!("--spring.cloud.config.server.git.uri={uri}"),
                "--spring.cloud.config.server.git.default-label=main".to_owned(),
                "--spring.cloud.config.server.git.clone-on-start=true".to_owned(),
                format!("--spring.cloud.config.server.git.basedir={}", folder.join("clone").display()),
            ];
            if kind == Kind::SpringRefreshRate {
                arguments.push("--spring.cloud.config.server.git.refresh-rate=60".to_owned());
            }
            spring::start(core, &jar, folder, address.port(), &arguments)?
        };
        let mut server = Self { kind, child, address };
        server.child.accepts(address, START).await.map_err(|source| Error::Start {
            program: kind.name().to_owned(),
            output: std::fs::read_to_string(folder.join("output")).unwrap_or_default(),
            source,
        })?;
        Ok(server)
    }
}
