//! Readers: bytes of one file to its documents.

mod characters;
mod properties;
mod scalar;
mod xml;
mod yaml;

use indexmap::IndexMap;

use crate::value::Entry;

pub use properties::read_properties;
pub(crate) use scalar::is_plain_text;
pub use xml::read_xml;
pub use yaml::read_yaml;

/// What one file may contain at most. Every reader stops with a [`ReadError`] at the first limit it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one file.
    pub bytes: usize,
    /// Nested collections.
    pub depth: usize,
    /// Properties in one file, counted after flattening (an alias counts each time it is used).
    pub keys: usize,
    /// Bytes of one flattened key.
    pub key_bytes: usize,
    /// Bytes of all flattened keys of one file: a long key above a long list is repeated for each item.
    pub all_key_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // SnakeYAML's own limits are 3 MiB, depth 50 and 50 aliases; ours are a little wider where a real
        // repository was seen near them, and bound what aliases can multiply to instead of how many there are.
        Self { bytes: 4 << 20, depth: 64, keys: 100_000, key_bytes: 4096, all_key_bytes: 32 << 20 }
    }
}

/// Why a file can't be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ReadError {
    /// The file's path in its tree.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

/// The properties of one document of a file, in the file's order.
pub type Properties = IndexMap<String, Entry>;

/// Reads a file by its extension: `.yml`, `.yaml` (and `.json`, which YAML contains), `.properties` or `.xml`.
/// Other extensions have no documents.
pub fn read_file(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Properties>, ReadError> {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("yml" | "yaml" | "json") => read_yaml(file, bytes, limits),
        Some("xml") => read_xml(file, bytes, limits),
        Some("properties") => read_properties(file, bytes, limits),
        _ => Ok(Vec::new()),
    }
}

/// Refuses a file that is too large before anything else looks at it.
fn check_size(file: &str, bytes: &[u8], limits: &Limits) -> Result<(), ReadError> {
    if bytes.len() <= limits.bytes {
        return Ok(());
    }
    let message = format!("the file has {} bytes, more than the limit of {}", bytes.len(), limits.bytes);
    Err(ReadError { file: file.to_owned(), line: 1, column: 1, message })
}

/// Counts the keys of one file against the limits.
struct Budget<'a> {
    limits: &'a Limits,
    keys: usize,
    key_bytes: usize,
}

impl<'a> Budget<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self { limits, keys: 0, key_bytes: 0 }
    }

    /// Takes one key of this length, or says which limit it breaks.
    fn take(&mut self, key_bytes: usize) -> Result<(), String> {
        if key_bytes > self.limits.key_bytes {
            return Err(format!("a key has more than {} bytes", self.limits.key_bytes));
        }
        self.keys += 1;
        self.key_bytes += key_bytes;
        if self.keys > self.limits.keys {
            return Err(format!("the file has more than {} keys", self.limits.keys));
        }
        if self.key_bytes > self.limits.all_key_bytes {
            return Err(format!("the file's keys have more than {} bytes", self.limits.all_key_bytes));
        }
        Ok(())
    }
}
