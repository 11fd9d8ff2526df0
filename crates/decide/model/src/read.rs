//! From text to lowered values.

use std::path::Path;

use haechi_yaml::{Limits, Node};
use serde_json::Value;

use crate::diagnostic::{Cost, Diagnostic, Severity};
use crate::files::Files;
use crate::lower::{At, Lower};
use crate::lowered::Lowered;
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

/// What reading a file gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it means, without the parts that are left out. Nothing if it can't be applied.
    pub lowered: Option<Lowered>,
    /// Everything that is wrong with it, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Reading {
    /// Whether anything is wrong that is more than a warning.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Reads a file. Never fails: what is wrong is in the diagnostics.
pub fn read(source: &Source<'_>) -> Reading {
    let mut diagnostics = Vec::new();
    let lowered = lowered(source, &mut diagnostics);
    diagnostics.sort_by_key(|d| d.span.start);
    let fatal = diagnostics.iter().any(|d| d.severity == Severity::Error && d.cost == Cost::Everything);
    Reading { lowered: lowered.filter(|_| !fatal), diagnostics }
}

fn lowered(source: &Source<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Lowered> {
    let mut tree = tree(source.text, diagnostics)?;
    let schema = schema();
    let mut validator = Validator::new(&schema, source.variable);
    let value = validator.file(&mut tree);
    let left_out = validator.left_out;
    diagnostics.append(&mut validator.diagnostics);
    let raw = typed(value?, &tree, diagnostics)?;
    let mut lower = Lower { files: source.files, folder: source.folder, left_out, diagnostics };
    Some(lower.file(&raw, At::root(&tree)))
}

fn tree(text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut documents = match haechi_yaml::read(text, &Limits::default()) {
        Ok(stream) => stream.documents.into_iter(),
        Err(error) => {
            diagnostics.push(Diagnostic::error("syntax", error.at, error.kind.to_string()));
            return None;
        }
    };
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
    Some(first)
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
