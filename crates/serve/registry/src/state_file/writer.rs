//! The thread that writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use haechi_lease::Instance;
use haechi_stream::Events;
use tokio::sync::oneshot;

use super::record;
use crate::convert::Wire;
use crate::shared::State;

/// Records written with one fsync.
const BATCH: usize = 1_024;
/// The file is written whole again when what was appended exceeds this and what was written whole.
const APPENDED_BYTES: u64 = 1 << 20;
/// After trouble with the disk, the file is tried again this often.
const RETRY: Duration = Duration::from_secs(5);
/// And, since changes may come faster than that, after this many batches.
const RETRY_BATCHES: u32 = 64;

pub(crate) enum Command {
    /// Write this, then tell.
    Keep(Arc<Instance<Wire>>, oneshot::Sender<()>),
    /// Write nothing more until told to resume.
    Release(oneshot::Sender<()>),
    /// Write again.
    Resume,
    /// Write everything and end.
    Close,
}

pub(crate) struct Writer {
    path: PathBuf,
    state: Arc<Mutex<State>>,
    events: Events,
    durable: Arc<AtomicBool>,
    /// Open for appending; absent until the file was written whole, and after trouble.
    file: Option<File>,
    whole: u64,
    appended: u64,
    /// Another process has the file.
    released: bool,
    /// Batches since the last try while there is trouble.
    skipped: u32,
}

impl Writer {
    pub fn new(path: PathBuf, state: Arc<Mutex<State>>, events: Events, durable: Arc<AtomicBool>) -> Self {
        Self { path, state, events, durable, file: None, whole: 0, appended: 0, released: false, skipped: 0 }
    }

    pub fn run(mut self, commands: &mpsc::Receiver<Command>) {
        self.rewrite();
        loop {
            let first = if self.file.is_some() || self.released {
                commands.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            } else {
                commands.recv_timeout(RETRY)
            };
            let first = match first {
                Ok(first) => first,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.rewrite();
                    continue;
                }
                // The registry was dropped without being stopped.
                Err(mpsc::RecvTimeoutError::Disconnected) => Command::Close,
            };
            let mut waiting = Vec::new();
            let mut bytes = Vec::new();
            let mut closing = false;
            let mut released = None;
            for command in std::iter::once(first).chain(commands.try_iter().take(BATCH)) {
                match command {
                    Command::Keep(instance, done) => {
                        record::append(&mut bytes, &instance);
                        waiting.push(done);
                    }
                    Command::Release(done) => released = Some(done),
                    Command::Resume => self.released = false,
                    Command::Close => closing = true,
                }
            }
            self.append(&bytes);
            for done in waiting {
                // Whoever waited may be gone: a client that closed its connection.
                let _ = done.send(());
            }
            if let Some(done) = released {
                (self.released, self.file) = (true, None);
                let _ = done.send(());
            }
            match (self.released, closing) {
                (true, true) => return,
                (true, false) => continue,
                (false, true) => return self.rewrite(),
                (false, false) => {}
            }
            let in_trouble = self.file.is_none();
            self.skipped += u32::from(in_trouble);
            if self.appended > self.whole.max(APPENDED_BYTES) || self.skipped >= RETRY_BATCHES {
                self.rewrite();
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        match file.write_all(bytes).and_then(|()| file.sync_data()) {
            Ok(()) => self.appended += bytes.len() as u64,
            Err(error) => self.trouble(&error),
        }
    }

    /// Writes everything to a new file and puts it in place of the old.
    fn rewrite(&mut self) {
        self.skipped = 0;
        let snapshot = self.state.lock().unwrap_or_else(PoisonError::into_inner).snapshot();
        let mut bytes = record::MAGIC.to_vec();
        for app in snapshot.apps.values() {
            app.instances.iter().for_each(|instance| record::append(&mut bytes, instance));
        }
        match replace(&self.path, &bytes) {
            Ok(file) => {
                self.file = Some(file);
                self.whole = bytes.len() as u64;
                self.appended = 0;
                if !self.durable.swap(true, Ordering::Relaxed) {
                    self.events.say("registry", "the state file can be written again");
                }
            }
            Err(error) => self.trouble(&error),
        }
    }

    /// What was written last may be torn: nothing is appended until the file was written whole again.
    fn trouble(&mut self, error: &io::Error) {
        self.file = None;
        if self.durable.swap(false, Ordering::Relaxed) {
            let path = self.path.display();
            self.events.say(
                "registry",
                format!(
                    "the state file {path} can't be written ({error}); a restart now would forget changes"
                ),
            );
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()?;
    OpenOptions::new().append(true).open(path)
}
