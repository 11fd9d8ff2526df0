//! `haechi up`: starts what a file names, keeps it as the file says, and stops it in order.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use haechi_net::notify::{self, State};
use haechi_stream::Event;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use crate::cli::UpArgs;
use crate::process::Process;
use crate::reading::ConfigFile;

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(args: &UpArgs) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let process = start(&args.file).await?;
    let mut live = process.events.subscribe();
    process.events.recent().iter().for_each(say);
    let teller = tokio::spawn(async move {
        loop {
            match live.recv().await {
                Ok(event) => say(&event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    println!("haechi is ready: {}", process.addresses());
    tell(State::Ready);
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => { ended?; break }
            _ = terminate.recv() => break,
            _ = hang_up.recv() => process.reload("SIGHUP").await,
            () = process.file_changed() => process.reload("file changed").await,
        }
    }
    tell(State::Stopping);
    println!("haechi drains");
    process.stop().await;
    teller.abort();
    Ok(ExitCode::SUCCESS)
}

/// Tells on standard error what became of the configuration. Comings and goings of instances are for the console.
fn say(event: &Event) {
    if event.part != "registry" {
        eprintln!("{} {}: {}", event.at, event.part, event.what);
    }
}

/// Reads the file and starts what it names; returns when everything accepts.
pub async fn start(path: &Path) -> anyhow::Result<Arc<Process>> {
    let file = ConfigFile::read(path)?;
    if !file.diagnostics().is_empty() {
        eprintln!("{}", file.rendered());
    }
    if file.lowered().is_none() {
        bail!("{} can't be served as it is", path.display());
    }
    Process::start(file).await
}

/// Tells systemd, if it started us.
fn tell(state: State) {
    if let Err(error) = notify::tell(state) {
        eprintln!("haechi: can't tell the service manager: {error}");
    }
}
