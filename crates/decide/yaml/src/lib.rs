//! A bounded YAML tree that knows line and column of everything in it. Pure.
//!
//! Two readers stand on it, and they disagree about what a plain scalar means: Haechi's own file follows the
//! core schema of YAML 1.2 ([`core_schema`]), a config server's files follow YAML 1.1 as Spring reads them.
//! So the tree keeps a scalar's text, style and tag, and the reader resolves it.
//!
//! Nothing a file holds can make reading it expensive: see [`Limits`]. Aliases are expanded, and what they
//! expand to is charged against the same bounds as if it had been written out.

pub mod core_schema;
mod error;
mod position;
mod read;
mod tree;

pub use error::{Error, ErrorKind};
pub use position::{Position, Span};
pub use read::{Limits, read};
pub use tree::{Duplicate, Entry, Node, Scalar, Stream, Style, Value};
