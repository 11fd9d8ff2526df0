//! Registrations on disk, so that they survive a restart: one file of checksummed records, written whole from
//! time to time and appended to in between. A registration is acknowledged when its record is on disk.
//!
//! Trouble with the disk stops none of this: the registry prefers availability, and clients register again
//! by themselves. It is told as an event and shown in the status.

mod record;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use haechi_eureka::InstanceInfo;
use haechi_lease::Instance;
use haechi_stream::Events;
use tokio::sync::oneshot;

use crate::convert::Wire;
use crate::shared::State;

pub(crate) use writer::Command;

/// The file, written by a thread of its own.
#[derive(Debug)]
pub(crate) struct StateFile {
    commands: mpsc::Sender<Command>,
    durable: Arc<AtomicBool>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl StateFile {
    /// Starts the thread, which first writes the file whole.
    pub fn open(path: PathBuf, state: Arc<Mutex<State>>, events: Events) -> Self {
        let (commands, received) = mpsc::channel();
        let durable = Arc::new(AtomicBool::new(true));
        let writer = writer::Writer::new(path, state, events, Arc::clone(&durable));
        let thread = std::thread::Builder::new()
            .name("registry-state".to_owned())
            .spawn(move || writer.run(&received))
            .inspect_err(|error| {
                tracing::error!(%error, "no thread for the state file");
                durable.store(false, Ordering::Relaxed);
            })
            .ok();
        Self { commands, durable, thread: Mutex::new(thread) }
    }

    /// Keeps an instance (or, if that was its last change, its going). The receipt comes when that is on
    /// disk, or can't be. Call it in the order of the changes.
    pub fn keep(&self, instance: Arc<Instance<Wire>>) -> Option<oneshot::Receiver<()>> {
        let (done, kept) = oneshot::channel();
        self.commands.send(Command::Keep(instance, done)).is_ok().then_some(kept)
    }

    /// Whether everything acknowledged is on disk.
    pub fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    /// Lets go of the file, with everything in it: another process goes on with it.
    pub async fn release(&self) {
        let (done, released) = oneshot::channel();
        if self.commands.send(Command::Release(done)).is_ok() {
            // An error means that the writer is gone, and so is its hold on the file.
            let _ = released.await;
        }
    }

    /// Takes the file back after [`StateFile::release`].
    pub fn resume(&self) {
        // A writer that is gone was told of when it went.
        let _ = self.commands.send(Command::Resume);
    }

    /// Writes the file whole a last time, unless it was released.
    pub async fn close(&self) {
        let _ = self.commands.send(Command::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Reads what a file holds; nothing if there is none. A torn or damaged rest is cut off and told.
pub(crate) fn read(path: &Path, events: &Events) -> Vec<InstanceInfo> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            events.say("registry", format!("the state file {} can't be read: {error}", path.display()));
            return Vec::new();
        }
    };
    let found = record::read_all(&bytes);
    if found.lost_bytes > 0 {
        let lost = found.lost_bytes;
        events.say(
            "registry",
            format!(
                "{lost} bytes at the end of the state file {} were damaged and are left out",
                path.display()
            ),
        );
    }
    found.instances
}
