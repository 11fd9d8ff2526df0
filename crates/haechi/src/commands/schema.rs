//! `haechi schema`.

use std::process::ExitCode;

/// Prints the JSON Schema of the configuration file.
pub fn run() -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&haechi_model::schema())?);
    Ok(ExitCode::SUCCESS)
}
