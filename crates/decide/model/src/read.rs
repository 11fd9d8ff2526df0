//! From text to lowered values.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use haechi_route::RouteTable;
use haechi_yaml::{Limits, Node, Stream};
use serde_json::Value;

use crate::diagnostic::{Cost, Diagnostic, Severity};
use crate::files::{Counted, Files};
use crate::lower::{At, Lower};
use crate::lowered::Lowered;
use crate::reread::Outline;
use crate::validate::Validator;
use crate::{raw, schema};

/// A configuration file and what it may refer to.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its folder, where relative file names begin.
    pub folder: &'a Path,
    /// Environment variables.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Files that it names.
    pub files: &'a dyn Files,
}

/// What reading a file gave. Two are equal if they say the same, however it was found.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it means, without the parts that are left out. Nothing if it can't be applied.
    pub lowered: Option<Lowered>,
    /// Everything that is wrong with it, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The table of the gateway's own routes, if all of them can be had.
    pub table: Option<Arc<RouteTable>>,
    /// Routes that were taken over from the reading before; see [`crate::reread()`].
    pub taken_over: usize,
    /// Where its routes stand, if the next reading may take some over.
    pub(crate) outline: Option<Outline>,
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        self.lowered == other.lowered && self.diagnostics == other.diagnostics
    }
}

impl Reading {
    /// Whether anything is wrong that is more than a warning.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Reads a file. Never fails: what is wrong is in the diagnostics.
pub fn read(source: &Source<'_>) -> Reading {
    read_as(source, true)
}

/// Reads a file. Unless it is `whole`, routes are missing in it, and what only all of them can tell is not asked.
pub(crate) fn read_as(source: &Source<'_>, whole: bool) -> Reading {
    let mut reading =
        Reading { lowered: None, diagnostics: Vec::new(), table: None, taken_over: 0, outline: None };
    reading.lowered = lowered(source, whole, &mut reading);
    let diagnostics = &mut reading.diagnostics;
    diagnostics.sort_by_key(|d| d.span.start);
    let fatal = diagnostics.iter().any(|d| d.severity == Severity::Error && d.cost == Cost::Everything);
    if fatal {
        reading.lowered = None;
    }
    if reading.lowered.is_none() || !reading.diagnostics.is_empty() {
        reading.outline = None;
    }
    reading
}

/// The schema is always the same, and costs more than a small file.
static SCHEMA: LazyLock<Value> = LazyLock::new(schema::schema);

fn lowered(source: &Source<'_>, whole: bool, reading: &mut Reading) -> Option<Lowered> {
    let Reading { diagnostics, table, outline, .. } = reading;
    let (mut tree, facts) = tree(source.text, diagnostics)?;
    *outline = Outline::of(source.text, &tree, &facts);
    let mut validator = Validator::new(&SCHEMA, source.variable);
    let value = validator.file(&mut tree);
    let left_out = validator.left_out;
    diagnostics.append(&mut validator.diagnostics);
    let raw = typed(value?, &tree, diagnostics)?;
    let files = Counted::new(source.files);
    let mut lower = Lower {
        files: &files,
        counted: &files,
        folder: source.folder,
        left_out,
        diagnostics,
        whole,
        from_files: Vec::new(),
        table: None,
    };
    let lowered = lower.file(&raw, At::root(&tree));
    *table = lower.table;
    if let Some(outline) = outline {
        outline.from_files = lower.from_files;
    }
    Some(lowered)
}

/// The file's one document, and what is known of the text beside it.
fn tree(text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<(Node, Stream)> {
    let mut stream = match haechi_yaml::read(text, &Limits::default()) {
        Ok(stream) => stream,
        Err(error) => {
            diagnostics.push(Diagnostic::error("syntax", error.at, error.kind.to_string()));
            return None;
        }
    };
    let mut documents = std::mem::take(&mut stream.documents).into_iter();
    let Some(first) = documents.next() else {
        let help = "the smallest file has `gateway` and `services`; see docs/configuration.md";
        let diagnostic = Diagnostic::error("empty-file", haechi_yaml::Span::default(), "the file is empty");
        diagnostics.push(diagnostic.help(help));
        return None;
    };
    if let Some(second) = documents.next() {
        let message = "the file has several documents, and only one can be the configuration";
        let diagnostic = Diagnostic::error("several-documents", second.span, message);
        diagnostics.push(diagnostic.help("remove the `---` between them, or split the file"));
        return None;
    }
    Some((first, stream))
}

/// What has passed the schema fits the types; a test holds them together. Should it not, this says so.
fn typed(value: Value, tree: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<raw::File> {
    match serde_json::from_value(value) {
        Ok(raw) => Some(raw),
        Err(error) => {
            diagnostics.push(Diagnostic::error("wrong-type", tree.span, error.to_string()));
            None
        }
    }
}
