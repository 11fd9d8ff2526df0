//! The bytes of a file: in memory if it is small, else read as they are sent.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::sync::Arc;

use haechi_content::{ETag, Validators};
use rustix::fs::fstat;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use sha2::{Digest, Sha256};

use super::cache::{Identity, Small};
use super::find::Opened;
use crate::failure::Failure;
use crate::worker::Worker;

/// A file up to this size is read whole, and may be remembered.
const SMALL: u64 = 64 << 10;

/// Seconds after which a further change of a file is sure to have another time. Times come from a clock that is as
/// coarse as 10 ms, on some file systems as 2 s.
const SETTLED: u64 = 2;

/// A file's bytes.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Memory(Rc<Small>),
    File(Arc<File>),
}

/// A file's bytes and what tells them from others.
#[derive(Debug)]
pub(super) struct Content {
    pub source: Source,
    pub length: u64,
    pub validators: Validators,
}

impl Content {
    /// The content of an open file. Nothing if it changed while it was read.
    pub async fn of(opened: &Opened, worker: &Worker) -> Result<Option<Self>, Failure> {
        let identity = Identity::of(&opened.entry.stat);
        let now = worker.wall(worker.now()).0 / 1000;
        let since = |(seconds, _): (i64, u64)| u64::try_from(seconds).unwrap_or(0);
        let latest = since(identity.modified).max(since(identity.changed));
        let settled = now >= latest.saturating_add(SETTLED);
        // RFC 9110 §8.8.2.1: not later than the answer itself.
        let modified = since(identity.modified).min(now);
        let content = |source, etag| {
            Some(Self { source, length: identity.size, validators: Validators { etag, modified, settled } })
        };
        if identity.size > SMALL {
            let file = opened.entry.file.try_clone().map_err(|error| unreadable(&error))?;
            return Ok(content(Source::File(Arc::new(file)), tag_of(&identity, settled)));
        }
        let known = worker.files.borrow().get(&identity);
        let small = match known {
            Some(small) => small,
            None => match read(&opened.entry.file, identity).await? {
                None => return Ok(None),
                Some(bytes) => {
                    let small = Rc::new(Small { tag: tag_of_bytes(&bytes), bytes });
                    if settled {
                        let limit = worker.plan.borrow().config.limits.file_cache_bytes;
                        let gone = worker.files.borrow_mut().insert(identity, small.clone(), limit);
                        worker.stats.limits.file_cache.add(gone);
                    }
                    small
                }
            },
        };
        let etag = ETag { weak: false, opaque: small.tag.clone() };
        Ok(content(Source::Memory(small), etag))
    }
}

/// Two states of a file can look the same only within the same tick of the file system's clock.
fn tag_of(identity: &Identity, settled: bool) -> ETag {
    let mut state = Sha256::new();
    state.update(format!("{identity:?}"));
    ETag { weak: !settled, opaque: short(state) }
}

/// The tag of a small file is its content's, so that several gateways give the same.
fn tag_of_bytes(bytes: &[u8]) -> String {
    short(Sha256::new_with_prefix(bytes))
}

/// 128 bits of a sum.
fn short(sum: Sha256) -> String {
    hex::encode(&sum.finalize()[..16])
}

/// Reads a small file whole. Nothing if it changed meanwhile.
async fn read(file: &File, identity: Identity) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = vec![0; identity.size as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match read_some(file, &mut bytes[filled..], filled as u64) {
            Ok(0) => return Ok(None),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) if waits(errno) => break,
            Err(errno) => return Err(unreadable(&errno.into())),
        }
    }
    if filled < bytes.len() {
        let file = file.try_clone().map_err(|error| unreadable(&error))?;
        let whole = tokio::task::spawn_blocking(move || file.read_exact_at(&mut bytes, 0).map(|()| bytes));
        match whole.await {
            Ok(Ok(whole)) => bytes = whole,
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Ok(Err(error)) => return Err(unreadable(&error)),
            Err(_) => return Err(Failure::FileUnreadable),
        }
    }
    let after = fstat(file).map_err(|errno| unreadable(&errno.into()))?;
    Ok((Identity::of(&after) == identity).then_some(bytes))
}

/// Reads what the kernel holds in memory; what it would have to wait for is [`waits`].
fn read_some(file: &File, into: &mut [u8], offset: u64) -> Result<usize, Errno> {
    preadv2(file, &mut [IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT)
}

/// Whether the bytes are not in memory, or the file system can't tell.
fn waits(errno: Errno) -> bool {
    errno == Errno::AGAIN || errno == Errno::OPNOTSUPP || errno == Errno::NOSYS
}

fn unreadable(error: &io::Error) -> Failure {
    tracing::warn!(%error, "a file could not be read");
    Failure::FileUnreadable
}

impl Source {
    /// Appends up to `most` bytes from `offset` on. Returns how many there were: none at the file's end.
    pub async fn read(&self, offset: u64, most: usize, out: &mut Vec<u8>) -> Result<usize, Failure> {
        let file = match self {
            Self::Memory(small) => {
                let from = (offset as usize).min(small.bytes.len());
                let bytes = &small.bytes[from..small.bytes.len().min(from + most)];
                out.extend_from_slice(bytes);
                return Ok(bytes.len());
            }
            Self::File(file) => file,
        };
        let start = out.len();
        out.resize(start + most, 0);
        let read = loop {
            match read_some(file, &mut out[start..], offset) {
                Err(Errno::INTR) => {}
                read => break read,
            }
        };
        let count = match read {
            Ok(count) => count,
            Err(errno) if waits(errno) => {
                let (file, mut bytes) = (file.clone(), std::mem::take(out));
                let read = tokio::task::spawn_blocking(move || {
                    let read = file.read_at(&mut bytes[start..], offset);
                    (bytes, read)
                });
                let (bytes, read) = read.await.map_err(|_| Failure::FileUnreadable)?;
                *out = bytes;
                read.map_err(|error| unreadable(&error))?
            }
            Err(errno) => return Err(unreadable(&errno.into())),
        };
        out.truncate(start + count);
        Ok(count)
    }
}
