//! Routes of one host by the segments of their paths. A route hangs at the node of its path's literal head;
//! a request walks down its own segments and looks at the routes of the nodes it passes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::valid::MAX_SEGMENTS;

/// Hash of a segment or host: 8 bytes at a step (the multiplier is the 64-bit golden ratio).
///
/// Keys come from the configuration alone. A request can look one up but never add one, so it can't make the
/// chains of this unkeyed hash longer.
#[derive(Default)]
pub(crate) struct FastHasher(u64);

impl FastHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn finish(&self) -> u64 {
        // The map takes its bucket from the low bits, which a multiplication mixes least.
        self.0 ^ (self.0 >> 32)
    }
}

pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// Up to this many children are searched one by one: cheaper than a hash, and far smaller.
const FEW: usize = 4;

#[derive(Debug, Default)]
struct Node {
    /// Ranks of the routes here, ascending: the best first.
    ranks: Box<[u32]>,
    children: Children,
}

#[derive(Debug)]
enum Children {
    Few(Box<[(Box<str>, u32)]>),
    Many(Box<FastMap<Box<str>, u32>>),
}

impl Default for Children {
    fn default() -> Self {
        Self::Few(Box::default())
    }
}

impl Children {
    fn get(&self, segment: &str) -> Option<u32> {
        match self {
            Self::Few(list) => list.iter().find(|(key, _)| **key == *segment).map(|(_, node)| *node),
            Self::Many(map) => map.get(segment).copied(),
        }
    }
}

/// The trees of all hosts, in one arena.
#[derive(Debug, Default)]
pub(crate) struct Trees {
    nodes: Vec<Node>,
}

/// Nodes from a root down, as far as a path's segments have some.
pub(crate) struct Walk {
    nodes: [u32; MAX_SEGMENTS + 1],
    len: usize,
    /// Whether the last node stands for the whole path.
    pub(crate) complete: bool,
}

impl Trees {
    /// Walks down from `root` along the segments of `path` (without its first slash).
    pub(crate) fn walk(&self, root: u32, path: &str) -> Walk {
        let mut walk = Walk { nodes: [0; MAX_SEGMENTS + 1], len: 1, complete: false };
        walk.nodes[0] = root;
        let mut node = root;
        for segment in path.split('/') {
            match self.nodes[node as usize].children.get(segment) {
                Some(child) if walk.len <= MAX_SEGMENTS => node = child,
                _ => return walk,
            }
            walk.nodes[walk.len] = node;
            walk.len += 1;
        }
        walk.complete = true;
        walk
    }

    /// The routes of each node of a walk, the deepest first, and whether that node stands for the whole path.
    pub(crate) fn ranks<'t>(&'t self, walk: &'t Walk) -> impl Iterator<Item = (&'t [u32], bool)> {
        let last = walk.len - 1;
        walk.nodes[..walk.len]
            .iter()
            .enumerate()
            .rev()
            .map(move |(i, node)| (&*self.nodes[*node as usize].ranks, walk.complete && i == last))
    }

    /// Bytes of heap in use, as far as they can be counted from here.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of_node = |node: &Node| {
            let children = match &node.children {
                Children::Few(list) => list.iter().map(|(key, _)| 24 + key.len()).sum::<usize>(),
                // hashbrown: one control byte a bucket, at most 7/8 of the buckets full.
                Children::Many(map) => {
                    map.capacity() * 8 / 7 * 25 + map.keys().map(|key| key.len()).sum::<usize>()
                }
            };
            node.ranks.len() * 4 + children
        };
        self.nodes.capacity() * size_of::<Node>() + self.nodes.iter().map(of_node).sum::<usize>()
    }
}

/// Trees that grow.
#[derive(Default)]
pub(crate) struct Builder {
    nodes: Vec<Growing>,
}

#[derive(Default)]
struct Growing {
    ranks: Vec<u32>,
    children: FastMap<Box<str>, u32>,
}

impl Builder {
    /// A new root.
    pub(crate) fn root(&mut self) -> u32 {
        self.nodes.push(Growing::default());
        (self.nodes.len() - 1) as u32
    }

    /// Hangs a route at the node of `segments`. Call with ascending ranks.
    pub(crate) fn insert<'s>(&mut self, root: u32, segments: impl Iterator<Item = &'s str>, rank: u32) {
        let mut node = root;
        for segment in segments {
            let known = self.nodes[node as usize].children.get(segment).copied();
            node = known.unwrap_or_else(|| {
                let child = self.root();
                self.nodes[node as usize].children.insert(segment.into(), child);
                child
            });
        }
        self.nodes[node as usize].ranks.push(rank);
    }

    pub(crate) fn finish(self) -> Trees {
        let freeze = |growing: Growing| {
            let children = if growing.children.len() <= FEW {
                Children::Few(growing.children.into_iter().collect())
            } else {
                let mut map = growing.children;
                map.shrink_to_fit();
                Children::Many(Box::new(map))
            };
            Node { ranks: growing.ranks.into(), children }
        };
        Trees { nodes: self.nodes.into_iter().map(freeze).collect() }
    }
}
