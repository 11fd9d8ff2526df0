//! `cargo xtask <check>`: the same checks by hand and in CI.

use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask CHECK...

  fmt      formatting is rustfmt's
  clippy   no warning from clippy or rustc
  deny     licences, sources and doubled crates (cargo-deny)
  test     every test of the workspace
  docs     the documentation builds without a warning
  all      the above, in this order";

fn cargo(args: &[&str], envs: &[(&str, &str)]) -> bool {
    eprintln!("xtask: cargo {}", args.join(" "));
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).envs(envs.iter().copied());
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("xtask: can't start cargo: {error}");
            false
        }
    }
}

fn check(name: &str) -> Option<bool> {
    Some(match name {
        "fmt" => cargo(&["fmt", "--all", "--check"], &[]),
        "clippy" => {
            cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])
        }
        "deny" => cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"], &[]),
        "test" => cargo(&["test", "--workspace", "--quiet"], &[]),
        "docs" => cargo(
            &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        ),
        "all" => ["fmt", "clippy", "deny", "test", "docs"].iter().all(|name| check(name) == Some(true)),
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
