//! The processes that hold the instances, as the program that started them sees them.
//!
//! Each connects back and says with lines of JSON where its instances are, when all were restarted, and what they saw.

use std::net::SocketAddr;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Options, START};
use crate::error::Error;
use crate::machine::child::Child;

/// What a process of instances tells.
#[derive(Debug, Serialize, Deserialize)]
pub enum Told {
    /// Where its instances listen.
    Listening(Vec<SocketAddr>),
    /// All of them were restarted.
    Restarted,
    /// What they saw.
    Saw(Seen),
}

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    Restart,
    Report,
}

/// What instances saw.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    pub restarts: u64,
    /// Restarts by the moment at which they closed a connection.
    pub moments: Vec<(String, u64)>,
    /// POSTs of which bytes arrived, and how often.
    pub posts: Vec<(u64, u32)>,
    pub connections: u64,
}

/// One end of the line to the other process.
#[derive(Debug)]
pub struct Line {
    lines: Lines<BufReader<OwnedReadHalf>>,
    to: OwnedWriteHalf,
}

/// All processes.
#[derive(Debug)]
pub struct Fleet {
    pub addresses: Vec<SocketAddr>,
    lines: Vec<Line>,
    /// Each gives its line back when its instances were restarted.
    restarting: Vec<JoinHandle<Result<Line, Error>>>,
    /// They end with this.
    children: Vec<Child>,
}

impl Line {
    pub fn new(stream: TcpStream) -> Self {
        let (from, to) = stream.into_split();
        Self { lines: BufReader::new(from).lines(), to }
    }

    /// Sends a line.
    pub async fn say(&mut self, what: &impl Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        Ok(self.to.write_all(&line).await?)
    }

    /// The next line; an error at the end.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let line = self.lines.next_line().await?;
        let line = line.ok_or_else(|| Error::Missed("a process of instances ended".to_owned()))?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Fleet {
    /// Starts the processes and learns where their instances are.
    pub async fn start(options: &Options, folder: &Path) -> Result<Self, Error> {
        let control = TcpListener::bind("127.0.0.1:0").await?;
        let this = std::env::current_exe()?;
        let processes = options.processes.max(1);
        let at_once = options.at_once.unwrap_or(options.instances / 50).div_ceil(processes).max(1);
        let mut fleet =
            Self { addresses: Vec::new(), lines: Vec::new(), restarting: Vec::new(), children: Vec::new() };
        for number in 0..processes {
            let own = options.instances / processes + usize::from(number < options.instances % processes);
            let mut command = std::process::Command::new(&this);
            command.arg("restart-instances");
            for (option, value) in [
                ("--control", control.local_addr()?.to_string()),
                ("--number", number.to_string()),
                ("--instances", own.to_string()),
                ("--at-once", at_once.to_string()),
                ("--away-ms", options.away_ms.to_string()),
            ] {
                command.arg(option).arg(value);
            }
            fleet.children.push(Child::spawn(command, &folder.join(format!("instances-{number}")))?);
            let connected = tokio::time::timeout(START, control.accept()).await;
            let (stream, _) =
                connected.map_err(|_| Error::Missed("instances did not start".to_owned()))??;
            let mut line = Line::new(stream);
            match line.hear().await? {
                Told::Listening(addresses) => fleet.addresses.extend(addresses),
                told => return Err(unexpected(&told)),
            }
            fleet.lines.push(line);
        }
        Ok(fleet)
    }

    /// Begins to restart all instances.
    pub async fn restart(&mut self) -> Result<(), Error> {
        for mut line in self.lines.drain(..) {
            line.say(&Order::Restart).await?;
            self.restarting.push(tokio::task::spawn_local(async move {
                match line.hear().await? {
                    Told::Restarted => Ok(line),
                    told => Err(unexpected(&told)),
                }
            }));
        }
        Ok(())
    }

    /// Whether all were restarted, or can't be any more.
    pub fn is_done(&self) -> bool {
        self.restarting.iter().all(JoinHandle::is_finished)
    }

    /// What all instances saw.
    pub async fn report(self) -> Result<Vec<Seen>, Error> {
        let mut all = Vec::new();
        for restarting in self.restarting {
            let mut line = restarting.await.map_err(|error| Error::Missed(error.to_string()))??;
            line.say(&Order::Report).await?;
            match line.hear().await? {
                Told::Saw(seen) => all.push(seen),
                told => return Err(unexpected(&told)),
            }
        }
        Ok(all)
    }
}

fn unexpected(told: &Told) -> Error {
    Error::Missed(format!("a process of instances said out of turn: {told:?}"))
}
