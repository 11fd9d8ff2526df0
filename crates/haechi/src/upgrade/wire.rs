//! What the two processes say to each other. They may be different versions: what one doesn't know it ignores,
//! and a change that the other would misunderstand gets another [`FORM`].

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use haechi_net::handover::{self, Channel};
use serde::{Deserialize, Serialize};

use super::Socket;

/// Of the messages below.
pub const FORM: u32 = 1;
/// For a message to be written; the other process reads at once or not at all.
const WRITE: Duration = Duration::from_secs(30);

/// A message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// Old to new, with the sockets.
    Offer(Offer),
    /// New to old: everything that can fail was done.
    Prepared,
    /// Old to new: accept. If the old process has a registry, its state follows as a message of its own.
    Accept {
        /// Whether it does.
        registry: bool,
    },
    /// New to old: everything accepts.
    Accepting {
        /// Where the registry listens now, if there is one.
        registry: Option<String>,
    },
    /// New to old: it could not start, and why.
    Failed(String),
}

/// What the new process gets to start with.
#[derive(Debug, Serialize, Deserialize)]
pub struct Offer {
    /// [`FORM`]
    pub form: u32,
    /// The old program's version.
    pub version: String,
    /// What the old process's clock says, in nanoseconds.
    pub clock: u64,
    /// The number of the configuration that runs.
    pub generation: u64,
    /// The services that its registry knows.
    pub services: Vec<String>,
    /// What each socket is, in their order.
    pub sockets: Vec<Offered>,
}

/// One socket.
#[derive(Debug, Serialize, Deserialize)]
pub struct Offered {
    /// See [`Socket::part`].
    pub part: String,
    /// See [`Socket::name`].
    pub name: String,
    /// See [`Socket::listen`].
    pub listen: String,
}

/// The other process is gone, or let go of the conversation.
#[derive(Debug)]
pub struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it was gone before it accepted")
    }
}

impl std::error::Error for Ended {}

/// A conversation, from asynchronous code.
#[derive(Clone, Debug)]
pub struct Link(Arc<Channel>);

impl Link {
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        Channel::new(stream, WRITE).map(|channel| Self(Arc::new(channel)))
    }

    /// Sends a message, with sockets.
    pub async fn say(&self, message: &Message, sockets: Vec<Socket>) -> anyhow::Result<()> {
        self.send(serde_json::to_vec(message)?, sockets).await
    }

    /// Sends bytes that are no [`Message`].
    pub async fn send(&self, body: Vec<u8>, sockets: Vec<Socket>) -> anyhow::Result<()> {
        let channel = Arc::clone(&self.0);
        let sent = tokio::task::spawn_blocking(move || {
            let sockets: Vec<_> = sockets.iter().map(Socket::as_fd).collect();
            channel.send(&body, &sockets)
        });
        sent.await?.map_err(|error| explained(error, WRITE))
    }

    /// The next message. A [`Message::Failed`] is an error here.
    pub async fn hear(&self, patience: Duration) -> anyhow::Result<(Message, handover::Message)> {
        let raw = self.receive(patience).await?;
        let message = serde_json::from_slice(&raw.body).context("it says what this version doesn't know")?;
        if let Message::Failed(why) = message {
            bail!("{why}");
        }
        Ok((message, raw))
    }

    /// The next bytes.
    pub async fn receive(&self, patience: Duration) -> anyhow::Result<handover::Message> {
        let channel = Arc::clone(&self.0);
        let received = tokio::task::spawn_blocking(move || {
            channel.wait_at_most(patience)?;
            channel.receive()
        });
        received.await?.map_err(|error| explained(error, patience))
    }
}

fn explained(error: std::io::Error, patience: Duration) -> anyhow::Error {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    match error.kind() {
        TimedOut | WouldBlock => anyhow::anyhow!("it said nothing for {patience:?}"),
        // The last two when it left something unread.
        UnexpectedEof | BrokenPipe | ConnectionReset => Ended.into(),
        _ => error.into(),
    }
}
