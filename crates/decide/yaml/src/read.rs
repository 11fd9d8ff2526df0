//! From text to tree, under bounds.

use std::collections::HashMap;
use std::fmt::Write as _;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::position::Lines;
use crate::{Duplicate, Entry, Error, ErrorKind, Node, Scalar, Span, Stream, Style, Value};

/// Bounds on one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text, below 4 GiB.
    pub bytes: usize,
    /// Levels of nesting, below 256.
    pub depth: usize,
    /// Nodes of all documents. What an alias expands to counts as often as it is used, and what an anchor
    /// names counts once more.
    pub nodes: usize,
    /// Bytes of all scalars, counted like nodes.
    pub expanded_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Far above any file a person writes; a tree at these bounds takes some 100 MB and a second or two.
        Self { bytes: 4 << 20, depth: 100, nodes: 1_000_000, expanded_bytes: 16 << 20 }
    }
}

/// Reads all documents of a text. A byte order mark in front is skipped.
pub fn read(text: &str, limits: &Limits) -> Result<Stream, Error> {
    if text.len() > limits.bytes.min(u32::MAX as usize) {
        return Err(Error { kind: ErrorKind::TooLong(limits.bytes), at: Span::default() });
    }
    let lines = Lines::new(text);
    // Checked up front: the scanner takes NUL for the end of the text and would ignore what follows it.
    if let Some((byte, c)) = text.char_indices().find(|(byte, c)| !allowed(*c) && (*byte, *c) != (0, BOM)) {
        return Err(Error { kind: ErrorKind::Character(c), at: Span::at(lines.at_byte(byte)) });
    }
    let body = text.strip_prefix(BOM).unwrap_or(text);
    let reader = Reader {
        text,
        bom: text.len() != body.len(),
        lines,
        limits,
        spent: Weight::default(),
        stack: Vec::new(),
        anchors: HashMap::new(),
        stream: Stream::default(),
    };
    reader.run(Parser::new_from_str(body))
}

const BOM: char = '\u{feff}';

/// YAML 1.2.2 §5.1, `c-printable`.
fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

/// What a subtree costs.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

/// What an anchor names, once it is complete.
struct Anchored {
    node: Node,
    weight: Weight,
    height: usize,
}

/// A collection under construction.
struct Open {
    value: Value,
    /// The key that waits for its value.
    key: Option<Node>,
    anchor: usize,
    tag: Option<Box<str>>,
    span: Span,
    before: Weight,
    height: usize,
}

struct Reader<'t> {
    text: &'t str,
    bom: bool,
    lines: Lines<'t>,
    limits: &'t Limits,
    spent: Weight,
    stack: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    stream: Stream,
}

