//! Peers come from Debian. Installing is left to apt-get, said on standard error.

use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;

/// The path of `program`, installed from Debian's package of the same name when absent.
pub fn ensure(program: &str) -> Result<PathBuf, Error> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    eprintln!("{program} is not installed: apt-get install {program}");
    let status = Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends", program])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::process::Stdio::null())
        .status()?;
    find(program).filter(|_| status.success()).ok_or_else(|| Error::Missing(program.to_owned()))
}

/// Where a program is, in PATH and the folders of system programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders.map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}
