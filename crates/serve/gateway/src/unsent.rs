//! What a client's connection of many streams holds of their answers, because the client does not take it.
//!
//! Each stream reads ahead of its client by one read, and hands the frame layer as much as the stream's window takes.
//! That is right for a few, and too much for all streams of a client that takes nothing. So a connection has a bound.
//! Below it no stream is held back; above it each may have only [`LITTLE`], and more once that was written. A stream so
//! never waits for another one's bytes to be written, and the bound is kept but for that little.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use bytes::Buf;

use crate::stats::{Counter, LimitStats};
use crate::worker::WorkerView;

/// Bytes that a stream may read, or hand to the frame layer, while its connection holds as much as it may.
pub(crate) const LITTLE: usize = 4 << 10;

/// Bytes of answers that a connection holds.
#[derive(Debug)]
pub(crate) struct Unsent {
    /// Of each part, what it has beyond [`LITTLE`].
    held: Cell<usize>,
    limit: usize,
    /// Whether the limit was reached. It is counted once for a connection.
    struck: Cell<bool>,
    strikes: fn(&LimitStats) -> &Counter,
    stats: WorkerView,
}

impl Unsent {
    /// A connection that holds nothing. What its client may make it hold on the way in is `window`; on the way out it is
    /// a quarter of that. `strikes` counts connections that reach it.
    pub fn new(window: u32, strikes: fn(&LimitStats) -> &Counter, stats: WorkerView) -> Self {
        Self { held: Cell::new(0), limit: window as usize / 4, struck: Cell::new(false), strikes, stats }
    }

    /// Whether it holds as much as it may.
    pub fn is_full(&self) -> bool {
        self.held.get() >= self.limit
    }

    /// How many bytes a stream should read at once.
    pub fn appetite(&self) -> usize {
        if self.is_full() { LITTLE } else { usize::MAX }
    }

    /// Takes account of a part that was `before` bytes and is `now`.
    #[inline]
    pub fn change(&self, before: usize, now: usize) {
        if before != now {
            // The little that each may have in any case leaves the others as much as they had.
            let (was, is) = (before.saturating_sub(LITTLE), now.saturating_sub(LITTLE));
            self.held.set(self.held.get() - was + is);
            self.stats.unsent_bytes.add((now as u64).wrapping_sub(before as u64));
            if self.is_full() && !self.struck.replace(true) {
                (self.strikes)(&self.stats.limits).one();
            }
        }
    }
}

/// What a stream keeps of its answer besides what the frame layer has; nothing once this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    all: Rc<Unsent>,
    bytes: usize,
}

impl Kept {
    /// A stream's, which keeps nothing yet.
    pub const fn new(all: Rc<Unsent>) -> Self {
        Self { all, bytes: 0 }
    }

    /// How many bytes of the answer should be read at once.
    pub fn appetite(&self) -> usize {
        self.all.appetite()
    }

    /// So many bytes wait to be sent now.
    pub fn set(&mut self, bytes: usize) {
        self.all.change(self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A stream's part of what the frame layer holds.
#[derive(Debug)]
pub(crate) struct Share {
    all: Rc<Unsent>,
    /// Bytes that the frame layer has.
    handed: Cell<usize>,
    /// Woken once it has none.
    waiting: RefCell<Option<Waker>>,
}

impl Share {
    /// A stream's, which handed nothing over yet.
    pub fn new(all: Rc<Unsent>) -> Rc<Self> {
        Rc::new(Self { all, handed: Cell::new(0), waiting: RefCell::default() })
    }

    /// How many bytes may be handed over now. None only while some are there, so that their end can be waited for.
    pub fn room(&self) -> usize {
        if !self.all.is_full() {
            usize::MAX
        } else if self.handed.get() == 0 {
            LITTLE
        } else {
            0
        }
    }

    #[inline]
    fn change(&self, now: usize) {
        self.all.change(self.handed.replace(now), now);
    }

    /// Wakes once all that was handed over was written, or will never be.
    pub fn wait(&self, waker: &Waker) {
        self.waiting.borrow_mut().replace(waker.clone());
    }
}

/// Bytes of one stream that were handed to the frame layer, which drops them once they are written, or the stream is
/// reset.
#[derive(Debug)]
pub(crate) struct Handed {
    bytes: Vec<u8>,
    at: usize,
    share: Option<Rc<Share>>,
}

impl Handed {
    /// Nothing.
    pub const EMPTY: Self = Self { bytes: Vec::new(), at: 0, share: None };

    /// These bytes of a stream; where nothing bounds them, without a share.
    pub fn new(bytes: Vec<u8>, share: Option<&Rc<Share>>) -> Self {
        if let Some(share) = share {
            share.change(share.handed.get() + bytes.capacity());
        }
        Self { bytes, at: 0, share: share.cloned() }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let Some(share) = &self.share else { return };
        let left = share.handed.get() - self.bytes.capacity();
        share.change(left);
        if left == 0
            && let Some(waker) = share.waiting.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

impl Buf for Handed {
    #[inline]
    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "more than is there");
        self.at += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    fn bounded(limit: u32) -> Rc<Unsent> {
        Rc::new(Unsent::new(4 * limit, |limits| &limits.http2_connection_window, WorkerView::default()))
    }

    fn struck(unsent: &Unsent) -> u64 {
        unsent.stats.limits.http2_connection_window.get()
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_full_connection_leaves_each_stream_a_little() {
        let all = bounded(100);
        let (one, other) = (Share::new(all.clone()), Share::new(all.clone()));
        assert_eq!((one.room(), all.appetite()), (usize::MAX, usize::MAX));
        let handed = Handed::new(vec![0; LITTLE + 100], Some(&one));
        assert_eq!((one.room(), other.room(), all.appetite()), (0, LITTLE, LITTLE));
        assert_eq!((struck(&all), all.stats.unsent_bytes.get()), (1, LITTLE as u64 + 100));
        drop(handed);
        assert_eq!((one.room(), all.appetite()), (usize::MAX, usize::MAX));
        drop(Handed::new(vec![0; LITTLE + 100], Some(&one)));
        assert_eq!((struck(&all), all.stats.unsent_bytes.get()), (1, 0));
    }

    #[test]
    fn who_waits_is_woken_once_all_of_its_own_was_written() {
        let all = bounded(100);
        let (one, other) = (Share::new(all.clone()), Share::new(all.clone()));
        let woken = Arc::new(Woken::default());
        let rest = Handed::new(vec![0; LITTLE + 1000], Some(&other));
        let mut pieces = vec![Handed::new(vec![0; 50], Some(&one)), Handed::new(vec![0; 50], Some(&one))];
        one.wait(&woken.clone().into());
        pieces.pop();
        assert_eq!((woken.0.load(Ordering::Relaxed), one.room()), (0, 0));
        pieces.pop();
        assert_eq!((woken.0.load(Ordering::Relaxed), one.room()), (1, LITTLE));
        drop(rest);
        assert_eq!(one.room(), usize::MAX);
    }

    #[test]
    fn what_a_stream_keeps_counts_as_well() {
        let all = bounded(100);
        all.change(0, LITTLE + 99);
        assert!(!all.is_full() && struck(&all) == 0);
        all.change(LITTLE + 99, LITTLE + 100);
        assert!(all.is_full() && struck(&all) == 1);
        all.change(LITTLE + 100, 0);
        assert!(!all.is_full());
    }
}
