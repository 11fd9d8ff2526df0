//! What is wrong with a file, where, and what to do about it.

use haechi_yaml::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Applied, but probably not what was meant.
    Warning,
    /// Not applied: see [`Diagnostic::cost`].
    Error,
}

/// What an error costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: the configuration can be applied as if it weren't there.
    Nothing,
    /// This part is left out, for example ``route `hello` ``; the rest can be applied.
    LeftOut(String),
    /// The file can't be applied.
    Everything,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable name for this kind of mistake: `unknown-key`, `route-tie`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it costs.
    pub cost: Cost,
    /// What is wrong, in one line.
    pub message: String,
    /// A few words at the excerpt, if they add something.
    pub label: Option<String>,
    /// Where.
    pub span: Span,
    /// What to do.
    pub help: Option<String>,
    /// Other places that matter.
    pub notes: Vec<Note>,
}

/// Another place that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is there.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl Diagnostic {
    /// An error; until something narrows it, it costs everything.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            cost: Cost::Everything,
            message: message.into(),
            label: None,
            span,
            help: None,
            notes: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, cost: Cost::Nothing, ..Self::error(code, span, message) }
    }

    /// With words at the excerpt.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With another place.
    #[must_use]
    pub fn note(mut self, span: Span, message: impl Into<String>) -> Self {
        self.notes.push(Note { message: message.into(), span });
        self
    }

    /// It costs this part alone.
    #[must_use]
    pub fn leaving_out(mut self, part: impl Into<String>) -> Self {
        self.cost = Cost::LeftOut(part.into());
        self
    }

    /// It costs nothing.
    #[must_use]
    pub fn harmless(mut self) -> Self {
        self.cost = Cost::Nothing;
        self
    }
}

/// The known word that was most likely meant.
pub(crate) fn did_you_mean<'w>(written: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let folded = fold(written);
    known
        .into_iter()
        .map(|word| (word, if fold(word) == folded { 1.0 } else { similarity(written, word) }))
        .filter(|(_, similarity)| *similarity >= 0.6)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(word, _)| word)
}

/// Edits over length: a typo costs one edit, so short words tolerate one and long ones several.
fn similarity(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

/// `stripPrefix`, `strip_prefix` and `Strip-Prefix` are all `strip-prefix`.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).collect()
}
