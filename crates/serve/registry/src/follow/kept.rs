//! What was heard, on disk: a gateway that starts while no registry answers serves what it served before.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Directory, Instant, ServiceSnapshot};
use haechi_stream::Events;
use haechi_stream::wire::ANSWER_BYTES;

/// Between two writes at least.
const EVERY: Duration = Duration::from_secs(1);

/// Writes the newest directory now and then.
pub(super) struct Keeper {
    path: Option<PathBuf>,
    events: Events,
    /// What is not on disk yet, and when it shall be.
    waiting: Option<(Arc<Directory>, Instant)>,
    written: Option<Instant>,
    in_trouble: bool,
}

impl Keeper {
    pub fn new(path: Option<PathBuf>, events: Events) -> Self {
        Self { path, events, waiting: None, written: None, in_trouble: false }
    }

    /// What was kept, if it can be read.
    pub async fn recall(&self) -> Option<Vec<Arc<ServiceSnapshot>>> {
        let path = self.path.clone()?;
        let read = tokio::task::spawn_blocking(move || read(&path)).await.ok()?;
        match read {
            Ok(services) => {
                let instances: usize = services.iter().map(|service| service.instances.len()).sum();
                self.events.say("registry", format!("{instances} instances known from the disk"));
                Some(services)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.events.say("registry", format!("what was kept of the registry can't be read: {error}"));
                None
            }
        }
    }

    /// Something to be kept.
    pub fn keep(&mut self, directory: Arc<Directory>, now: Instant) {
        if self.path.is_none() {
            return;
        }
        let at = self
            .waiting
            .take()
            .map_or_else(|| self.written.map_or(now, |written| written + EVERY), |(_, at)| at);
        self.waiting = Some((directory, at));
    }

    /// When there is something to write.
    pub fn due(&self, now: Instant) -> Option<Duration> {
        self.waiting.as_ref().map(|(_, at)| at.since(now))
    }

    /// Writes what waits. A disk that can't be written costs only that.
    pub async fn write(&mut self, now: Instant) {
        let (Some(path), Some((directory, _))) = (self.path.clone(), self.waiting.take()) else { return };
        self.written = Some(now);
        let written = tokio::task::spawn_blocking(move || write(&path, &directory)).await;
        let trouble = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = trouble.as_ref().filter(|_| !self.in_trouble) {
            self.events
                .say("registry", format!("what is known of the registry can't be kept on disk: {why}"));
        }
        self.in_trouble = trouble.is_some();
    }
}

fn read(path: &Path) -> io::Result<Vec<Arc<ServiceSnapshot>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ANSWER_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Beside, synced and renamed: a reader finds all or the old.
fn write(path: &Path, directory: &Directory) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Two processes may write it at once, while one takes over from the other.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = File::create(&new)?;
    let services: Vec<_> = directory.services.values().collect();
    file.write_all(&serde_json::to_vec(&services)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}
