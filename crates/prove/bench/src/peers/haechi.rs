//! The program of this workspace, as it comes. It has as many workers as cores.

use std::path::Path;

use super::{Place, Running, free_address, version_of};
use crate::error::Error;
use crate::machine::child::Child;

/// Starts `haechi up` with `configuration` on one core, files and output in `folder`.
pub fn up(core: usize, program: &Path, folder: &Path, configuration: &str) -> Result<Child, Error> {
    start_on(&core.to_string(), program, folder, configuration)
}

/// The same on all cores.
pub fn up_everywhere(program: &Path, folder: &Path, configuration: &str) -> Result<Child, Error> {
    start_on(&online_cores()?, program, folder, configuration)
}

/// All cores of the machine, as a list: `0-3`.
pub fn online_cores() -> Result<String, Error> {
    Ok(std::fs::read_to_string("/sys/devices/system/cpu/online")?.trim().to_owned())
}

fn start_on(cores: &str, program: &Path, folder: &Path, configuration: &str) -> Result<Child, Error> {
    if !program.is_file() {
        return Err(Error::Missing(format!("{} (cargo build --release -p haechi)", program.display())));
    }
    std::fs::create_dir_all(folder)?;
    let file = folder.join("haechi.yaml");
    std::fs::write(&file, configuration)?;
    let args = ["up".as_ref(), "-f".as_ref(), file.as_os_str()];
    Ok(Child::start(cores, program, &args, &folder.join("output"))?)
}

/// The gateway alone: access log to a file, metrics and the retry budget are on.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let address = free_address()?;
    let access_log = place.log.then(|| place.folder.join("access.log"));
    let log = access_log.as_ref().map(|path| format!("  access-log: {{ path: {} }}\n", path.display()));
    let configuration = format!(
        "admin: {{ listen: {admin} }}
gateway:
  listeners: [{{ name: web, listen: {address} }}]
  routes: [{{ name: all, match: {{ path: /** }}, service: app }}]
{log}services:
  app: {{ endpoints: [{service}] }}
",
        admin = free_address()?,
        log = log.unwrap_or_default(),
        service = place.service
    );
    let child = up(place.core, place.haechi, place.folder, &configuration)?;
    Ok(Running { child, address, configuration, version: version_of(place.haechi, "--version"), access_log })
}
