//! YAML as Spring Boot's `OriginTrackedYamlLoader` flattens it: nested keys joined with dots, list items as
//! `key[0]`, values typed by YAML 1.1.

use std::collections::HashMap;

use haechi_yaml::{Entry as Pair, Node, Position, Span, Style, Value as Tree};

use super::scalar::{Meaning, resolve};
use super::{Budget, Limits, Properties, ReadError, check_size};
use crate::value::{Entry, Origin, Value};

/// Reads all documents of a YAML (or JSON) file. A document that is not a mapping is served under the key
/// `document`; empty documents are left out.
pub fn read_yaml(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Properties>, ReadError> {
    check_size(file, bytes, limits)?;
    let fail = |at: Position, message: String| ReadError {
        file: file.to_owned(),
        line: at.line,
        column: at.column,
        message,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = good.matches('\n').count() as u32 + 1;
        let column = good.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u32 + 1;
        let message = "the file is not UTF-8 from here on".to_owned();
        ReadError { file: file.to_owned(), line, column, message }
    })?;
    let tree_limits = haechi_yaml::Limits {
        bytes: limits.bytes,
        depth: limits.depth,
        nodes: limits.keys.saturating_mul(4),
        ..haechi_yaml::Limits::default()
    };
    let stream = haechi_yaml::read(text, &tree_limits)
        .map_err(|error| fail(error.at.start, error.kind.to_string()))?;
    let mut budget = Budget::new(limits);
    let mut documents = Vec::new();
    for root in &stream.documents {
        let mut flat = Flat { text, properties: Properties::new(), budget: &mut budget };
        let result = match mapping(root) {
            Ok(Some(pairs)) => flat.mapping(pairs, ""),
            Ok(None) if is_nothing(root) => continue,
            Ok(None) => flat.node(root, "document".to_owned()),
            Err(problem) => Err(problem),
        };
        result.map_err(|problem| fail(problem.at.start, problem.message))?;
        documents.push(flat.properties);
    }
    Ok(documents)
}

struct Problem {
    at: Span,
    message: String,
}

impl Problem {
    fn new(at: Span, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// A root that Spring takes for no document: null, or the empty text.
fn is_nothing(root: &Node) -> bool {
    match &root.value {
        Tree::Scalar(scalar) => match resolve(scalar, root.tag.as_deref()) {
            Ok(Meaning::Null) => true,
            Ok(Meaning::Value(Value::Text(text))) => text.is_empty(),
            _ => false,
        },
        Tree::Sequence(items) => items.is_empty(),
        Tree::Mapping(_) => false,
    }
}

/// A mapping's pairs in their final order: merges (`<<`) resolved, equal keys refused. None if the node is no
/// mapping.
fn mapping(node: &Node) -> Result<Option<Vec<(String, &Node)>>, Problem> {
    let Some(pairs) = node.mapping() else { return Ok(None) };
    check_tag(node, "tag:yaml.org,2002:map")?;
    let mut merged = Merged::default();
    let mut own: HashMap<Key, Span> = HashMap::new();
    for pair in pairs {
        if let Some(key) = key(&pair.key)? {
            if own.insert(key.clone(), pair.key.span).is_some() {
                return Err(Problem::new(pair.key.span, format!("the key {:?} is here twice", key.text)));
            }
            merged.put(key, &pair.value, true);
        } else {
            merge(pair, &mut merged)?;
        }
    }
    Ok(Some(merged.pairs.into_iter().map(|(key, node)| (key.text, node)).collect()))
}

/// A collection may have no tag but its own.
fn check_tag(node: &Node, own: &str) -> Result<(), Problem> {
    match node.tag.as_deref() {
        Some(tag) if tag != "!" && tag != own => {
            Err(Problem::new(node.span, format!("no value can be made for the tag {tag}")))
        }
        _ => Ok(()),
    }
}

/// A key as it is in a path, and whether it was text: `1` and `"1"` are different keys.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    text: String,
    is_text: bool,
}

#[derive(Default)]
struct Merged<'n> {
    pairs: Vec<(Key, &'n Node)>,
    places: HashMap<Key, usize>,
}

impl<'n> Merged<'n> {
    /// A key of the mapping itself replaces what was merged, at the merged one's place; a merged key replaces
    /// nothing.
    fn put(&mut self, key: Key, node: &'n Node, own: bool) {
        match self.places.get(&key) {
            Some(&place) if own => self.pairs[place].1 = node,
            Some(_) => {}
            None => {
                self.places.insert(key.clone(), self.pairs.len());
                self.pairs.push((key, node));
            }
        }
    }
}

fn merge<'n>(pair: &'n Pair, into: &mut Merged<'n>) -> Result<(), Problem> {
    let sources = match &pair.value.value {
        Tree::Mapping(_) => std::slice::from_ref(&pair.value),
        Tree::Sequence(items) => items.as_slice(),
        Tree::Scalar(_) => &[],
    };
    if sources.is_empty() && pair.value.scalar().is_some() {
        return Err(Problem::new(pair.value.span, "`<<` takes a mapping or a list of mappings"));
    }
    for source in sources {
        let Some(pairs) = source.mapping() else {
            return Err(Problem::new(source.span, "`<<` takes a mapping or a list of mappings"));
        };
        for pair in pairs {
            match key(&pair.key)? {
                Some(key) => into.put(key, &pair.value, false),
                None => merge(pair, into)?,
            }
        }
    }
    Ok(())
}

