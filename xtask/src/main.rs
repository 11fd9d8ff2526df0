//! `cargo xtask <check>`: the same checks by hand and in CI.

use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask CHECK...

  fmt      formatting is rustfmt's
  clippy   no warning from clippy or rustc
  deny     licences, sources and doubled crates (cargo-deny)
  test     every test of the workspace
  docs     the documentation builds without a warning
  story    the demo's story on the release binary
  clients  real, unmodified clients and Spring Boot applications, beside the originals' recorded answers
  instructions  instructions a request, by callgrind, are not more than kept
  fuzz     every fuzz target for a minute (HAECHI_FUZZ_SECONDS changes that)
  all      the above, in this order";

/// What `all` does, the quick ones first.
const ALL: &[&str] = &["fmt", "clippy", "deny", "test", "docs", "story", "clients", "instructions", "fuzz"];

/// Runs every fuzz target for a while, from its corpus. A finding is a file below fuzz/artifacts.
fn fuzz() -> bool {
    let seconds = std::env::var("HAECHI_FUZZ_SECONDS").unwrap_or_else(|_| "60".to_owned());
    let time = format!("-max_total_time={seconds}");
    let Ok(folder) = std::fs::read_dir("fuzz/fuzz_targets") else {
        eprintln!("xtask: run it from the project's root");
        return false;
    };
    let mut targets: Vec<String> =
        folder.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned)).collect();
    targets.sort();
    // The fuzzer's instrumentation is behind a switch that a stable compiler takes only so.
    let stable = [("RUSTC_BOOTSTRAP", "1")];
    !targets.is_empty()
        && targets.iter().all(|target| {
            cargo(&["fuzz", "run", "--sanitizer", "none", target, "--", &time, "-rss_limit_mb=2048"], &stable)
        })
}

/// The scripts change folders, so they get the release binary by its whole name.
fn clients() -> bool {
    match std::path::absolute("target/release/haechi") {
        Ok(binary) => run(Command::new(".ci/real-clients").env("HAECHI_BIN", binary)),
        Err(error) => {
            eprintln!("xtask: {error}");
            false
        }
    }
}

fn run(command: &mut Command) -> bool {
    eprintln!("xtask: {command:?}");
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("xtask: can't start it: {error}");
            false
        }
    }
}

fn cargo(args: &[&str], envs: &[(&str, &str)]) -> bool {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    run(command.args(args).envs(envs.iter().copied()))
}

fn check(name: &str) -> Option<bool> {
    Some(match name {
        "fmt" => cargo(&["fmt", "--all", "--check"], &[]),
        "clippy" => {
            cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])
        }
        "deny" => cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"], &[]),
        "test" => cargo(&["test", "--workspace", "--quiet", "--no-fail-fast"], &[]),
        "docs" => cargo(
            &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"],
            &[(
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links -A rustdoc::redundant_explicit_links",
            )],
        ),
        "story" => {
            cargo(&["build", "--release", "--quiet", "--package", "haechi"], &[])
                && run(Command::new("target/release/haechi").args(["demo", "--story", "--port-base", "0"]))
        }
        "clients" => clients(),
        "instructions" => {
            cargo(&["build", "--release", "--quiet", "--package", "haechi", "--package", "haechi-bench"], &[])
                && run(Command::new("target/release/haechi-bench").arg("instructions"))
        }
        "fuzz" => fuzz(),
        "all" => ALL.iter().all(|name| check(name) == Some(true)),
        _ => return None,
    })
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() || names.iter().any(|n| n == "--help" || n == "help") {
        println!("{HELP}");
        return if names.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    for name in &names {
        match check(name) {
            Some(true) => {}
            Some(false) => {
                eprintln!("xtask: {name} failed");
                return ExitCode::FAILURE;
            }
            None => {
                eprintln!("xtask: no check is called {name:?}\n\n{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}
