//! How much a peer may still ask for that is no real work, such as frames that carry nothing.

use std::cell::Cell;

/// A stock is full again after this long.
const REFILL_SECONDS: f64 = 10.0;

/// Real work that restores one.
const WORK_BYTES: f64 = 1024.0;

/// What is left.
#[derive(Debug)]
pub(crate) struct Stock {
    most: f64,
    left: Cell<f64>,
}

impl Stock {
    /// A full one.
    pub fn new(most: u32) -> Self {
        Self { most: f64::from(most), left: Cell::new(f64::from(most)) }
    }

    /// Restores so many.
    pub fn add(&self, count: f64) {
        self.left.set((self.left.get() + count).min(self.most));
    }

    /// Restores what that much time brings back.
    pub fn refill(&self, seconds: f64) {
        self.add(self.most * seconds / REFILL_SECONDS);
    }

    /// Restores what work on so many bytes brings back.
    pub fn worked(&self, bytes: usize) {
        self.add(1.0 + bytes as f64 / WORK_BYTES);
    }

    /// Takes one. False when there was none left.
    pub fn take(&self) -> bool {
        self.left.set(self.left.get() - 1.0);
        self.left.get() >= 0.0
    }
}
