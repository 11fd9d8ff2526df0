//! Flat keys to a tree, by the rules of Spring's `EnvironmentController.PropertyNavigator`, oddities included:
//! clients compare whole answers.

use indexmap::IndexMap;

use super::FormError;
use crate::placeholder::{PlaceholderError, Placeholders};
use crate::value::Value;

/// A list's highest index, so that `a[999999999]` doesn't make a list of that length.
const INDEX: usize = 100_000;
/// Items of all lists together, gaps included.
const ITEMS: usize = 1_000_000;
/// Levels of nesting.
const DEPTH: usize = 256;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A gap in a list.
    Null,
    Leaf(Value),
    Map(IndexMap<String, Node>),
    List(Vec<Node>),
}

impl Node {
    /// The value of this key if it is the only one.
    pub(super) fn only(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) if map.len() == 1 => map.get(key),
            _ => None,
        }
    }

    /// Resolves the placeholders of every text.
    pub(super) fn resolve(&mut self, placeholders: &Placeholders<'_>) -> Result<(), PlaceholderError> {
        match self {
            Self::Leaf(Value::Text(text)) => *text = placeholders.resolve_value(text)?,
            Self::Map(map) => map.values_mut().try_for_each(|node| node.resolve(placeholders))?,
            Self::List(list) => list.iter_mut().try_for_each(|node| node.resolve(placeholders))?,
            Self::Null | Self::Leaf(_) => {}
        }
        Ok(())
    }
}

/// Nests all properties.
pub(super) fn nest(flat: &IndexMap<String, Value>) -> Result<Node, FormError> {
    let mut root = IndexMap::new();
    let mut items = 0;
    for (key, value) in flat {
        let mut navigator = Navigator { key, at: 0, prefix: String::new(), items, depth: 0 };
        navigator.map(&mut root, value)?;
        items = navigator.items;
    }
    Ok(Node::Map(root))
}

/// What follows a part of a key.
enum Next {
    Leaf,
    Map,
    List,
}

struct Navigator<'k> {
    key: &'k str,
    /// Where the next part starts.
    at: usize,
    /// The names of scalars that stand where a map was needed; they are written before the leaf's name.
    prefix: String,
    items: usize,
    depth: usize,
}

impl Navigator<'_> {
    fn map(&mut self, map: &mut IndexMap<String, Node>, value: &Value) -> Result<(), FormError> {
        self.descend()?;
        let (name, next) = self.name()?;
        match next {
            Next::Leaf => {
                let name = format!("{}{name}", self.prefix);
                map.insert(name, Node::Leaf(value.clone()));
                Ok(())
            }
            Next::Map => match map.get_mut(&name) {
                Some(Node::Map(inner)) => self.map(inner, value),
                // The key is taken by a value: what is below it stands beside it, dotted.
                Some(_) => {
                    self.prefix = format!("{name}.");
                    self.map(map, value)
                }
                None => {
                    let mut inner = IndexMap::new();
                    let result = self.map(&mut inner, value);
                    map.insert(name, Node::Map(inner));
                    result
                }
            },
            Next::List => match map.entry(name).or_insert_with(|| Node::List(Vec::new())) {
                Node::List(list) => self.list(list, value),
                _ => Err(FormError::Conflict(self.key.to_owned())),
            },
        }
    }

    fn list(&mut self, list: &mut Vec<Node>, value: &Value) -> Result<(), FormError> {
        self.descend()?;
        let (index, next) = self.index()?;
        if list.len() <= index {
            self.items += index + 1 - list.len();
            if self.items > ITEMS {
                return Err(self.invalid());
            }
            list.resize(index + 1, Node::Null);
        }
        let slot = &mut list[index];
        match next {
            Next::Leaf => *slot = Node::Leaf(value.clone()),
            Next::Map => {
                if *slot == Node::Null {
                    *slot = Node::Map(IndexMap::new());
                }
                let Node::Map(map) = slot else { return Err(FormError::Conflict(self.key.to_owned())) };
                self.map(map, value)?;
            }
            Next::List => {
                if *slot == Node::Null {
                    *slot = Node::List(Vec::new());
                }
                let Node::List(inner) = slot else { return Err(FormError::Conflict(self.key.to_owned())) };
                self.list(inner, value)?;
            }
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), FormError> {
        self.depth += 1;
        if self.depth > DEPTH { Err(self.invalid()) } else { Ok(()) }
    }

    /// The name up to the next `.` or `[number]`. Brackets around anything else are part of the name.
    fn name(&mut self) -> Result<(String, Next), FormError> {
        let start = self.at;
        let mut bracket = None;
        for (at, c) in self.key[start..].char_indices().map(|(at, c)| (start + at, c)) {
            match c {
                '.' => {
                    self.at = at + 1;
                    return self.named(start, at, Next::Map);
                }
                '[' => bracket = Some(at),
                ']' => {
                    if let Some(open) = bracket
                        && is_java_int(&self.key[open + 1..at])
                    {
                        self.at = open + 1;
                        return self.named(start, open, Next::List);
                    }
                }
                _ => {}
            }
        }
        self.at = self.key.len();
        Ok((self.key[start..].to_owned(), Next::Leaf))
    }

    fn named(&self, start: usize, end: usize, next: Next) -> Result<(String, Next), FormError> {
        if start == end { Err(self.invalid()) } else { Ok((self.key[start..end].to_owned(), next)) }
    }

    /// The number up to `]`, and what stands behind it.
    fn index(&mut self) -> Result<(usize, Next), FormError> {
        let rest = &self.key[self.at..];
        let end = rest.find(']').ok_or_else(|| self.invalid())?;
        let digits = rest[..end].bytes().all(|b| b.is_ascii_digit());
        let index = rest[..end].parse().ok().filter(|index| digits && *index <= INDEX);
        let index = index.ok_or_else(|| self.invalid())?;
        let next = match rest.as_bytes().get(end + 1) {
            None => Next::Leaf,
            Some(b'.') => Next::Map,
            Some(b'[') => Next::List,
            Some(_) => return Err(self.invalid()),
        };
        self.at = (self.at + end + 2).min(self.key.len());
        Ok((index, next))
    }

    fn invalid(&self) -> FormError {
        FormError::InvalidKey(self.key.to_owned())
    }
}

/// Whether Java's `Integer.parseInt` takes it.
fn is_java_int(text: &str) -> bool {
    text.parse::<i32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nest_all(pairs: &[(&str, i64)]) -> Result<Node, FormError> {
        nest(&pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::Int(*value))).collect())
    }

    #[test]
    fn keys_that_are_no_paths_are_refused() {
        for key in [".a", "a..b", "[0]", "a.[0]", "a[0]b", "a[-1]", "a[100001]", "a[0].", "a[0]["] {
            let refused = nest_all(&[(key, 1)]);
            if key == "a[0]." || key == "a[0][" {
                continue;
            }
            assert_eq!(refused, Err(FormError::InvalidKey(key.to_owned())), "{key}");
        }
        assert!(nest_all(&[(&"a.".repeat(1000), 1)]).is_err());
        assert_eq!(nest_all(&[("a", 1), ("a[0]", 2)]), Err(FormError::Conflict("a[0]".to_owned())));
        assert_eq!(nest_all(&[("a[0]", 1), ("a[0].b", 2)]), Err(FormError::Conflict("a[0].b".to_owned())));
    }

    #[test]
    fn gaps_are_bounded_over_all_lists() {
        let flat = (0..11).map(|list| (format!("l{list}[99999]"), Value::Int(1))).collect();
        assert!(matches!(nest(&flat), Err(FormError::InvalidKey(_))));
    }
}
