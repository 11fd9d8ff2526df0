//! Contents of small files, remembered by one worker.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use rustix::fs::Stat;

/// What tells a file's state from any other that it had or will have. With the inode and the time of its last change
/// of any kind, which can't be set, a copy with the old date and size is another one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    pub size: u64,
    pub modified: (i64, u64),
    pub changed: (i64, u64),
}

impl Identity {
    pub fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// The bytes of a small file, and the tag that their sum gives.
#[derive(Debug)]
pub(crate) struct Small {
    pub bytes: Vec<u8>,
    pub tag: String,
}

/// Bytes that one entry costs beside its content.
const ENTRY: usize = 256;

/// Contents by identity. The oldest go when room is needed: a file that is asked for often is read again once.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    contents: HashMap<Identity, Rc<Small>>,
    order: VecDeque<Identity>,
    bytes: usize,
}

impl Cache {
    pub fn get(&self, identity: &Identity) -> Option<Rc<Small>> {
        self.contents.get(identity).cloned()
    }

    /// Remembers a content within `limit` bytes. Returns how many others had to go.
    pub fn insert(&mut self, identity: Identity, small: Rc<Small>, limit: usize) -> u64 {
        let cost = small.bytes.len() + ENTRY;
        if cost > limit || self.contents.contains_key(&identity) {
            return 0;
        }
        let mut gone = 0;
        while self.bytes + cost > limit
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(small) = self.contents.remove(&oldest) {
                self.bytes -= small.bytes.len() + ENTRY;
                gone += 1;
            }
        }
        self.bytes += cost;
        self.order.push_back(identity);
        self.contents.insert(identity, small);
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(inode: u64) -> Identity {
        Identity { device: 1, inode, size: 100, modified: (1, 0), changed: (1, 0) }
    }

    fn small() -> Rc<Small> {
        Rc::new(Small { bytes: vec![0; 100], tag: String::new() })
    }

    #[test]
    fn the_oldest_make_room_and_the_bound_holds() {
        let mut cache = Cache::default();
        let limit = 3 * (100 + ENTRY);
        let gone: u64 = (0..10).map(|inode| cache.insert(identity(inode), small(), limit)).sum();
        assert_eq!((gone, cache.bytes), (7, limit));
        assert!(cache.get(&identity(6)).is_none() && cache.get(&identity(7)).is_some());
        assert_eq!(cache.insert(identity(7), small(), limit), 0, "it is there already");
        assert_eq!(cache.insert(identity(20), small(), 100), 0, "it would not fit at all");
        assert_eq!((cache.bytes, cache.order.len(), cache.contents.len()), (limit, 3, 3));
    }
}
