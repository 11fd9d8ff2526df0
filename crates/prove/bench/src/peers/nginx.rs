//! nginx with one worker, connections to the service kept alive, a buffered access log, and buffering off
//! for large bodies (its best setting for them).

use super::{Place, Running, free_address, install, version_of};
use crate::error::Error;
use crate::machine::child::Child;

/// Starts it in the foreground.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let program = install::ensure("nginx")?;
    let address = free_address()?;
    let configuration = configuration(address, place);
    let file = place.folder.join("nginx.conf");
    std::fs::write(&file, &configuration)?;
    let args = ["-p".as_ref(), place.folder.as_os_str(), "-c".as_ref(), file.as_os_str()];
    let child = Child::start(&place.core.to_string(), &program, &args, &place.folder.join("output"))?;
    let access_log = place.log.then(|| place.folder.join("access.log"));
    Ok(Running { child, address, configuration, version: version_of(&program, "-v"), access_log })
}

fn configuration(address: std::net::SocketAddr, place: &Place<'_>) -> String {
    let service = place.service;
    let folder = place.folder.display();
    let log = if place.log {
        format!("access_log {folder}/access.log combined buffer=64k flush=1s;")
    } else {
        "access_log off;".to_owned()
    };
    format!(
        "daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 15000; multi_accept on; accept_mutex off; use epoll; }}
http {{
    {log}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    tcp_nodelay on;
    keepalive_timeout 60s;
    keepalive_requests 1000000000;
    upstream app {{ server {service}; keepalive 512; keepalive_requests 1000000000; }}
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_buffer_size 32k;
    proxy_buffers 8 32k;
    server {{
        listen {address} backlog=8192;
        location / {{ proxy_pass http://app; }}
        location = /1m {{ proxy_pass http://app; proxy_buffering off; proxy_buffer_size 128k; proxy_buffers 8 128k; }}
    }}
}}
"
    )
}
