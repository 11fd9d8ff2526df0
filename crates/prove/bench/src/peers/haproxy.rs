//! HAProxy with one thread, connections to the service reused always, `splice-auto` for large bodies.

use std::net::SocketAddr;

use super::{Place, Running, free_address, install, tls_address, version_of};
use crate::error::Error;
use crate::grpc;
use crate::machine::child::Child;

/// Starts it in the foreground. HAProxy can't write a log file by itself; its fastest way to one is
/// standard output sent to a file.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let program = install::or_ensure(place.program, "haproxy")?;
    let address = free_address()?;
    let tls = tls_address(place)?;
    let configuration = configuration(address, tls, place);
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
    let version = version_of(&program, "-v");
    Ok(Running { child, address, http2: address, tls, configuration, version, access_log })
}

fn configuration(address: SocketAddr, tls: Option<SocketAddr>, place: &Place<'_>) -> String {
    let tls = tls.zip(place.certificate).map_or(String::new(), |(tls, file)| {
        format!("\n    bind {tls} backlog 8192 ssl crt {} alpn h2,http/1.1", file.display())
    });
    let (service, grpc, calls) = (place.service, place.grpc, grpc::SERVICE);
    let (log_target, log_format) = if place.log {
        ("log stdout format raw local0 info", "log global\n    option httplog")
    } else {
        ("# no log", "no log")
    };
    format!(
        "global
    nbthread 1
    maxconn 9700
    maxpipes 150
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
    bind {address} backlog 8192{tls}
    use_backend grpc if {{ path_beg {calls} }}
    default_backend app
backend app
    server s1 {service} pool-max-conn -1
backend grpc
    server s1 {grpc} proto h2 pool-max-conn -1
"
    )
}
