//! Parts that are refused alone.

use std::io;
use std::path::Path;

use haechi_yaml::Span;

use super::{At, Lower};
use crate::diagnostic::{Cost, Diagnostic, Severity};
use crate::validate::LeftOut;

impl Lower<'_> {
    /// Lowers a part. If that reports an error, the part is left out and the error costs it alone.
    pub(super) fn isolated<T>(
        &mut self,
        kind: &'static str,
        name: &str,
        lower: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let before = self.diagnostics.len();
        let lowered = lower(self);
        let part = LeftOut { kind: kind.to_owned(), name: Some(name.to_owned()) };
        let mut failed = false;
        for diagnostic in &mut self.diagnostics[before..] {
            if diagnostic.severity == Severity::Error && diagnostic.cost == Cost::Everything {
                diagnostic.cost = Cost::LeftOut(part.to_string());
                failed = true;
            }
        }
        if failed {
            self.left_out.push(part);
        }
        lowered.filter(|_| !failed)
    }

    /// Reports an error that costs a part which has been lowered already.
    pub(super) fn leave_out(&mut self, kind: &'static str, name: &str, diagnostic: Diagnostic) {
        let part = LeftOut { kind: kind.to_owned(), name: Some(name.to_owned()) };
        self.report(diagnostic.leaving_out(part.to_string()));
        self.left_out.push(part);
    }

    /// Whether something of this kind and name is left out, so that naming it is no second mistake.
    pub(super) fn was_left_out(&self, kind: &str, name: &str) -> bool {
        self.left_out.iter().any(|part| part.kind == kind && part.name.as_deref() == Some(name))
    }

    /// The place of the mistake that something is left out for.
    pub(super) fn why_left_out(&self, kind: &str, name: &str) -> Option<Span> {
        let part = LeftOut { kind: kind.to_owned(), name: Some(name.to_owned()) };
        let cost = Cost::LeftOut(part.to_string());
        self.diagnostics.iter().find(|diagnostic| diagnostic.cost == cost).map(|diagnostic| diagnostic.span)
    }

    /// The text of a file, or an error that says what is the matter with it.
    pub(super) fn readable(&mut self, path: &Path, what: &str, at: At<'_>) -> Option<String> {
        let (message, help) = match self.files.read(path) {
            Ok(text) => return Some(text),
            // Nothing is known about it, so nothing is said.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (
                format!("{what} {} doesn't exist", path.display()),
                "relative names begin at this file's folder",
            ),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (
                format!("{what} {} may not be read", path.display()),
                "give this program's user the right to read it",
            ),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => (
                format!("{what} {} is not text", path.display()),
                "PEM is text; convert it: openssl x509 -inform der -in FILE",
            ),
            Err(error) => (format!("{what} {}: {error}", path.display()), "name a file that can be read"),
        };
        self.report(Diagnostic::error("missing-file", at.span(), message).help(help));
        None
    }

    /// An error if there is no such file. What it holds doesn't matter here: it may be binary.
    pub(super) fn exists(&mut self, path: &Path, what: &str, at: At<'_>) {
        if let Err(error) = self.files.read(path)
            && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        {
            self.readable(path, what, at);
        }
    }
}
