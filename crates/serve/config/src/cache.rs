//! Answers in memory, each good for the versions that it was made from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// What is asked, in which form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub form: &'static str,
    pub name: String,
    pub profiles: String,
    pub label: Option<String>,
}

/// An answer that can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub content_type: &'static str,
    pub body: Bytes,
    /// Broken files behind it, for a header.
    pub warnings: Arc<[String]>,
}

struct Entry {
    stamps: Vec<u64>,
    answer: Answer,
}

/// Bounded in number and bytes; emptied when full, since what is asked for comes back at once.
pub(crate) struct Cache {
    answers: usize,
    bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    bytes: usize,
}

impl Cache {
    pub fn new(answers: usize, bytes: usize) -> Self {
        Self { answers, bytes, kept: Mutex::default() }
    }

    /// The answer made from exactly these versions.
    pub fn get(&self, key: &Key, stamps: &[u64]) -> Option<Answer> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entries.get(key).filter(|entry| entry.stamps == stamps).map(|entry| entry.answer.clone())
    }

    pub fn put(&self, key: Key, stamps: Vec<u64>, answer: Answer) {
        let size = size(&key, &answer);
        if size > self.bytes {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.entries.len() >= self.answers || kept.bytes + size > self.bytes {
            *kept = Kept::default();
        }
        if let Some(old) = kept.entries.remove(&key) {
            kept.bytes -= self::size(&key, &old.answer);
        }
        kept.bytes += size;
        kept.entries.insert(key, Entry { stamps, answer });
    }
}

/// Names come from requests and can be long, so they count too.
fn size(key: &Key, answer: &Answer) -> usize {
    let label = key.label.as_ref().map_or(0, String::len);
    answer.body.len() + key.name.len() + key.profiles.len() + label
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { form: "v1", name: name.into(), profiles: "default".into(), label: None }
    }

    fn answer(bytes: usize) -> Answer {
        Answer { content_type: "text/plain", body: vec![b'x'; bytes].into(), warnings: Arc::default() }
    }

    #[test]
    fn an_answer_is_good_for_its_versions_only() {
        let cache = Cache::new(10, 100);
        cache.put(key("a"), vec![1, 2], answer(10));
        assert!(cache.get(&key("a"), &[1, 2]).is_some());
        assert!(cache.get(&key("a"), &[1, 3]).is_none());
        assert!(cache.get(&key("b"), &[1, 2]).is_none());
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let cache = Cache::new(2, 120);
        cache.put(key("big"), vec![1], answer(121));
        assert!(cache.get(&key("big"), &[1]).is_none());
        for name in ["a", "b", "c"] {
            cache.put(key(name), vec![1], answer(10));
        }
        assert!(cache.get(&key("a"), &[1]).is_none() && cache.get(&key("c"), &[1]).is_some());
        cache.put(key("c"), vec![2], answer(95));
        assert!(cache.get(&key("c"), &[2]).is_some());
        assert!(cache.kept.lock().unwrap().bytes <= 120);
    }
}