impl<'t> Reader<'t> {
    fn run(mut self, mut parser: Parser<'t, saphyr_parser::StrInput<'t>>) -> Result<Stream, Error> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            let span = self.span(span);
            match event {
                Event::StreamEnd => break,
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
                Event::DocumentEnd => self.anchors.clear(),
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(&text, style, anchor, tag.map(|tag| full(&tag)), span)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.open(Value::Sequence(Vec::new()), anchor, tag.map(|tag| full(&tag)), span)?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.open(Value::Mapping(Vec::new()), anchor, tag.map(|tag| full(&tag)), span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                Event::Alias(anchor) => self.alias(anchor, span)?,
            }
        }
        self.stream.nodes = self.spent.nodes;
        self.stream.expanded_bytes = self.spent.bytes;
        Ok(self.stream)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Box<str>>,
        span: Span,
    ) -> Result<(), Error> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        // The parser reports a value that isn't there as "~", at the token behind it.
        let absent = style == Style::Plain
            && (text.is_empty()
                || (text == "~" && self.text.as_bytes().get(span.start.byte as usize) != Some(&b'~')));
        let (text, span) = if absent { ("", Span::at(span.start)) } else { (text, self.trimmed(span)) };
        let before = self.spent;
        self.charge(Weight { nodes: 1, bytes: text.len() }, span)?;
        let node = Node { value: Value::Scalar(Scalar { text: text.into(), style }), tag, span };
        self.finish(node, anchor, before, 0)
    }

    fn open(&mut self, value: Value, anchor: usize, tag: Option<Box<str>>, span: Span) -> Result<(), Error> {
        if self.stack.len() >= self.limits.depth {
            return Err(self.too_deep(span));
        }
        let before = self.spent;
        self.charge(Weight { nodes: 1, bytes: 0 }, span)?;
        self.stack.push(Open { value, key: None, anchor, tag, span, before, height: 0 });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Error> {
        let Some(mut open) = self.stack.pop() else { return Ok(()) };
        // A block collection has no bracket at its end: it ends where its last value does.
        let last = match &open.value {
            Value::Sequence(items) => items.last().map(|item| item.span.end),
            Value::Mapping(entries) => {
                entries.last().map(|entry| entry.value.span.end.max(entry.key.span.end))
            }
            Value::Scalar(_) => None,
        };
        let is_bracket = matches!(self.text[end.bytes()].as_bytes(), [b']' | b'}']);
        open.span.end = if is_bracket { end.end } else { last.unwrap_or(open.span.end).max(open.span.start) };
        if let Value::Mapping(entries) = &open.value {
            find_duplicates(entries, &mut self.stream.duplicates);
        }
        let node = Node { value: open.value, tag: open.tag, span: open.span };
        self.finish(node, open.anchor, open.before, open.height + 1)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Error> {
        self.stream.anchors = true;
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(Error { kind: ErrorKind::SelfAlias, at: span });
        };
        let (weight, height) = (target.weight, target.height);
        if self.stack.len() + height > self.limits.depth {
            return Err(self.too_deep(span));
        }
        self.charge(weight, span)?;
        // Charged first, so that the copy is never larger than the bounds.
        let Some(target) = self.anchors.get(&anchor) else { return Ok(()) };
        let node = target.node.clone();
        self.attach(node, height);
        Ok(())
    }

    /// A node is complete: remembers it if it has an anchor, and puts it where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, before: Weight, height: usize) -> Result<(), Error> {
        if anchor != 0 {
            self.stream.anchors = true;
            let weight =
                Weight { nodes: self.spent.nodes - before.nodes, bytes: self.spent.bytes - before.bytes };
            self.charge(weight, node.span)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), weight, height });
        }
        self.attach(node, height);
        Ok(())
    }

    fn attach(&mut self, node: Node, height: usize) {
        let Some(open) = self.stack.last_mut() else {
            self.stream.documents.push(node);
            return;
        };
        open.height = open.height.max(height);
        match &mut open.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(entries) => match open.key.take() {
                Some(key) => entries.push(Entry { key, value: node }),
                None => open.key = Some(node),
            },
            Value::Scalar(_) => {}
        }
    }

    fn charge(&mut self, weight: Weight, at: Span) -> Result<(), Error> {
        self.spent.nodes = self.spent.nodes.saturating_add(weight.nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(weight.bytes);
        let kind = if self.spent.nodes > self.limits.nodes {
            ErrorKind::TooManyNodes(self.limits.nodes)
        } else if self.spent.bytes > self.limits.expanded_bytes {
            ErrorKind::TooMuchText(self.limits.expanded_bytes)
        } else {
            return Ok(());
        };
        Err(Error { kind, at })
    }

    fn too_deep(&self, at: Span) -> Error {
        Error { kind: ErrorKind::TooDeep(self.limits.depth), at }
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = self.position(&span.start);
        Span { start, end: self.position(&span.end).max(start) }
    }

    /// The scanner counts the white space behind a scalar in.
    fn trimmed(&self, span: Span) -> Span {
        let source = &self.text[span.bytes()];
        let trimmed = source.trim_end_matches([' ', '\t', '\r', '\n']);
        if trimmed.len() == source.len() {
            return span;
        }
        Span { start: span.start, end: self.lines.at_byte(span.start.byte as usize + trimmed.len()) }
    }

    fn position(&self, marker: &Marker) -> crate::Position {
        let bom = usize::from(self.bom && marker.line() <= 1);
        self.lines.position(marker.line(), marker.col() + bom)
    }

    fn syntax(&self, error: &saphyr_parser::ScanError) -> Error {
        let at = self.position(error.marker());
        let line_start = self.text[..at.byte as usize].rfind(['\n', '\r']).map_or(0, |i| i + 1);
        let indent = self.text[line_start..].bytes().take_while(|b| matches!(b, b' ' | b'\t'));
        let tab = indent.clone().position(|b| b == b'\t');
        let kind = match error.info() {
            "recursion limit exceeded" => ErrorKind::TooDeep(self.limits.depth.min(255)),
            info => match tab {
                Some(_) => ErrorKind::Tab,
                None => ErrorKind::Syntax(plain_words(info)),
            },
        };
        let at = match (&kind, tab) {
            (ErrorKind::Tab, Some(tab)) => self.lines.at_byte(line_start + tab),
            _ => at,
        };
        Error { kind, at: Span::at(at) }
    }
}

