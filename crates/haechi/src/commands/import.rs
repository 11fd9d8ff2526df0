//! `haechi import zuul`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use haechi_props::{IndexMap, Limits};

/// Prints a Zuul application's properties as native YAML; warnings go to standard error.
pub fn zuul(path: &Path) -> anyhow::Result<ExitCode> {
    let name = path.file_name().and_then(|name| name.to_str()).context("name a file")?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let bytes = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let documents = haechi_props::read_file(name, &bytes, &Limits::default())
        .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let mut flat: IndexMap<String, String> = IndexMap::new();
    for document in documents {
        flat.extend(document.into_iter().map(|(key, entry)| (key, entry.value.to_string())));
    }
    if flat.is_empty() {
        bail!("{} has no properties", path.display());
    }
    let import = haechi_zuul::import(stem, &flat, &[]);
    for warning in &import.warnings {
        eprintln!("warning: {warning}");
    }
    print!("{}", haechi_zuul::to_yaml(&import));
    Ok(ExitCode::SUCCESS)
}
