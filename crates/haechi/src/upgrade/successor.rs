//! The old process's side.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::predecessor::TAKES_OVER_FROM;
use super::wire::{Ended, Link, Message, Offer, Offered};
use super::{Program, Socket};

/// How long a process that closed the conversation may take to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// The process that is about to take over. Dropping it before [`Successor::let_go`] ends it.
#[derive(Debug)]
pub struct Successor {
    child: Option<Child>,
    link: Link,
}

impl Successor {
    /// Starts the program and sends it the sockets.
    pub async fn start(program: &Program, mut offer: Offer, sockets: Vec<Socket>) -> anyhow::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&program.path);
        if let Some((name, arguments)) = program.arguments.split_first() {
            command.arg0(name).args(arguments);
        }
        let started = command
            .env(TAKES_OVER_FROM, std::process::id().to_string())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn();
        // It holds the other end of the conversation, whose end must be noticed.
        drop(command);
        let child = started.with_context(|| format!("can't start {}", program.path.display()))?;
        let mut successor = Self { child: Some(child), link: Link::new(ours)? };
        let offered = |socket: &Socket| Offered {
            part: socket.part.clone(),
            name: socket.name.clone(),
            listen: socket.listen.clone(),
        };
        offer.sockets = sockets.iter().map(offered).collect();
        match successor.link.say(&Message::Offer(offer), sockets).await {
            Ok(()) => Ok(successor),
            Err(error) => Err(successor.explained(error).await),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Returns when it has done everything that can fail.
    pub async fn prepared(&mut self, patience: Duration) -> anyhow::Result<()> {
        match self.link.hear(patience).await {
            Ok((Message::Prepared, _)) => Ok(()),
            Ok((other, _)) => bail!("it says {other:?} before it is prepared"),
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// Lets it accept. Returns when it does, with where its registry listens.
    pub async fn accept(
        &mut self,
        registry: Option<Vec<u8>>,
        patience: Duration,
    ) -> anyhow::Result<Option<SocketAddr>> {
        let spoken = async {
            self.link.say(&Message::Accept { registry: registry.is_some() }, Vec::new()).await?;
            if let Some(state) = registry {
                self.link.send(state, Vec::new()).await?;
            }
            self.link.hear(patience).await
        };
        match spoken.await {
            Ok((Message::Accepting { registry }, _)) => {
                Ok(registry.as_deref().and_then(|address| address.parse().ok()))
            }
            Ok((other, _)) => bail!("it says {other:?} instead of accepting"),
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// It lives on without this process.
    pub fn let_go(&mut self) {
        self.child = None;
    }

    /// The error, with how the process ended if it did.
    async fn explained(&mut self, error: anyhow::Error) -> anyhow::Error {
        for _ in 0..LAST_WORDS.as_millis() / LOOK.as_millis() {
            match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(Some(status))) => return error.context(format!("it ended: {status}")),
                // It was the conversation that failed, and the process may well be alive.
                Some(Ok(None)) if !error.is::<Ended>() => return error,
                Some(Ok(None)) => tokio::time::sleep(LOOK).await,
                _ => return error,
            }
        }
        error
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It must be gone before the old process goes on: two must not act on one registry.
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                tracing::error!(%error, "the new process can't be ended");
            }
        }
    }
}
