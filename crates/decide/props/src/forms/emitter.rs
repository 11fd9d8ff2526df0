//! Block-style YAML to the byte as SnakeYAML writes it: two spaces of indentation, items not indented below
//! their key, lines folded at the first space behind column 80.

use std::fmt::Write as _;

use super::nested::Node;
use super::scalar_style::{Analysis, Style, is_break, is_printable};
use crate::value::Value;

const WIDTH: usize = 80;
const INDENT: usize = 2;
/// A key of this length (with its tag) or more is written behind `?`.
const SIMPLE_KEY: usize = 128;

/// Writes one document.
pub(super) fn dump(root: &Node) -> String {
    let mut emitter = Emitter { out: String::new(), column: 0, blank: true, indentation: true };
    emitter.node(root, None, false);
    if emitter.column > 0 || !emitter.indentation {
        emitter.line_break('\n');
    }
    emitter.out
}

struct Emitter {
    out: String,
    /// In UTF-16 units, as Java counts.
    column: usize,
    /// The last thing written was white space, or an indicator that needs none behind it.
    blank: bool,
    /// The line has nothing but indentation and indicators (`- `, `? `) so far.
    indentation: bool,
}

/// A scalar as it is written.
struct Scalar {
    text: String,
    style: Style,
    binary: bool,
}

impl Emitter {
    /// Writes a node; `indent` is that of the collection around it, none at the root.
    fn node(&mut self, node: &Node, indent: Option<usize>, in_map: bool) {
        match node {
            Node::Map(map) if map.is_empty() => self.token("{}"),
            Node::List(list) if list.is_empty() => self.token("[]"),
            Node::Map(map) => {
                let indent = indent.map_or(0, |indent| indent + INDENT);
                for (key, value) in map {
                    self.pair(key, value, indent);
                }
            }
            Node::List(list) => {
                let indent = match indent {
                    None => 0,
                    // Items stand at their key's own column.
                    Some(indent) if in_map && !self.indentation => indent,
                    Some(indent) => indent + INDENT,
                };
                for item in list {
                    self.indent(indent);
                    self.indicator("-", true);
                    self.node(item, Some(indent), false);
                }
            }
            Node::Null => self.token("null"),
            Node::Leaf(value) => {
                let scalar = scalar(value);
                self.scalar(&scalar, indent.map_or(INDENT, |indent| indent + INDENT), true);
            }
        }
    }

    fn pair(&mut self, key: &str, value: &Node, indent: usize) {
        self.indent(indent);
        let mut scalar = text(key, true);
        let analysis = Analysis::of(&scalar.text);
        let tag = if scalar.binary { "!!binary" } else { "!!str" };
        let length = scalar.text.encode_utf16().count() + tag.len();
        if length < SIMPLE_KEY && !analysis.empty && !analysis.multiline {
            self.scalar(&scalar, indent + INDENT, false);
            self.raw(":");
            self.blank = false;
            self.indentation = false;
        } else {
            scalar = text(key, false);
            self.indicator("?", true);
            self.scalar(&scalar, indent + INDENT, true);
            self.indent(indent);
            self.indicator(":", true);
        }
        self.node(value, Some(indent), true);
    }

