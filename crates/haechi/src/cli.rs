//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::demo::service::ServiceArgs;

/// Gateway, service registry and config server of a web service that runs as identical clones.
///
/// Start with `haechi demo`: it needs nothing else installed. Then write a file (five lines are enough, see
/// `haechi up --help`), check it with `haechi check` and run it with `haechi up`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// How much is logged to standard error: error, warn, info, debug, or a filter such as haechi_gateway=debug.
    #[arg(long, global = true, env = "HAECHI_LOG", default_value = "warn", value_name = "FILTER")]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play the microproxy demo: config server on git, registry, gateway, and two instances of a service.
    ///
    /// Everything runs on 127.0.0.1 and nothing else needs to be installed. It prints what to try with curl and
    /// narrates what happens; Ctrl-C ends it.
    Demo(DemoArgs),
    /// Run the parts that a configuration file names, in one process.
    #[command(after_long_help = UP_HELP)]
    Up(UpArgs),
    /// Let the binary that is on disk now take over from the one that runs, with no connection refused or cut.
    #[command(after_long_help = UPGRADE_HELP)]
    Upgrade(UpgradeArgs),
    /// Check a configuration file and say everything that is wrong with it.
    ///
    /// Exit code 0: all of it can be served. 1: something is wrong; what can be served is said. 2: the file can't
    /// be read.
    Check(CheckArgs),
    /// Say which route a request takes, with its filters, service and endpoints, and why; the runner-up too.
    ///
    /// Example: haechi explain 'GET /hello/id' -H 'X-Canary: yes'
    Explain(ExplainArgs),
    /// Show how a running Haechi is: parts, services, endpoints, routes, problems.
    ///
    /// Exit code 0: healthy. 1: it has problems. 2: it can't be asked.
    Status(StatusArgs),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Read another program's configuration and print it as Haechi's.
    #[command(subcommand)]
    Import(ImportCommand),
    /// The demo's service; started by `haechi demo`.
    #[command(hide = true)]
    DemoService(ServiceArgs),
}

const UP_HELP: &str = "\
The smallest file:

  gateway:
    listeners: [{ name: web, listen: 0.0.0.0:8080 }]
    routes: [{ name: all, match: { path: /** }, service: app }]
  services:
    app: { endpoints: [127.0.0.1:3000, 127.0.0.1:3001] }

A changed file is applied while serving, and so is SIGHUP. A mistake in it is reported and what served before
serves on. SIGTERM or Ctrl-C drains: nothing new is accepted and what is in flight finishes. SIGUSR2 starts the
binary that is on disk now and lets it take over: see `haechi upgrade --help`. SIGUSR1 says that the access log
was moved away; that is seen within a second without it, too.";

const UPGRADE_HELP: &str = "\
Replace the binary first, at the path from which `haechi up` was started (install(1) and mv(1) do it in one
step; a link may be pointed to another version). The process that runs starts it with the same arguments and
hands it its listening sockets and the registry's state. The new process reads the file, starts, and accepts;
only then the old one accepts nothing more. What is in flight there, WebSockets and downloads too, goes on
until it is done, at most for `upgrade.drain-timeout`. If the new one can't start, for whatever reason, it is
ended and the old one serves on.

The process is found by its configuration file: it listens at .haechi/FILE.sock beside it, for its own user
and root. SIGUSR2 to the process does the same and tells the outcome in its log.

Exit code 0: the new binary serves. 1: it could not start, and the old one serves on. 2: it can't be asked.";

/// `haechi upgrade`
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// The configuration file that the running Haechi was started with.
    #[arg(short, long, value_name = "FILE", default_value = "haechi.yaml")]
    pub file: PathBuf,
}

/// `haechi demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Play the story by itself, show each step's proof, and end; the exit code says whether it held.
    #[arg(long)]
    pub story: bool,
    /// Use six ports in a row from this one (0: six free ones), instead of 8888, 8761, 9999, 9900, 8000 and 8989.
    #[arg(long, value_name = "PORT")]
    pub port_base: Option<u16>,
    /// Keep the demo's git repository and files here (by default in the system's temporary folder, made anew).
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}

/// `haechi up`
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "haechi.yaml")]
    pub file: PathBuf,
}

/// `haechi check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "haechi.yaml")]
    pub file: PathBuf,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `haechi explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Method and path or URL: 'GET /hello/id'. Without a method, GET.
    pub request: String,
    /// A header of the request, `Name: value`; any number.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// Explain by this file instead of asking a running Haechi.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The admin port of the running Haechi.
    #[arg(long, value_name = "URL", default_value = DEFAULT_ADMIN, env = "HAECHI_ADMIN")]
    pub admin: String,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `haechi status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The admin port of the running Haechi.
    #[arg(long, value_name = "URL", default_value = DEFAULT_ADMIN, env = "HAECHI_ADMIN")]
    pub admin: String,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Where the admin port is unless configured otherwise.
pub const DEFAULT_ADMIN: &str = "http://127.0.0.1:9900";

/// `haechi import`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Zuul and Ribbon properties (.properties or .yml) as native YAML on standard output, warnings on standard error.
    Zuul {
        /// The file, for example helloworld-client.properties.
        file: PathBuf,
    },
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}
