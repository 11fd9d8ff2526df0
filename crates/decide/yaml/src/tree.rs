//! The tree that reading gives.

use crate::Span;

/// All documents of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The documents in order. A text of nothing but comments has none.
    pub documents: Vec<Node>,
    /// Keys that a mapping has more than once. YAML forbids them (1.2.2 §3.2.1.1); the reader of the tree
    /// decides whether that is fatal, so that it can be reported beside everything else that is wrong.
    pub duplicates: Vec<Duplicate>,
    /// Whether it has an anchor or an alias: then a part of the text may mean something only beside another.
    pub anchors: bool,
    /// What was charged against [`Limits::nodes`](crate::Limits::nodes).
    pub nodes: usize,
    /// What was charged against [`Limits::expanded_bytes`](crate::Limits::expanded_bytes).
    pub expanded_bytes: usize,
}

/// A key that a mapping has more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The key, as text.
    pub key: String,
    /// Where it stands first.
    pub first: Span,
    /// Where it stands again.
    pub again: Span,
}

/// A value and where it stands. What came through an alias has the position of its anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// The tag in full, where one is written: `tag:yaml.org,2002:str` for `!!str`, `!x` for `!x`.
    pub tag: Option<Box<str>>,
    /// Where it stands, quotes and brackets included.
    pub span: Span,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text that the reader resolves.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in the order of the text. Duplicates are still in it.
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Node,
    /// The value. `key:` with nothing behind it is an empty plain scalar.
    pub value: Node,
}

/// Text and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, escapes and folding undone.
    pub text: Box<str>,
    /// How it was written. Only plain scalars are ever anything but a string.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// A block after `|`.
    Literal,
    /// A block after `>`.
    Folded,
}

impl Node {
    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of the scalar, if it is one, whatever it would resolve to.
    pub fn text(&self) -> Option<&str> {
        self.scalar().map(|scalar| &*scalar.text)
    }

    /// The items, if it is a sequence.
    pub fn sequence(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn mapping(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of the first entry with this key, if it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.mapping()?.iter().find(|entry| entry.key.text() == Some(key)).map(|entry| &entry.value)
    }
}
