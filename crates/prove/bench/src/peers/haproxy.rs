//! HAProxy with one thread, connections to the service reused always, `splice-auto` for large bodies.

use super::{Place, Running, free_address, install, version_of};
use crate::error::Error;
use crate::machine::child::Child;

/// Starts it in the foreground. HAProxy can't write a log file by itself; its fastest way to one is
/// standard output sent to a file.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let program = install::ensure("haproxy")?;
    let address = free_address()?;
    let configuration = configuration(address, place);
    let file = place.folder.join("haproxy.cfg");
    std::fs::write(&file, &configuration)?;
    let output = place.folder.join("output");
    let child = Child::start(
        &place.core.to_string(),
        &program,
        &["-db".as_ref(), "-f".as_ref(), file.as_os_str()],
        &output,
    )?;
    let access_log = place.log.then_some(output);
    Ok(Running { child, address, configuration, version: version_of(&program, "-v"), access_log })
}

fn configuration(address: std::net::SocketAddr, place: &Place<'_>) -> String {
    let service = place.service;
    let (log_target, log_format) = if place.log {
        ("log stdout format raw local0 info", "log global\n    option httplog")
    } else {
        ("# no log", "no log")
    };
    format!(
        "global
    nbthread 1
    maxconn 7000
    tune.pipesize 524288
    {log_target}
defaults
    mode http
    {log_format}
    option http-keep-alive
    http-reuse always
    option splice-auto
    option forwardfor
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend web
    bind {address} backlog 8192
    default_backend app
backend app
    server s1 {service} pool-max-conn -1
"
    )
}
