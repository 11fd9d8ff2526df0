//! What goes on beside the requests: the file, the traffic's samples, the import.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{IMPORT_AGAIN, Process, overview};

/// How often the file is looked at. A look is one stat.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// One sample of traffic.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Tells when a file is another than before: by its time, its size and where it is (a ConfigMap is replaced by
/// changing a link).
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    seen: Mutex<Option<Stamp>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    place: Option<PathBuf>,
}

impl FileWatch {
    /// Of a file as it is now.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: Mutex::new(stamp(path)) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Resolves when it is another than at the last time this resolved. A file that is gone is waited for.
    pub async fn changed(&self) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            let now = stamp(&self.path);
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if now.is_some() && *seen != now {
                *seen = now;
                return;
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), len: metadata.len(), place: path.canonicalize().ok() })
}

/// Samples the traffic once a second.
pub async fn traffic(process: Arc<Process>) {
    let mut stop = process.stop.subscribe();
    let mut tick = tokio::time::interval(SAMPLE_EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        process.traffic.sample(process.clock.wall(), overview::totals(&process.seen().await));
    }
}

/// Zuul routes every service of the registry unless told otherwise: when a service comes or goes, the import is
/// lowered again.
pub async fn discovered(process: Arc<Process>) {
    let mut stop = process.stop.subscribe();
    let mut subscriber = process.subscriber.clone();
    let mut known = process.discovered();
    loop {
        tokio::select! {
            alive = subscriber.changed() => if !alive { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let now: Vec<_> = subscriber.current().services.keys().cloned().collect();
        if now == known {
            continue;
        }
        known = now;
        {
            let mut sources = process.sources.lock().await;
            let Some(imported) = &sources.imported else { continue };
            let again = imported.rediscovered(&known);
            sources.imported = Some(again);
        }
        if let Err(error) = process.apply("services changed").await {
            process.events.say("gateway", format!("the routes stay as they are: {error}"));
        }
    }
}

/// Reads the import again: as often as the file says, and soon after it could not be read.
pub async fn import(process: Arc<Process>) {
    let mut stop = process.stop.subscribe();
    loop {
        let every = process.sources.lock().await.lowered.zuul.as_ref().map(|zuul| zuul.refresh);
        let failing = process.shown().import_problem.is_some();
        let wait = match every {
            Some(_) if failing => IMPORT_AGAIN,
            Some(every) if !every.is_zero() => every,
            // Nothing to do until a reload or a refresh says otherwise.
            _ => IMPORT_AGAIN,
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let due = every.is_some_and(|every| !every.is_zero()) || process.shown().import_problem.is_some();
        if due
            && process.read_import().await.is_ok()
            && let Err(error) = process.apply("configuration changed").await
        {
            process.events.say("gateway", format!("the routes stay as they are: {error}"));
        }
    }
}
