//! The program of this workspace as it comes, with one worker: access log to a file, metrics and the retry
//! budget are on.

use super::{Place, Running, free_address, version_of};
use crate::error::Error;
use crate::machine::child::Child;

/// Starts `haechi up`.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    if !place.haechi.is_file() {
        let hint = format!("{} (cargo build --release -p haechi)", place.haechi.display());
        return Err(Error::Missing(hint));
    }
    let address = free_address()?;
    let admin = free_address()?;
    let access_log = place.log.then(|| place.folder.join("access.log"));
    let log = match &access_log {
        Some(path) => format!("{{ file: {}, format: text }}", path.display()),
        None => "off".to_owned(),
    };
    let configuration = format!(
        "admin: {{ listen: {admin} }}
gateway:
  workers: 1
  access-log: {log}
  listeners: [{{ name: web, listen: {address} }}]
  routes: [{{ name: all, match: {{ path: /** }}, service: app }}]
services:
  app: {{ endpoints: [{service}] }}
",
        service = place.service
    );
    let file = place.folder.join("haechi.yaml");
    std::fs::write(&file, &configuration)?;
    let args = ["up".as_ref(), "-f".as_ref(), file.as_os_str()];
    let child = Child::start(place.core, place.haechi, &args, &place.folder.join("output"))?;
    let version = version_of(place.haechi, "--version");
    Ok(Running { child, address, configuration, version, access_log })
}
