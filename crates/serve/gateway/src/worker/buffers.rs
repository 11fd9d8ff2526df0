//! A worker's buffers. Connections own none while they are idle.

use std::cell::{Cell, RefCell};

/// Room in front of what is read, for an answer's new head: head and body then leave in one write.
pub(crate) const HEADROOM: usize = 4 << 10;

/// Bytes read at once, at most.
const READ: usize = 64 << 10;

/// Free buffers kept, at most.
const KEPT: usize = 1024;

/// A buffer that grew beyond this is not kept.
const KEPT_BYTES: usize = 64 << 10;

/// Room of all that are kept, at most: what many slow clients made grow at the same time goes back.
const KEPT_IN_ALL: usize = 4 << 20;

/// Where every read of a worker goes. What is left when a task must wait is copied out of it.
#[derive(Debug)]
pub(crate) struct Scratch(Box<[u8]>);

impl Scratch {
    pub fn new() -> Self {
        Self(vec![0; HEADROOM + READ].into_boxed_slice())
    }

    /// Where to read into.
    pub fn area(&mut self) -> &mut [u8] {
        &mut self.0[HEADROOM..]
    }

    /// The first bytes of the area.
    pub fn filled(&self, count: usize) -> &[u8] {
        &self.0[HEADROOM..HEADROOM + count]
    }

    /// Puts `head` directly in front of the area's bytes `from..to` and returns both as one slice; nothing
    /// when there is no room.
    pub fn prepend(&mut self, head: &[u8], from: usize, to: usize) -> Option<&[u8]> {
        let body = HEADROOM + from;
        let start = body.checked_sub(head.len())?;
        self.0[start..body].copy_from_slice(head);
        Some(&self.0[start..HEADROOM + to])
    }
}

/// Buffers for what outlives a read: a request that waits for its answer, output that a peer doesn't take.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: RefCell<Vec<Vec<u8>>>,
    /// Their room.
    room: Cell<usize>,
}

impl Buffers {
    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        let buffer = self.free.borrow_mut().pop().unwrap_or_default();
        self.room.set(self.room.get() - buffer.capacity());
        buffer
    }

    /// Gives a buffer back.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let mut free = self.free.borrow_mut();
        let room = self.room.get() + buffer.capacity();
        let fits = free.len() < KEPT && room <= KEPT_IN_ALL;
        if fits && buffer.capacity() > 0 && buffer.capacity() <= KEPT_BYTES {
            self.room.set(room);
            buffer.clear();
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_put_in_front_of_the_body_that_was_read() {
        let mut scratch = Scratch::new();
        scratch.area()[..8].copy_from_slice(b"HEADbody");
        assert_eq!(scratch.prepend(b"longer head", 4, 8), Some(&b"longer headbody"[..]));
        assert_eq!(scratch.prepend(&vec![0; HEADROOM + 5], 4, 8), None);
    }

    #[test]
    fn buffers_are_reused_unless_they_grew_too_large() {
        let buffers = Buffers::default();
        buffers.give(Vec::with_capacity(100));
        assert!(buffers.take().capacity() >= 100);
        buffers.give(Vec::with_capacity(KEPT_BYTES + 1));
        assert_eq!(buffers.take().capacity(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded_in_all() {
        let buffers = Buffers::default();
        for _ in 0..KEPT {
            buffers.give(Vec::with_capacity(KEPT_BYTES));
        }
        let kept = std::iter::repeat_with(|| buffers.take().capacity()).take_while(|room| *room > 0);
        assert!(kept.sum::<usize>() <= KEPT_IN_ALL);
        buffers.give(Vec::with_capacity(KEPT_BYTES));
        assert_eq!(buffers.take().capacity(), KEPT_BYTES);
    }
}
