//! `haechi upgrade`: asks the process that runs a file to let the binary on disk take over.

use std::process::ExitCode;

use crate::cli::UpgradeArgs;
use crate::process::state_folder;
use crate::upgrade::control::{self, Line};

/// Runs the command.
pub async fn run(args: &UpgradeArgs) -> anyhow::Result<ExitCode> {
    let path = control::path_of(&state_folder(&args.file), &args.file);
    Ok(match control::ask(&path, |text| println!("{text}")).await? {
        Line::Said(text) | Line::Done(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Line::Failed(why) => {
            eprintln!("haechi: {why}");
            ExitCode::FAILURE
        }
    })
}