/// The scanner's messages that people meet most, in terms of what they wrote.
fn plain_words(info: &str) -> String {
    let words = match info {
        "simple key expected" | "simple key expect ':'" => {
            "a key needs a colon and a space behind it (`key: value`)"
        }
        "while parsing a block mapping, did not find expected key" => {
            "expected another `key: value` here; the line is indented differently from its neighbours"
        }
        "while parsing a block collection, did not find expected '-' indicator" => {
            "expected another `- item` here; the line is indented differently from its neighbours"
        }
        "while parsing a flow mapping, did not find expected ',' or '}'" => "expected `,` or `}` here",
        "while parsing a flow sequence, expected ',' or ']'" => "expected `,` or `]` here",
        "while scanning a quoted scalar, found unexpected end of stream" => "the quote is never closed",
        "while parsing node, found unknown anchor" => {
            "the alias has no anchor; a text that begins with `*` needs quotes"
        }
        "invalid indentation in quoted scalar" => {
            "the quote is never closed, or what is between the quotes isn't indented"
        }
        "invalid indentation in flow construct" => {
            "a bracket or brace above is never closed, or what is in it isn't indented"
        }
        "while parsing a quoted scalar, found unknown escape character" => {
            "unknown escape; in double quotes write `\\\\` for a backslash, or use single quotes"
        }
        "illegal placement of ':' indicator" => {
            "a `:` can't stand here; a bracket above may be missing its end, or the text needs quotes"
        }
        "mapping values are not allowed in this context" => {
            "a second `:` in one line; quote the value if the colon belongs to it"
        }
        other => other,
    };
    words.to_owned()
}

fn full(tag: &saphyr_parser::Tag) -> Box<str> {
    format!("{}{}", tag.handle, tag.suffix).into()
}

fn find_duplicates(entries: &[Entry], found: &mut Vec<Duplicate>) {
    if entries.len() < 2 {
        return;
    }
    let mut seen: HashMap<std::borrow::Cow<'_, str>, Span> = HashMap::with_capacity(entries.len());
    for Entry { key, .. } in entries {
        let text: std::borrow::Cow<'_, str> = match key.text() {
            Some(text) => text.into(),
            None => canonical(key).into(),
        };
        match seen.get(&text) {
            Some(first) => found.push(Duplicate { key: text.into_owned(), first: *first, again: key.span }),
            None => drop(seen.insert(text, key.span)),
        }
    }
}

/// A text that is equal for equal keys that are lists or mappings.
fn canonical(node: &Node) -> String {
    fn write(node: &Node, out: &mut String) {
        match &node.value {
            // Writing to a String can't fail.
            Value::Scalar(scalar) => drop(write!(out, "{:?}", scalar.text)),
            Value::Sequence(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            Value::Mapping(entries) => {
                out.push('{');
                for entry in entries {
                    write(&entry.key, out);
                    out.push(':');
                    write(&entry.value, out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }
    let mut out = String::new();
    write(node, &mut out);
    out
}
