//! Request bodies of all connections together take a bounded room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
const UNIT: usize = 1024;

/// The room.
#[derive(Debug)]
pub(crate) struct Bodies {
    room: Arc<Semaphore>,
    refused: AtomicU64,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("bodies of other requests take all the room; try again")]
    NoRoom,
    #[error("can't read the body: {0}")]
    Unreadable(#[from] hyper::Error),
}

/// A body, and the room that it takes while this lives.
pub(crate) struct Held {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        let room = Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS)));
        Self { room, refused: AtomicU64::new(0) }
    }

    /// Reads a body of at most `most` bytes. Takes room as bytes come, so an announced length takes none; nobody
    /// waits for room, as those who hold some might wait too.
    pub async fn read(&self, mut body: Incoming, most: usize) -> Result<Held, BodyError> {
        if body.size_hint().lower() > most as u64 {
            return Err(BodyError::TooLarge(most));
        }
        let mut parts: Vec<Bytes> = Vec::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        let mut len = 0;
        while let Some(frame) = body.frame().await {
            // Trailers say nothing here.
            let Ok(data) = frame?.into_data() else { continue };
            len += data.len();
            if len > most {
                return Err(BodyError::TooLarge(most));
            }
            let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = u32::try_from(len.div_ceil(UNIT).saturating_sub(held)).unwrap_or(u32::MAX);
            let Ok(new) = Arc::clone(&self.room).try_acquire_many_owned(more) else {
                return Err(self.no_room());
            };
            match &mut room {
                Some(room) => room.merge(new),
                None => room = Some(new),
            }
            parts.push(data);
        }
        let bytes = match parts.len() {
            0 | 1 => parts.pop().unwrap_or_default(),
            _ => parts.concat().into(),
        };
        Ok(Held { bytes, _room: room })
    }

    fn no_room(&self) -> BodyError {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        // A flood must not become a flood of lines.
        if refused.is_power_of_two() {
            tracing::warn!(refused, "request bodies are refused: all together take too much memory");
        }
        BodyError::NoRoom
    }
}
