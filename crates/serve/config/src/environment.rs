//! An application's configuration, put together from all sources.

use std::sync::Arc;

use haechi_props::{Entry, IndexMap, Placeholders, Properties, PropertySource, Value, overlay, resolve};

use crate::checkout::{Checkout, Place, Question};
use crate::cipher::Cipher;
use crate::error::Error;

/// The name of the source that no other can override; clients know it.
pub(crate) const OVERRIDES: &str = "overrides";

/// The property sources of an application, decrypted, with overrides.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The applications as asked for.
    pub name: String,
    /// The profiles as asked for.
    pub profiles: String,
    /// The label as asked for; none if none was.
    pub label: Option<String>,
    /// The commit, where there is exactly one source of configuration.
    pub version: Option<String>,
    /// `""` for git, as Spring has it.
    pub state: Option<&'static str>,
    /// Highest precedence first.
    pub sources: Vec<PropertySource>,
    /// Files that are broken and served in their last good version.
    pub warnings: Vec<String>,
}

impl Environment {
    /// The effective value of every key, placeholders resolved.
    pub fn flat(&self) -> Result<IndexMap<String, Value>, Error> {
        let placeholders = Placeholders::new(&self.sources);
        let mut flat = overlay(&self.sources);
        for value in flat.values_mut() {
            if let Value::Text(text) = value {
                *text = placeholders.resolve_value(text).map_err(|e| Error::Placeholder(e.to_string()))?;
            }
        }
        Ok(flat)
    }
}

/// What one source of configuration has for a question.
pub(crate) struct Found {
    /// One per label, in the order of lookup.
    pub checkouts: Vec<Checkout>,
    /// What the version says, where that isn't the commits.
    pub version: Option<String>,
}

impl Found {
    /// The commits in the order in which labels were asked for, and the state that goes with them.
    fn version(&self) -> (Option<String>, Option<&'static str>) {
        let git = self.checkouts.iter().all(|c| matches!(c.place, Place::Git { .. }));
        if !git {
            return (self.version.clone(), None);
        }
        let commits: Vec<_> =
            self.checkouts.iter().rev().map(|c| c.version.snapshot.commit.as_str()).collect();
        (Some(commits.join(",")), Some(""))
    }
}

/// Puts together what was found, highest precedence first.
pub(crate) fn assemble(
    question: &Question,
    found: &[Found],
    cipher: &Cipher,
    overrides: &IndexMap<String, Value>,
) -> Result<Environment, Error> {
    let mut sources = Vec::new();
    let (mut failures, mut warnings) = (Vec::new(), Vec::new());
    for checkout in found.iter().flat_map(|found| &found.checkouts) {
        let resolution = resolve(&checkout.request(question), &checkout.version.served);
        for problem in &checkout.version.problems {
            if resolution.sources.iter().any(|source| source.path == problem.file) {
                warnings.push(problem.to_string());
            }
        }
        failures.extend(resolution.failures);
        sources.extend(resolution.sources);
    }
    if !failures.is_empty() {
        return Err(Error::Broken(failures));
    }
    cipher.decrypt(&mut sources);
    if !overrides.is_empty() {
        sources.insert(0, overriding(overrides));
    }
    let (version, state) = match found {
        [only] => only.version(),
        _ => (None, None),
    };
    Ok(Environment {
        name: question.name.clone(),
        profiles: question.profile.clone(),
        label: question.label.clone(),
        version,
        state,
        sources,
        warnings,
    })
}

/// The first source. `\{` and `\${` stand for `{` and `${`, so that a
/// placeholder can be left for the client to resolve.
fn overriding(overrides: &IndexMap<String, Value>) -> PropertySource {
    let properties: Properties = overrides
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Text(text) => Value::Text(text.replace("\\{", "{").replace("\\$", "$")),
                other => other.clone(),
            };
            (key.clone(), Entry { value, origin: None })
        })
        .collect();
    PropertySource { name: OVERRIDES.into(), path: String::new(), source: Arc::new(properties) }
}