/// A key as Spring writes it: text as it is, any other scalar in brackets. None is the merge key.
fn key(node: &Node) -> Result<Option<Key>, Problem> {
    let Some(scalar) = node.scalar() else {
        return Err(Problem::new(node.span, "a key must be a scalar"));
    };
    match resolve(scalar, node.tag.as_deref()) {
        Ok(Meaning::Value(Value::Text(text))) => Ok(Some(Key { text, is_text: true })),
        Ok(Meaning::Value(other)) => Ok(Some(Key { text: format!("[{other}]"), is_text: false })),
        Ok(Meaning::Merge) => Ok(None),
        Ok(Meaning::Null) => Err(Problem::new(node.span, "a key must not be null")),
        Err(message) => Err(Problem::new(node.span, message)),
    }
}

struct Flat<'a, 'l> {
    text: &'a str,
    properties: Properties,
    budget: &'a mut Budget<'l>,
}

impl Flat<'_, '_> {
    fn mapping(&mut self, pairs: Vec<(String, &Node)>, path: &str) -> Result<(), Problem> {
        for (key, node) in pairs {
            // `StringUtils.hasText(path)`: below a blank key, keys stand alone.
            let key = match path.trim() {
                "" => key,
                _ if key.starts_with('[') => format!("{path}{key}"),
                _ => format!("{path}.{key}"),
            };
            self.node(node, key)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, path: String) -> Result<(), Problem> {
        if node.sequence().is_some() {
            check_tag(node, "tag:yaml.org,2002:seq")?;
        }
        match &node.value {
            Tree::Mapping(_) => {
                let pairs = mapping(node)?.unwrap_or_default();
                self.mapping(pairs, &path)
            }
            Tree::Sequence(items) if items.is_empty() => self.put(path, Value::from(""), node),
            Tree::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    let key = match path.trim() {
                        "" => format!("[{index}]"),
                        _ => format!("{path}[{index}]"),
                    };
                    self.node(item, key)?;
                }
                Ok(())
            }
            Tree::Scalar(scalar) => {
                let value = match resolve(scalar, node.tag.as_deref()) {
                    Ok(Meaning::Value(value)) => value,
                    Ok(Meaning::Null) => Value::from(""),
                    Ok(Meaning::Merge) => {
                        return Err(Problem::new(node.span, "`<<` is a key only; quote it to make it text"));
                    }
                    Err(message) => return Err(Problem::new(node.span, message)),
                };
                self.put(path, value, node)
            }
        }
    }

    /// Keys that are equal only once flattened (`a.b` and `b` below `a`) overwrite, the last one winning.
    fn put(&mut self, key: String, value: Value, node: &Node) -> Result<(), Problem> {
        self.budget.take(key.len()).map_err(|message| Problem::new(node.span, message))?;
        let block = node.scalar().filter(|scalar| matches!(scalar.style, Style::Literal | Style::Folded));
        let Position { line, column, byte } = node.span.start;
        let header = block.and_then(|_| block_header(self.text, byte as usize, line));
        let (line, column, byte) = header.unwrap_or((line, column, byte as usize));
        let column = column - decorations(self.text, byte).min(column - 1);
        self.properties.insert(key, Entry { value, origin: Some(Origin { line, column }) });
        Ok(())
    }
}

/// How far back a value's anchor, tag or block header is looked for. Aliases can repeat one value a hundred
/// thousand times, so this must cost little each time.
const LOOK_BACK: usize = 512;

/// How many characters before a value its anchor and tag take: SnakeYAML has a value start there.
fn decorations(text: &str, start: usize) -> u32 {
    let window = &text[text.floor_char_boundary(start.saturating_sub(LOOK_BACK))..start];
    let mut rest = window;
    loop {
        let before = rest.trim_end_matches([' ', '\t']);
        let token = before.rfind([' ', '\t', '\r', '\n', '[', ',', '{']).map_or(0, |at| at + 1);
        // Nothing else can stand there: two values are never side by side without a mark between.
        if before.len() == rest.len() || !before[token..].starts_with(['&', '!']) {
            return window[rest.len()..].chars().count() as u32;
        }
        rest = &before[..token];
    }
}

/// Line, column and byte of the `|` or `>` above a block scalar's content, which is where SnakeYAML has it start.
fn block_header(text: &str, start: usize, line: u32) -> Option<(u32, u32, usize)> {
    let window_start = text.floor_char_boundary(start.saturating_sub(LOOK_BACK));
    let window = &text[window_start..start];
    let mut end = window.len();
    let mut line = line;
    // The header is on the content's own line if that is empty, or on the first line above that is not.
    loop {
        let newline = window[..end].rfind('\n');
        if newline.is_none() && window_start > 0 {
            return None;
        }
        let line_start = newline.map_or(0, |at| at + 1);
        let code = window[line_start..end].split(" #").next().unwrap_or_default().trim_end();
        let token = code.rfind([' ', '\t']).map_or(0, |at| at + 1);
        if code[token..].starts_with(['|', '>']) {
            let column = code[..token].chars().count() as u32 + 1;
            return Some((line, column, window_start + line_start + token));
        }
        end = newline.filter(|_| code.is_empty() && line > 1)?;
        line -= 1;
    }
}
