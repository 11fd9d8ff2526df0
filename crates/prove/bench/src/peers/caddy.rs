//! Caddy on one core, connections to the service kept alive, its log in JSON to a file.

use std::net::SocketAddr;

use super::{Place, Running, free_address, install, tls_address, version_of};
use crate::error::Error;
use crate::grpc;
use crate::machine::child::Child;

/// Starts it in the foreground.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let program = install::or_ensure(place.program, "caddy")?;
    let address = free_address()?;
    let tls = tls_address(place)?;
    let configuration = configuration(address, tls, place);
    let file = place.folder.join("Caddyfile");
    std::fs::write(&file, &configuration)?;
    let mut command = std::process::Command::new("taskset");
    command.arg("-c").arg(place.core.to_string()).arg(&program);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
    // Go would otherwise make as many threads busy as the machine has cores, and caddy would keep its state at home.
    command.env("GOMAXPROCS", "1").env("HOME", place.folder).env("XDG_CONFIG_HOME", place.folder);
    command.env("XDG_DATA_HOME", place.folder);
    let child = Child::spawn(command, &place.folder.join("output"))?;
    let access_log = place.log.then(|| place.folder.join("access.log"));
    let version = version_of(&program, "version");
    Ok(Running { child, address, http2: address, tls, configuration, version, access_log })
}

fn configuration(address: SocketAddr, tls: Option<SocketAddr>, place: &Place<'_>) -> String {
    let ip = address.ip();
    let proxy = format!(
        "reverse_proxy {calls}* h2c://{}\n\treverse_proxy {} {{\n\t\ttransport http {{\n\t\t\t\
         keepalive_idle_conns_per_host 512\n\t\t}}\n\t}}",
        place.grpc,
        place.service,
        calls = grpc::SERVICE,
    );
    let log = if place.log {
        format!(
            "log {{\n\t\toutput file {}/access.log {{\n\t\t\troll_disabled\n\t\t}}\n\t}}",
            place.folder.display()
        )
    } else {
        "# no log".to_owned()
    };
    let tls = tls.zip(place.certificate).map_or(String::new(), |(tls, file)| {
        let (port, file) = (tls.port(), file.display());
        format!("https://:{port} {{\n\tbind {ip}\n\ttls {file} {file}\n\t{log}\n\t{proxy}\n}}\n")
    });
    format!(
        "{{
	admin off
	auto_https off
	servers {{
		protocols h1 h2 h2c
	}}
}}
http://:{port} {{
	bind {ip}
	{log}
	{proxy}
}}
{tls}",
        port = address.port(),
    )
}
