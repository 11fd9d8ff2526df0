//! What happened, in sentences for people: the console lists them, the demo narrates them, the log keeps them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use haechi_core::{Clock, WallTime};
use tokio::sync::broadcast;

/// Events kept for someone who looks later.
pub const EVENTS_KEPT: usize = 512;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// Counts up from 1; a reader sees by it what it has missed.
    pub number: u64,
    /// When.
    pub at: WallTime,
    /// Which part says so: `gateway`, `registry`, `config`, `admin`, `haechi`.
    pub part: &'static str,
    /// What happened, one sentence without a full stop.
    pub what: String,
}

/// Takes and hands out events. Cheap to clone; safe from every thread; never waits for a reader.
#[derive(Clone)]
pub struct Events {
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<Kept>>,
    live: broadcast::Sender<Event>,
}

#[derive(Default)]
struct Kept {
    last: u64,
    ring: VecDeque<Event>,
}

impl Events {
    /// An empty list.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Arc::default(), live: broadcast::channel(EVENTS_KEPT).0 }
    }

    /// Adds one.
    pub fn say(&self, part: &'static str, what: impl Into<String>) {
        let what = what.into();
        tracing::info!(part, "{what}");
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let event = Event { number: kept.last, at: self.clock.wall(), part, what };
        if kept.ring.len() == EVENTS_KEPT {
            kept.ring.pop_front();
        }
        kept.ring.push_back(event.clone());
        // Sent under the lock, so that live readers see them in order. No reader is no error.
        let _ = self.live.send(event);
    }

    /// Those kept, oldest first.
    pub fn recent(&self) -> Vec<Event> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).ring.iter().cloned().collect()
    }

    /// Those from now on. A reader that falls more than [`EVENTS_KEPT`] behind is told how many it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.live.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_core::ManualClock;

    #[test]
    fn the_newest_events_are_kept_and_live_readers_get_them_in_order() {
        let events = Events::new(ManualClock::at(0));
        let mut live = events.subscribe();
        for n in 0..EVENTS_KEPT + 10 {
            events.say("registry", format!("event {n}"));
        }
        let recent = events.recent();
        assert_eq!(recent.len(), EVENTS_KEPT);
        assert_eq!(recent.first().map(|e| e.number), Some(11));
        assert_eq!(live.try_recv(), Err(broadcast::error::TryRecvError::Lagged(10)));
        assert_eq!(live.try_recv().map(|e| e.number), Ok(11));
    }
}
