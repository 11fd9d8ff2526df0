//! Why a text could not be read.

use crate::Span;

/// A text that is not YAML, or too much of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {kind}", at.start.line, at.start.column)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where.
    pub at: Span,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The text is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// A tab where YAML counts spaces (1.2.2 §6.1).
    #[error("a tab can't indent; use spaces")]
    Tab,
    /// A character that YAML allows only as an escape (1.2.2 §5.1).
    #[error("character U+{:04X} must be written as an escape, in double quotes", u32::from(*.0))]
    Character(char),
    /// More bytes than [`crate::Limits::bytes`].
    #[error("the text is longer than {0} bytes")]
    TooLong(usize),
    /// Deeper than [`crate::Limits::depth`].
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// More nodes than [`crate::Limits::nodes`], aliases expanded.
    #[error("more than {0} values, counting what aliases expand to")]
    TooManyNodes(usize),
    /// More text in scalars than [`crate::Limits::expanded_bytes`], aliases expanded.
    #[error("aliases expand to more than {0} bytes")]
    TooMuchText(usize),
    /// An alias inside what its anchor names.
    #[error("the alias stands inside its own anchor")]
    SelfAlias,
}
