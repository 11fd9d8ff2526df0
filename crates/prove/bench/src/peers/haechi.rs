//! The program of this workspace, as it comes. It has as many workers as cores.

use std::net::SocketAddr;
use std::path::Path;

use super::{Place, Running, free_address, tls_address, version_of};
use crate::error::Error;
use crate::grpc;
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
    let tls = tls_address(place)?;
    let tls_listener = tls.zip(place.certificate);
    let services = (place.service, Some(place.grpc));
    let configuration = configuration(address, tls_listener, services, access_log.as_deref())?;
    let program = place.program.map_or_else(crate::haechi_beside_this, Path::to_owned);
    let child = up(place.core, &program, place.folder, &configuration)?;
    let version = version_of(&program, "--version");
    Ok(Running { child, address, http2: address, tls, configuration, version, access_log })
}

/// A route to the service of gRPC, where there is one, and one for all else.
pub fn configuration(
    address: SocketAddr,
    tls: Option<(SocketAddr, &Path)>,
    (service, grpc): (SocketAddr, Option<SocketAddr>),
    access_log: Option<&Path>,
) -> Result<String, Error> {
    let tls = tls.map_or(String::new(), |(tls, file)| {
        format!(", {{ name: tls, listen: {tls}, tls: {{ certificates: [{}] }} }}", file.display())
    });
    let log = access_log.map(|path| format!("  access-log: {{ path: {} }}\n", path.display()));
    let (route, called) = grpc.map_or_else(Default::default, |service| {
        let route =
            format!("\n    - {{ name: grpc, match: {{ path: {}** }}, service: grpc }}", grpc::SERVICE);
        (route, format!("  grpc: {{ endpoints: [{service}], protocol: h2 }}\n"))
    });
    Ok(format!(
        "admin: {{ listen: {admin} }}
gateway:
  listeners: [{{ name: web, listen: {address} }}{tls}]
  routes:{route}
    - {{ name: all, match: {{ path: /** }}, service: app }}
{log}services:
  app: {{ endpoints: [{service}] }}
{called}",
        admin = free_address()?,
        log = log.unwrap_or_default(),
    ))
}
