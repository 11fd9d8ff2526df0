//! Reading a file again after a small change: a route whose text is the same is taken over, the rest is read.
//!
//! A file of 10,000 routes costs tenths of a second, and most changes touch one of them. So the next reading is
//! of a *short* text: the new one without those routes that it shares with the one before. That gives the same
//! as reading all, because
//!
//! - only a file without any mistake is built on, and the text around its routes must be the same;
//! - each route is an item of a block list on lines of its own. YAML's reader is in the same state in front of
//!   every item of such a list, so what an item means depends on its own lines, as long as there are no anchors;
//! - what a route means depends on its own text and on the rest of the file alone, not on other routes; one for
//!   which files were looked at is always read again;
//! - what depends on all routes together is asked of all together: ties and names, services without a route,
//!   expectations. A new check of that kind must be asked in [`Assembled::is_sound`] too.
//!
//! Wherever one of these is in doubt, and where the short text has any mistake, the whole text is read:
//! diagnostics come from there alone. `tests/reread.rs` holds both ways together.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use haechi_route::RouteTable;
use haechi_route::config::Route;
use haechi_yaml::{Limits, Node, Stream};

use crate::lower::acme::nameless;
use crate::lower::expect::holds;
use crate::lower::gateway::unused;
use crate::lowered::Lowered;
use crate::read::{Reading, Source, read, read_as};

/// Where the routes of a text stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The lines of each route, one after the other without gaps.
    items: Vec<Range<usize>>,
    /// Those for which files were looked at, by index, ascending.
    pub from_files: Vec<usize>,
    /// Spaces in front of each item's hyphen.
    indent: usize,
    /// At least what the whole text takes of the reader's limits.
    nodes: usize,
    expanded_bytes: usize,
}

impl Outline {
    /// The routes of a text, if they are written so that they can be told apart by their lines.
    pub fn of(text: &str, tree: &Node, facts: &Stream) -> Option<Self> {
        if facts.anchors || text.contains('\r') {
            return None;
        }
        let routes = tree.get("gateway")?.get("routes")?.sequence()?;
        let starts: Option<Vec<(usize, usize)>> = routes.iter().map(|item| hyphen(text, item)).collect();
        let starts = starts?;
        let (_, indent) = *starts.first()?;
        if indent == 0 || starts.iter().any(|(_, other)| *other != indent) {
            return None;
        }
        let last = routes.last()?.span.end.byte as usize;
        let end = text[last..].find('\n').map_or(text.len(), |line| last + line + 1);
        let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([end]);
        let items = starts.iter().zip(ends).map(|((start, _), end)| *start..end).collect();
        Some(Self {
            items,
            from_files: Vec::new(),
            indent,
            nodes: facts.nodes,
            expanded_bytes: facts.expanded_bytes,
        })
    }

    fn all(&self) -> Range<usize> {
        let start = self.items.first().map_or(0, |first| first.start);
        start..self.items.last().map_or(start, |last| last.end)
    }
}

/// Where the line of an item begins, and the spaces in front of its hyphen.
fn hyphen(text: &str, item: &Node) -> Option<(usize, usize)> {
    let before = &text[..item.span.start.byte as usize];
    let start = before.rfind('\n').map_or(0, |line| line + 1);
    let indent = before[start..].trim_end_matches(' ').strip_suffix('-')?;
    indent.bytes().all(|byte| byte == b' ').then_some((start, indent.len()))
}

/// Reads a file of which `before` was an earlier text with what it meant. Gives the same as [`read`].
pub fn reread(before: Option<(&str, &Reading)>, source: &Source<'_>) -> Reading {
    before.and_then(|(text, reading)| short(text, reading, source)).unwrap_or_else(|| read(source))
}

/// The new text's routes, each with the one that it is taken over from.
struct Pieces<'n> {
    texts: Vec<&'n str>,
    known: Vec<Option<usize>>,
}

