//! Reading the configuration file from this machine.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use haechi_core::SystemClock;
use haechi_model::{CertificateSeen, Diagnostic, Files, Lowered, Reading, Renderings, Severity, Source};
use haechi_route::RouteTable;
use haechi_tls::PairFiles;

/// The files of this machine.
struct Machine;

impl Files for Machine {
    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn read(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn certificate(&self, chain: &Path, key: &Path) -> Option<Result<CertificateSeen, String>> {
        let files = PairFiles { chain: chain.to_owned(), key: key.to_owned(), ocsp: None };
        let now = SystemClock::start().wall().0 / 1000;
        Some(match haechi_tls::inspect(&files) {
            Ok(facts) => {
                Ok(CertificateSeen { seconds_left: facts.not_after.cast_signed() - now.cast_signed() })
            }
            Err(error) => Err(error.to_string()),
        })
    }
}

/// A file that was read: what it means and what is wrong with it.
pub struct ConfigFile {
    /// Its name as given.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    reading: Reading,
}

impl ConfigFile {
    /// Reads it. Fails only if there is no text to read; mistakes in it are diagnostics.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::read_after(None, path)
    }

    /// Reads it again: what `before` held already is not read once more.
    pub fn read_after(before: Option<&Self>, path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("can't read {}; name the file, or start with `haechi up --help`", path.display())
        })?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let source = Source {
            text: &text,
            folder: &folder,
            variable: &|name| std::env::var(name).ok(),
            files: &Machine,
        };
        let before = before.map(|before| (before.text.as_str(), &before.reading));
        let reading = haechi_model::reread(before, &source);
        Ok(Self { path: path.to_owned(), text, reading })
    }

    /// What can be applied, if anything can.
    pub fn lowered(&self) -> Option<&Lowered> {
        self.reading.lowered.as_ref()
    }

    /// The table of its own routes, where all of them can be had.
    pub fn table(&self) -> Option<Arc<RouteTable>> {
        self.reading.table.clone()
    }

    /// Whether there is nothing to say about it.
    pub fn is_clean(&self) -> bool {
        self.diagnostics().is_empty()
    }

    /// Everything that is wrong.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.reading.diagnostics
    }

    /// Whether anything is wrong that is more than a warning.
    pub fn has_errors(&self) -> bool {
        self.reading.has_errors()
    }

    /// The diagnostics with excerpts, coloured on a terminal.
    pub fn rendered(&self) -> String {
        self.renderings().text(self.diagnostics(), std::io::stderr().is_terminal())
    }

    /// The diagnostics as JSON.
    pub fn json(&self) -> serde_json::Value {
        self.renderings().json(self.diagnostics())
    }

    /// Errors in a line each, for status and events.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.diagnostics().iter().filter(|d| d.severity == Severity::Error);
        errors
            .map(|d| {
                format!("{}:{}: {}", self.path.display(), d.span.start.line, haechi_model::shown(&d.message))
            })
            .collect()
    }

    fn renderings(&self) -> Renderings<'_> {
        Renderings { file: self.path.to_str().unwrap_or("haechi.yaml"), text: &self.text }
    }
}
