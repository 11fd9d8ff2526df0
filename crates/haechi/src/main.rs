//! The `haechi` command.

mod cli;
mod commands;
mod demo;
mod panics;
mod process;
mod reading;
mod up;
mod upgrade;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, ImportCommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads of the control plane. The gateway's workers have their own.
const CONTROL_THREADS: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = log_to_stderr(&cli.log) {
        eprintln!("haechi: {}", words::error(&error));
        return ExitCode::from(2);
    }
    panics::count();
    allow_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(&cli.command));
            // A blocking thread may still hang on a dead remote; the process does not wait for it.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("haechi: {}", words::error(&error));
        ExitCode::from(2)
    })
}

/// Raises the soft limit of open files to the hard one: every part of the process draws on it, and a soft limit of
/// 1024, kept low for programs that use select(2), would let slow clients of one part stop the others.
fn allow_open_files() {
    let now = getrlimit(Resource::Nofile);
    // Where it is not allowed the limit stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}

async fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Up(args) => up::run(args).await,
        Command::Upgrade(args) => commands::upgrade::run(args).await,
        Command::Check(args) => commands::check::run(args),
        Command::Explain(args) => commands::explain::run(args).await,
        Command::Status(args) => commands::status::run(args).await,
        Command::Schema => commands::schema::run(),
        Command::Import(ImportCommand::Zuul { file }) => commands::import::zuul(file),
        Command::DemoService(args) => demo::service::run(args.clone()).await.map(|()| ExitCode::SUCCESS),
    }
}

fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    // What h2 warns of is what peers sent: a line for each would let them fill the log.
    let filter = tracing_subscriber::EnvFilter::builder()
        .parse(format!("h2=error,{filter}"))
        .map_err(|error| anyhow::anyhow!("--log {filter:?} is no filter: {error}"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