/// Reads what is new, and puts the rest beside it. Nothing if that may not be the same as reading all.
fn short(text: &str, before: &Reading, source: &Source<'_>) -> Option<Reading> {
    let outline = before.outline.as_ref()?;
    let lowered = before.lowered.as_ref()?;
    let old = &lowered.gateway.as_ref()?.routes;
    if source.text.len() > Limits::default().bytes || old.len() != outline.items.len() {
        return None;
    }
    let around = outline.all();
    let (head, tail) = (text.get(..around.start)?, text.get(around.end..)?);
    let middle = source.text.strip_prefix(head)?.strip_suffix(tail)?;
    if !tail.is_empty() && !middle.ends_with('\n') {
        return None;
    }
    let pieces = Pieces::of(middle, text, outline)?;
    let new = || pieces.texts.iter().zip(&pieces.known).filter(|(_, known)| known.is_none());
    let mut short = String::with_capacity(head.len() + tail.len() + 1024);
    short.push_str(head);
    new().for_each(|(piece, _)| short.push_str(piece));
    short.push_str(tail);
    let part = read_as(&Source { text: &short, ..*source }, false);
    let part_outline = part.outline?;
    if !part_outline.items.iter().map(Range::len).eq(new().map(|(piece, _)| piece.len())) {
        return None;
    }
    let mut lowered = part.lowered?;
    let mut fresh = std::mem::take(&mut lowered.gateway.as_mut()?.routes).into_iter();
    let take = |known: &Option<usize>| match known {
        Some(index) => old.get(*index).cloned(),
        None => fresh.next(),
    };
    let routes: Vec<Route> = pieces.known.iter().map(take).collect::<Option<_>>()?;
    let assembled = Assembled::of(lowered, routes)?;
    let outline = pieces.outline(head.len(), outline, &part_outline)?;
    Some(Reading {
        lowered: Some(assembled.lowered),
        diagnostics: Vec::new(),
        table: Some(assembled.table),
        taken_over: pieces.known.iter().flatten().count(),
        outline: Some(outline),
    })
}

impl<'n> Pieces<'n> {
    /// Takes the lines apart at the items' hyphens. Nothing if a line may end the list.
    fn of(middle: &'n str, text: &str, outline: &Outline) -> Option<Self> {
        let mut starts = Vec::with_capacity(outline.items.len() + 1);
        let mut at = 0;
        for line in middle.split_inclusive('\n') {
            let inside = line.trim_start_matches(' ');
            let indent = line.len() - inside.len();
            match inside.as_bytes() {
                [b'-', b' ', ..] if indent == outline.indent => starts.push(at),
                [] | [b'\n' | b'#', ..] => {}
                _ if indent > outline.indent => {}
                _ => return None,
            }
            at += line.len();
        }
        if starts.first() != Some(&0) {
            return None;
        }
        let ends = starts.iter().skip(1).copied().chain([middle.len()]);
        let texts: Vec<&str> = starts.iter().zip(ends).map(|(start, end)| &middle[*start..end]).collect();
        // What stands behind the last item may belong to it (a text's blank lines): it is never taken over.
        let inner = outline.items.len() - 1;
        let by_text: HashMap<&str, usize> = outline.items[..inner]
            .iter()
            .enumerate()
            .filter(|(index, _)| outline.from_files.binary_search(index).is_err())
            .filter_map(|(index, item)| Some((text.get(item.clone())?, index)))
            .collect();
        let last = texts.len() - 1;
        let known = texts.iter().enumerate();
        let known = known.map(|(i, piece)| by_text.get(piece).copied().filter(|_| i < last)).collect();
        Some(Self { texts, known })
    }

    /// Where the routes stand in the new text. Nothing if reading all might meet one of YAML's limits.
    fn outline(&self, head: usize, before: &Outline, part: &Outline) -> Option<Outline> {
        let mut at = head;
        let item = |piece: &&str| {
            let start = at;
            at += piece.len();
            start..at
        };
        // What is gone is still counted; a whole reading counts anew.
        let nodes = before.nodes + part.nodes;
        let expanded_bytes = before.expanded_bytes + part.expanded_bytes;
        let limits = Limits::default();
        let fits = nodes <= limits.nodes && expanded_bytes <= limits.expanded_bytes;
        let items = self.texts.iter().map(item).collect();
        // What was taken over needed no files; what is new is in the short text in the same order.
        let new = self.known.iter().enumerate().filter(|(_, known)| known.is_none()).map(|(index, _)| index);
        let from_files = new.enumerate().filter(|(nth, _)| part.from_files.binary_search(nth).is_ok());
        let from_files = from_files.map(|(_, index)| index).collect();
        fits.then_some(Outline { items, from_files, indent: before.indent, nodes, expanded_bytes })
    }
}

/// All routes together.
struct Assembled {
    lowered: Lowered,
    table: Arc<RouteTable>,
}

impl Assembled {
    /// Nothing if there is anything to say about the whole.
    fn of(mut lowered: Lowered, routes: Vec<Route>) -> Option<Self> {
        let (table, refused) = RouteTable::build(&routes);
        lowered.gateway.as_mut()?.routes = routes;
        let assembled = Self { lowered, table: Arc::new(table) };
        (refused.is_empty() && assembled.is_sound()).then_some(assembled)
    }

    fn is_sound(&self) -> bool {
        let Some(gateway) = &self.lowered.gateway else { return false };
        // With an import, which routes there are is known only later.
        self.lowered.zuul.is_some()
            || (nameless(gateway).is_empty()
                && unused(&gateway.services, &gateway.routes, &gateway.layer4).next().is_none()
                && self
                    .lowered
                    .expectations
                    .iter()
                    .all(|expectation| holds(expectation, &self.table, &gateway.routes).is_ok()))
    }
}
