//! The new process's side.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use haechi_core::{Clock, Generation, Instant, ServiceName, SystemClock};
use haechi_gateway::Listening;
use haechi_net::listen;

use super::wire::{FORM, Link, Message, Offer};
use super::{GATEWAY, Socket};

/// The process that a new one takes over from; the new one's standard input is the socket to it.
pub const TAKES_OVER_FROM: &str = "HAECHI_TAKES_OVER_FROM";
/// For the old process to send what it has.
const OFFER: Duration = Duration::from_secs(30);
/// For the old process to hold its registry and send its state.
const STATE: Duration = Duration::from_secs(60);

/// The process before this one.
pub struct Predecessor {
    /// Its process id.
    pub pid: u32,
    link: Link,
    offer: Offer,
    clock: Arc<dyn Clock>,
    sockets: Mutex<Vec<Socket>>,
}

impl Predecessor {
    /// The process that started this one to take over, if one did. Takes what it sends.
    pub async fn meet() -> anyhow::Result<Option<Self>> {
        let Some(pid) = std::env::var(TAKES_OVER_FROM).ok().and_then(|pid| pid.parse::<u32>().ok()) else {
            return Ok(None);
        };
        // The variable may have come down from farther away.
        let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
        if parent != Some(pid) {
            return Ok(None);
        }
        let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        // Programs that this process starts must not keep the conversation open.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let link = Link::new(stream)?;
        let (message, raw) = link.hear(OFFER).await.context("the process before this one sent nothing")?;
        let Message::Offer(offer) = message else { bail!("the process before this one sent no sockets") };
        ensure!(
            offer.form == FORM && offer.sockets.len() == raw.sockets.len(),
            "version {} hands over in a way that this version doesn't understand",
            offer.version
        );
        let named = offer.sockets.iter().zip(raw.sockets).map(|(offered, socket)| Socket {
            part: offered.part.clone(),
            name: offered.name.clone(),
            listen: offered.listen.clone(),
            file: socket,
        });
        let sockets = Mutex::new(named.collect());
        let clock = SystemClock::going_on_from(Instant::from_nanos(offer.clock));
        Ok(Some(Self { pid, link, offer, clock, sockets }))
    }

    /// A clock that goes on from its clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The number of the configuration that it runs.
    pub fn generation(&self) -> Generation {
        Generation(self.offer.generation)
    }

    /// The services that its registry knows.
    pub fn services(&self) -> Vec<ServiceName> {
        self.offer.services.iter().filter_map(|name| ServiceName::new(name).ok()).collect()
    }

    fn take_where(&self, wanted: impl Fn(&Socket) -> bool) -> Vec<Socket> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, left) = std::mem::take(&mut *sockets).into_iter().partition(wanted);
        *sockets = left;
        taken
    }

    /// The socket of a part that listens at one place, if it listened there before.
    pub fn take(&self, part: &str, listen: &str) -> Option<OwnedFd> {
        let mut found = self.take_where(|known| {
            let address = || listen::Socket::from(known.file.try_clone().ok()?).local_addr().ok();
            known.part == part
                && (known.listen == listen || address().is_some_and(|bound| bound.to_string() == listen))
        });
        found.pop().map(|socket| socket.file)
    }

    /// The same for TCP.
    pub fn take_tcp(&self, part: &str, listen: SocketAddr) -> Option<TcpListener> {
        self.take(part, &listen.to_string()).map(TcpListener::from)
    }

    /// The gateway's listeners.
    pub fn take_gateway(&self) -> Vec<Listening> {
        let mut all: Vec<Listening> = Vec::new();
        for socket in self.take_where(|known| known.part == GATEWAY) {
            let Ok(listen) = socket.listen.parse() else { continue };
            let same = |known: &&mut Listening| known.name == socket.name && known.listen == listen;
            match all.iter_mut().find(same) {
                Some(known) => known.sockets.push(socket.file.into()),
                None => {
                    all.push(Listening { name: socket.name, listen, sockets: vec![socket.file.into()] });
                }
            }
        }
        all
    }

    /// Says that everything that can fail was done. Returns when this process is to accept, with the registry's state.
    pub async fn prepared(&self) -> anyhow::Result<Option<Vec<u8>>> {
        self.link.say(&Message::Prepared, Vec::new()).await?;
        match self.link.hear(STATE).await?.0 {
            Message::Accept { registry: true } => Ok(Some(self.link.receive(STATE).await?.body)),
            Message::Accept { registry: false } => Ok(None),
            other => bail!("the process before this one says {other:?}"),
        }
    }

    /// Says that everything accepts.
    pub async fn accepting(&self, registry: Option<SocketAddr>) -> anyhow::Result<()> {
        // What nobody wanted any more is the other process's to close.
        self.take_where(|_| true);
        let registry = registry.map(|address| address.to_string());
        self.link.say(&Message::Accepting { registry }, Vec::new()).await
    }

    /// Says why this process could not start.
    pub async fn failed(&self, why: &str) {
        if let Err(error) = self.link.say(&Message::Failed(why.to_owned()), Vec::new()).await {
            tracing::debug!(%error, "the process before this one is gone");
        }
    }
}
