//! Lines, columns and bytes.

use std::cell::Cell;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Offset in bytes, from 0; always on a character's boundary.
    pub byte: u32,
}

/// A range of the text; the end is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its first character.
    pub start: Position,
    /// The character behind its last.
    pub end: Position,
}

impl Span {
    /// An empty range.
    pub const fn at(position: Position) -> Self {
        Self { start: position, end: position }
    }

    /// The range in bytes, as for slicing the text.
    pub const fn bytes(self) -> std::ops::Range<usize> {
        self.start.byte as usize..self.end.byte as usize
    }
}

/// Where each line of a text starts. YAML breaks lines at CR, LF and CRLF (1.2.2 §5.4).
pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<u32>,
    /// The place asked for last. The next one is near it, and walking from it rather than from the start of
    /// the line keeps a text of one long line from costing its length for every node.
    last: Cell<Position>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (i, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(i + 1) != Some(&b'\n')) {
                starts.push(i as u32 + 1);
            }
        }
        Self { text, starts, last: Cell::new(Position { line: 1, column: 1, byte: 0 }) }
    }

    /// The place at a line from 1 and a column from 0, moved back into the text if it lies outside.
    pub(crate) fn position(&self, line: usize, column: usize) -> Position {
        let line = line.clamp(1, self.starts.len()) as u32;
        let column = (column as u32).saturating_add(1);
        self.walk(line, |at| at.column < column, |at| at.column > column)
    }

    /// The place of a byte, which must lie on a character's boundary.
    pub(crate) fn at_byte(&self, byte: usize) -> Position {
        let byte = byte as u32;
        let line = self.starts.partition_point(|start| *start <= byte) as u32;
        self.walk(line, |at| at.byte < byte, |at| at.byte > byte)
    }

    /// From the last place, or the start of the line, to the wanted one.
    fn walk(
        &self,
        line: u32,
        before: impl Fn(Position) -> bool,
        behind: impl Fn(Position) -> bool,
    ) -> Position {
        let start = self.starts[line as usize - 1];
        let end = self.starts.get(line as usize).map_or(self.text.len(), |next| *next as usize);
        let mut at = self.last.get();
        if at.line != line {
            at = Position { line, column: 1, byte: start };
        }
        while before(at) {
            let rest = &self.text[at.byte as usize..end];
            let Some(c) = rest.chars().next().filter(|c| !matches!(c, '\r' | '\n')) else { break };
            at.byte += c.len_utf8() as u32;
            at.column += 1;
        }
        while behind(at) {
            let Some(c) = self.text[start as usize..at.byte as usize].chars().next_back() else { break };
            at.byte -= c.len_utf8() as u32;
            at.column -= 1;
        }
        self.last.set(at);
        at
    }
}