    fn scalar(&mut self, scalar: &Scalar, indent: usize, split: bool) {
        if scalar.binary {
            self.token("!!binary");
        }
        match scalar.style {
            Style::Plain => self.plain(&scalar.text, indent, split),
            Style::SingleQuoted => self.single_quoted(&scalar.text, indent, split),
            Style::DoubleQuoted => self.double_quoted(&scalar.text, indent, split),
            Style::Literal => self.literal(&scalar.text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, split: bool) {
        if text.is_empty() {
            return;
        }
        self.token("");
        self.folded(text, indent, split, |_, _| true);
    }

    fn single_quoted(&mut self, text: &str, indent: usize, split: bool) {
        self.token("'");
        let text = text.replace('\'', "''");
        // A line may not be folded at the text's first or last space.
        let last = text.len();
        self.folded(&text, indent, split, |start, end| start != 0 && end != last);
        self.raw("'");
    }

    /// Writes words; a single space behind column 80 becomes a line break, if `may_fold` at its place.
    fn folded(&mut self, text: &str, indent: usize, split: bool, may_fold: impl Fn(usize, usize) -> bool) {
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            let length = if spaces > 0 { spaces } else { rest.find(' ').unwrap_or(rest.len()) };
            if spaces == 1 && split && self.column > WIDTH && may_fold(at, at + 1) {
                self.indent(indent);
                self.blank = false;
                self.indentation = false;
            } else {
                self.raw(&rest[..length]);
            }
            at += length;
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, split: bool) {
        self.token("\"");
        let chars: Vec<char> = text.chars().collect();
        // Unescaped characters that are not written yet.
        let mut pending = String::new();
        for (at, &c) in chars.iter().enumerate() {
            let as_it_is = matches!(c, ' '..='~') && c != '"' && c != '\\';
            // SnakeYAML decides to fold before it takes the character, unless it was an escape.
            if !as_it_is {
                self.raw(&std::mem::take(&mut pending));
                self.raw(&escape(c));
            }
            // SnakeYAML counts what is not written yet, which behind an escape is one less than nothing.
            let width = (self.column + pending.len()).saturating_sub(usize::from(!as_it_is));
            let inside = at > 0 && at + 1 < chars.len();
            if inside && (c == ' ' || pending.is_empty()) && width > WIDTH && split {
                pending.push('\\');
                self.raw(&std::mem::take(&mut pending));
                self.indent(indent);
                self.blank = false;
                self.indentation = false;
                let next = if as_it_is { Some(&c) } else { chars.get(at + 1) };
                if next == Some(&' ') {
                    self.raw("\\");
                }
            }
            if as_it_is {
                pending.push(c);
            }
        }
        self.raw(&pending);
        self.raw("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        let mut hints = String::from("|");
        let mut backwards = text.chars().rev();
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            let _ = write!(hints, "{INDENT}");
        }
        if !backwards.next().is_some_and(is_break) {
            hints.push('-');
        } else if backwards.next().is_none_or(is_break) {
            hints.push('+');
        }
        self.token(&hints);
        self.line_break('\n');
        let mut at_break = true;
        for c in text.chars() {
            if is_break(c) {
                self.line_break(c);
                at_break = true;
            } else {
                if at_break {
                    self.indent(indent);
                }
                at_break = false;
                self.out.push(c);
            }
        }
        if !at_break {
            self.line_break('\n');
        }
    }

    /// A new line at this column, unless the line has only indicators up to it.
    fn indent(&mut self, indent: usize) {
        if !self.indentation || self.column > indent || (self.column == indent && !self.blank) {
            self.line_break('\n');
        }
        if self.column < indent {
            let spaces = " ".repeat(indent - self.column);
            self.raw(&spaces);
            self.blank = true;
        }
    }

    fn indicator(&mut self, text: &str, keeps_indentation: bool) {
        let indentation = self.indentation && keeps_indentation;
        self.token(text);
        self.indentation = indentation;
    }

    /// Text with a space before it where one is needed.
    fn token(&mut self, text: &str) {
        if !self.blank {
            self.raw(" ");
        }
        self.blank = false;
        self.indentation = false;
        self.raw(text);
    }

    fn raw(&mut self, text: &str) {
        self.column += text.encode_utf16().count();
        self.out.push_str(text);
    }

    fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.blank = true;
        self.indentation = true;
    }
}

fn scalar(value: &Value) -> Scalar {
    let plain = |text: String| Scalar { text, style: Style::Plain, binary: false };
    match value {
        Value::Text(value) => text(value, false),
        Value::Float(number) if number.is_nan() => plain(".NaN".to_owned()),
        Value::Float(number) if number.is_infinite() => {
            plain(if *number > 0.0 { ".inf" } else { "-.inf" }.to_owned())
        }
        _ => plain(value.to_string()),
    }
}

/// A text in its style; one that YAML can't have is written as base 64.
fn text(value: &str, is_key: bool) -> Scalar {
    if value.chars().all(is_printable) {
        let style = Analysis::of(value).style(value, is_key);
        return Scalar { text: value.to_owned(), style, binary: false };
    }
    let style = if is_key { Style::DoubleQuoted } else { Style::Literal };
    Scalar { text: base64(value.as_bytes()), style, binary: true }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c => return c.to_string(),
    };
    format!("\\{short}")
}
