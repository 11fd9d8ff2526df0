//! Stopping a fetch that waits on a remote.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Close = Box<dyn FnOnce() + Send>;

/// Ends one fetch from another thread: sets the flag that gix looks at between reads, and cuts the connection
/// so that a read in progress returns.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Default)]
struct Inner {
    fired: AtomicBool,
    timed_out: AtomicBool,
    close: Mutex<Option<Close>>,
}

impl Interrupt {
    /// One that hasn't fired.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the fetch. Later calls do nothing.
    pub fn fire(&self) {
        let mut close = self.0.close.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.fired.store(true, Ordering::SeqCst);
        if let Some(close) = close.take() {
            close();
        }
    }

    /// Whether it fired, by a deadline or by hand.
    pub fn fired(&self) -> bool {
        self.0.fired.load(Ordering::SeqCst)
    }

    pub(crate) fn timed_out(&self) -> bool {
        self.0.timed_out.load(Ordering::SeqCst)
    }

    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0.fired
    }

    /// Says how the connection is cut; called at once when the interrupt has already fired.
    pub(crate) fn on_fire(&self, close: impl FnOnce() + Send + 'static) {
        let mut slot = self.0.close.lock().unwrap_or_else(PoisonError::into_inner);
        if self.fired() { close() } else { *slot = Some(Box::new(close)) }
    }

    /// Fires after a time unless the guard is dropped before.
    pub(crate) fn deadline(&self, after: Duration) -> Result<Deadline, std::io::Error> {
        let (done, wait) = mpsc::channel::<()>();
        let interrupt = self.clone();
        std::thread::Builder::new().name("git-deadline".into()).stack_size(64 << 10).spawn(move || {
            if wait.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                interrupt.0.timed_out.store(true, Ordering::SeqCst);
                interrupt.fire();
            }
        })?;
        Ok(Deadline { _done: done })
    }
}

/// Disarms the deadline when dropped.
pub(crate) struct Deadline {
    _done: mpsc::Sender<()>,
}
