//! `haechi check`.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{CheckArgs, Format};
use crate::reading::ConfigFile;
use crate::words::count;

/// Runs the command. Diagnostics go to standard error, the verdict to standard output.
pub fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let file = ConfigFile::read(&args.file)?;
    match args.format {
        Format::Json => println!(
            "{}",
            serde_json::to_string_pretty(&json!({
                "file": args.file.display().to_string(),
                "servable": file.lowered().is_some(),
                "diagnostics": file.json(),
            }))?
        ),
        Format::Text => {
            if !file.diagnostics().is_empty() {
                eprintln!("{}", file.rendered());
            }
            println!("{}: {}", args.file.display(), verdict(&file));
        }
    }
    Ok(if file.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn verdict(file: &ConfigFile) -> String {
    let Some(lowered) = file.lowered() else {
        return "it can't be served; mend what is said above".to_owned();
    };
    let mut parts = Vec::new();
    if let Some(gateway) = &lowered.gateway {
        parts.push(format!(
            "a gateway with {}, {} and {}",
            count(gateway.listeners.len(), "listener"),
            count(gateway.routes.len(), "route"),
            count(gateway.services.len(), "service")
        ));
    }
    if lowered.zuul.is_some() {
        parts.push("routes imported from Zuul's properties".to_owned());
    }
    if lowered.registry.is_some() {
        parts.push("a registry".to_owned());
    }
    if lowered.follow.is_some() {
        parts.push("a follower of registries elsewhere".to_owned());
    }
    if lowered.config.is_some() {
        parts.push("a config server".to_owned());
    }
    if lowered.admin.is_some() {
        parts.push("an admin port".to_owned());
    }
    let all = parts.join(", ");
    if file.has_errors() {
        format!("without what is wrong above it would serve {all}")
    } else {
        format!("good; it serves {all}")
    }
}
