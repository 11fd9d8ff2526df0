//! What every part of one server holds.

use std::sync::Arc;

use haechi_core::{Clock, Generation};
use haechi_stream::Events;
use tokio::sync::watch;

use crate::options::Limits;

/// Clock, events, limits, the generation, and when to stop.
pub(crate) struct Shared {
    pub clock: Arc<dyn Clock>,
    pub events: Events,
    pub limits: Limits,
    pub generation: watch::Sender<Generation>,
    pub stop: watch::Sender<bool>,
}

impl Shared {
    /// Something that is served has changed.
    pub fn changed(&self) {
        self.generation.send_modify(|generation| *generation = generation.next());
    }

    pub fn say(&self, what: impl Into<String>) {
        self.events.say("config", what);
    }

    /// Seconds since the Unix epoch.
    pub fn seconds(&self) -> u64 {
        self.clock.wall().0 / 1000
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        // An error would mean that the sender is gone; it is in `self`.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }
}

/// Runs blocking work off the runtime's threads. A panic there becomes an error here.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::Error> + Send + 'static,
) -> Result<T, crate::Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(crate::Error::Internal(format!("reading failed: {error}"))),
    }
}
