//! Writes the access log's lines, on a thread of its own: disks may be slow.
//!
//! The file is known by its name. When that stands for another file, or for none, as after logrotate moved the old one
//! away, what comes next goes to a new one; every line goes to one of the two.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_route::config::AccessLog;

/// Batches that wait for the disk, at most, over all workers.
const QUEUE: usize = 64;

/// How often the name is looked at while no line comes: a file that was moved away and removed keeps its room on disk
/// until then. Before each batch it is looked at anyway.
const LOOK: Duration = Duration::from_secs(1);

/// The thread that writes, and how to reach it.
#[derive(Debug)]
pub(crate) struct Writer {
    pub config: AccessLog,
    queue: SyncSender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the file and starts the thread.
    pub fn start(config: &AccessLog) -> io::Result<Arc<Self>> {
        let file = config.path.as_deref().map(open).transpose()?;
        let (queue, batches) = sync_channel(QUEUE);
        let mut sink = Sink { config: config.clone(), file, failing: false };
        let thread =
            std::thread::Builder::new().name("access-log".into()).spawn(move || sink.run(&batches))?;
        Ok(Arc::new(Self { config: config.clone(), queue, thread: Some(thread) }))
    }

    /// Has lines written. False when too many wait already.
    pub fn write(&self, lines: Vec<u8>) -> bool {
        self.queue.try_send(lines).is_ok()
    }

    /// Looks at once whether the file was moved away.
    pub fn look(&self) {
        // When the queue is full it is about to look anyway.
        let _ = self.queue.try_send(Vec::new());
    }

    /// Waits until everything was written, when nobody else can add lines.
    pub fn finish(this: Arc<Self>) {
        if let Some(mut writer) = Arc::into_inner(this)
            && let Some(thread) = writer.thread.take()
        {
            drop(writer);
            if thread.join().is_err() {
                tracing::error!("the access log's writer ended by a panic");
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Where lines go.
struct Sink {
    config: AccessLog,
    /// Nothing is standard output.
    file: Option<File>,
    failing: bool,
}

impl Sink {
    fn run(&mut self, batches: &Receiver<Vec<u8>>) {
        loop {
            let batch = match batches.recv_timeout(LOOK) {
                Ok(batch) => batch,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let opened = self.follow_name();
            let written = match &mut self.file {
                Some(file) => file.write_all(&batch),
                None => io::stdout().write_all(&batch),
            };
            match (opened, written) {
                (Ok(()), Ok(())) => self.failing = false,
                (Err(error), written) if !self.failing => {
                    self.failing = true;
                    let kept = written.is_ok();
                    tracing::error!(%error, kept, "the access log can't be opened anew; lines go to the old file");
                }
                (Ok(()), Err(error)) if !self.failing => {
                    self.failing = true;
                    tracing::error!(%error, "the access log can't be written; lines are lost until it can");
                }
                _ => {}
            }
        }
    }

    /// Opens the file anew when the name stands for another one. If that can't be done, the old one is kept.
    fn follow_name(&mut self) -> io::Result<()> {
        let (Some(path), Some(file)) = (&self.config.path, &mut self.file) else { return Ok(()) };
        let id = |of: Metadata| (of.dev(), of.ino());
        let named = match std::fs::metadata(path) {
            Ok(named) => Some(id(named)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if named != Some(id(file.metadata()?)) {
            *file = open(path)?;
            tracing::info!(path = %path.display(), "the access log was moved away; a new file is written");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use haechi_route::config::LogFormat;

    use super::*;

    #[test]
    fn every_line_goes_to_one_file_or_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let config = AccessLog { path: Some(path.clone()), format: LogFormat::Text };
        let writer = Writer::start(&config).unwrap();
        let (mut number, rounds) = (0, 50);
        for round in 0..rounds {
            for _ in 0..20 {
                number += 1;
                while !writer.write(format!("{number}\n").into_bytes()) {
                    std::thread::yield_now();
                }
            }
            // Every other round somebody else makes the new file first, as logrotate's `create` does.
            std::fs::rename(&path, folder.path().join(format!("access.log.{round}"))).unwrap();
            if round % 2 == 0 {
                File::create_new(&path).ok();
            }
            writer.look();
            while round % 2 == 1 && !path.exists() {
                std::thread::yield_now();
            }
        }
        Writer::finish(writer);
        let mut lines: Vec<u32> = Vec::new();
        let mut files = 0;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            lines.extend(text.lines().map(|line| line.parse::<u32>().unwrap()));
            files += u32::from(!text.is_empty());
        }
        lines.sort_unstable();
        assert_eq!(lines, (1..=number).collect::<Vec<_>>());
        assert!(files > 1);
    }

    #[test]
    fn a_name_that_can_not_be_opened_costs_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/access.log");
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let config = AccessLog { path: Some(path), format: LogFormat::Text };
        let writer = Writer::start(&config).unwrap();
        std::fs::rename(folder.path().join("logs"), folder.path().join("old")).unwrap();
        assert!(writer.write(b"a line\n".to_vec()));
        Writer::finish(writer);
        assert_eq!(std::fs::read_to_string(folder.path().join("old/access.log")).unwrap(), "a line\n");
    }
}
