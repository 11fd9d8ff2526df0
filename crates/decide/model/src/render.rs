//! Diagnostics for people (an excerpt with the place marked) and for programs (JSON).

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use haechi_yaml::Span;
use serde_json::{Value, json};

use crate::mask::{masked, masked_words};
use crate::{Cost, Diagnostic, Severity};

/// Renders diagnostics against the text they are about.
#[derive(Clone, Copy, Debug)]
pub struct Renderings<'t> {
    /// The file's name, as people know it.
    pub file: &'t str,
    /// Its text.
    pub text: &'t str,
}

impl Renderings<'_> {
    /// All of them, each with an excerpt, one below the other; with colours for a terminal. What is secret in the
    /// file is hidden.
    pub fn text(&self, diagnostics: &[Diagnostic], coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let text = if diagnostics.is_empty() { String::new() } else { masked(self.text) };
        let all: Vec<String> = diagnostics.iter().map(|d| self.one(d, &text, &renderer)).collect();
        all.join("\n\n")
    }

    fn one(&self, d: &Diagnostic, text: &str, renderer: &Renderer) -> String {
        let (message, help) = (masked_words(&d.message), d.help.as_deref().map(masked_words));
        let level = match d.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary.span(self.excerpt(d.span)).label(d.label.as_deref());
        let notes = d
            .notes
            .iter()
            .map(|note| AnnotationKind::Context.span(self.excerpt(note.span)).label(note.message.as_str()));
        let snippet = Snippet::source(text).path(self.file).annotation(primary).annotations(notes);
        let mut group = level.primary_title(message.as_str()).id(d.code).element(snippet);
        if let Some(help) = &help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        if let Cost::LeftOut(part) = &d.cost {
            group = group
                .element(Level::NOTE.message(format!("{part} is left out; the rest is not touched by this")));
        }
        renderer.render(&[group])
    }

    /// What is marked in the excerpt: the first line of the range, and at least one character.
    fn excerpt(&self, span: Span) -> std::ops::Range<usize> {
        let range = span.bytes();
        let start = range.start.min(self.text.len());
        let line_end = self.text[start..].find(['\r', '\n']).map_or(self.text.len(), |i| start + i);
        let end = range.end.clamp(start, line_end.max(start));
        if end > start {
            return start..end;
        }
        let width = self.text[start..line_end].chars().next().map_or(0, char::len_utf8);
        start..start + width
    }

    /// All of them as a JSON array.
    pub fn json(&self, diagnostics: &[Diagnostic]) -> Value {
        diagnostics.iter().map(|d| self.one_json(d)).collect()
    }

    fn one_json(&self, d: &Diagnostic) -> Value {
        let notes: Vec<Value> = d
            .notes
            .iter()
            .map(|note| {
                let start = note.span.start;
                json!({ "message": note.message, "line": start.line, "column": start.column })
            })
            .collect();
        let (left_out, fatal) = match &d.cost {
            Cost::Nothing => (None, false),
            Cost::LeftOut(part) => (Some(part), false),
            Cost::Everything => (None, d.severity == Severity::Error),
        };
        json!({
            "code": d.code,
            "severity": d.severity,
            "message": masked_words(&d.message),
            "label": d.label,
            "file": self.file,
            "line": d.span.start.line,
            "column": d.span.start.column,
            "end_line": d.span.end.line,
            "end_column": d.span.end.column,
            "help": d.help.as_deref().map(masked_words),
            "notes": notes,
            "left_out": left_out,
            "fatal": fatal,
        })
    }
}
