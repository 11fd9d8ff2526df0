//! pingora, which is a library: a small proxy on it, `crates/prove/pingora-peer`, with one worker.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Place, Running, free_address, tls_address};
use crate::error::Error;
use crate::machine::child::Child;

/// Starts it in the foreground, building it first where it is not built.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let program = place.program.map_or_else(build, |given| Ok(given.to_owned()))?;
    let address = free_address()?;
    let tls = tls_address(place)?;
    let access_log = place.log.then(|| place.folder.join("access.log"));
    let mut command = Command::new("taskset");
    command.arg("-c").arg(place.core.to_string()).arg(&program);
    command.args(["--listen", &address.to_string(), "--service", &place.service.to_string()]);
    if let Some(file) = &access_log {
        command.arg("--log").arg(file);
    }
    if let (Some(tls), Some(file)) = (tls, place.certificate) {
        command.args(["--tls", &tls.to_string(), "--certificate"]).arg(file);
    }
    let configuration = format!("{command:?}\n");
    let child = Child::spawn(command, &place.folder.join("output"))?;
    Ok(Running { child, address, http2: address, tls, configuration, version: version()?, access_log })
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pingora-peer")
}

/// Builds the proxy; cargo does nothing where it is built already.
fn build() -> Result<PathBuf, Error> {
    let target = source().join("../../../target/pingora-peer");
    let program = target.join("release/pingora-peer");
    if !program.is_file() {
        eprintln!("pingora's proxy is not built: cargo build, into {}; it takes minutes", target.display());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--manifest-path"]).arg(source().join("Cargo.toml"));
    let status = cargo.arg("--target-dir").arg(&target).stdout(Stdio::null()).status()?;
    if status.success() { Ok(program) } else { Err(Error::Missing("pingora-peer".to_owned())) }
}

/// The version of pingora that it is built with.
fn version() -> Result<String, Error> {
    let lock = std::fs::read_to_string(source().join("Cargo.lock"))?;
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"pingora-proxy\"");
    let version = lines.nth(1).and_then(|line| line.split('"').nth(1));
    Ok(format!("pingora-proxy {}", version.unwrap_or("of unknown version")))
}
