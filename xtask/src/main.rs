//! `cargo xtask <check>`: the same checks by hand and in CI.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

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
  fuzz     the differential fuzz targets for a minute, the others for 20 s (HAECHI_FUZZ_SECONDS: each for so long)
  all      the above, in this order; says how long each took";

/// What `all` does, the quick ones first.
const ALL: &[&str] = &["fmt", "clippy", "deny", "test", "docs", "story", "clients", "instructions", "fuzz"];

/// Seconds of a fuzz target: those that hold our reading against another's find what no other check would.
fn fuzz_seconds(target: &str) -> String {
    let usual = if target.ends_with("_differential") { "60" } else { "20" };
    std::env::var("HAECHI_FUZZ_SECONDS").unwrap_or_else(|_| usual.to_owned())
}

/// Runs every fuzz target for a while, from its corpus. A finding is a file below fuzz/artifacts.
fn fuzz() -> bool {
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
            let time = format!("-max_total_time={}", fuzz_seconds(target));
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
        "all" => all(),
        _ => return None,
    })
}

/// All of them up to the first that fails, and a table of how long each took.
fn all() -> bool {
    let mut times = Vec::new();
    let passed = ALL.iter().all(|name| {
        let (passed, time) = timed(|| check(name) == Some(true));
        times.push((*name, time));
        passed
    });
    eprintln!("{}", table(&times));
    passed
}

#[expect(clippy::disallowed_methods, reason = "how long a person waits, nothing is decided by it")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}

/// A line for each check, and one for their sum.
fn table(times: &[(&str, Duration)]) -> String {
    let sum = ("in all", times.iter().map(|(_, time)| *time).sum());
    let line = |(name, time): &(&str, Duration)| {
        let seconds = time.as_secs();
        format!("xtask: {name:<12} {:>3} min {:>2} s", seconds / 60, seconds % 60)
    };
    times.iter().chain([&sum]).map(line).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_line_up_and_are_summed() {
        let times = [("fmt", Duration::from_secs(2)), ("instructions", Duration::from_secs(659))];
        assert_eq!(
            table(&times),
            "xtask: fmt            0 min  2 s\nxtask: instructions  10 min 59 s\nxtask: in all        11 min  1 s"
        );
    }
}
