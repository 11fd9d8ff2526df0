//! nginx with one worker, connections to the service kept alive, a buffered access log, and buffering off
//! for large bodies and uploads (its best setting for them).

use std::net::SocketAddr;

use super::{Place, Running, free_address, install, tls_address, version_of};
use crate::error::Error;
use crate::grpc;
use crate::machine::child::Child;

/// Starts it in the foreground.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let program = install::or_ensure(place.program, "nginx")?;
    // In the clear this nginx speaks either HTTP/1.1 or HTTP/2 at an address.
    let (address, http2) = (free_address()?, free_address()?);
    let tls = tls_address(place)?;
    let configuration = configuration(address, http2, tls, place);
    let file = place.folder.join("nginx.conf");
    std::fs::write(&file, &configuration)?;
    let args = ["-p".as_ref(), place.folder.as_os_str(), "-c".as_ref(), file.as_os_str()];
    let child = Child::start(&place.core.to_string(), &program, &args, &place.folder.join("output"))?;
    let access_log = place.log.then(|| place.folder.join("access.log"));
    let version = version_of(&program, "-v");
    Ok(Running { child, address, http2, tls, configuration, version, access_log })
}

fn configuration(
    address: SocketAddr,
    http2: SocketAddr,
    tls: Option<SocketAddr>,
    place: &Place<'_>,
) -> String {
    let tls = tls.zip(place.certificate).map_or(String::new(), |(tls, file)| {
        let file = file.display();
        format!(
            "\n        listen {tls} ssl http2 backlog=8192;\n        ssl_certificate {file};\n        \
             ssl_certificate_key {file};\n        ssl_session_cache shared:tls:10m;"
        )
    });
    let (service, grpc, calls) = (place.service, place.grpc, grpc::SERVICE);
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
    upstream grpc {{ server {grpc}; keepalive 1024; keepalive_requests 1000000000; }}
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_buffer_size 32k;
    proxy_buffers 8 32k;
    server {{
        listen {address} backlog=8192;
        listen {http2} http2 backlog=8192;{tls}
        client_max_body_size 0;
        location = /128 {{ proxy_pass http://app; proxy_request_buffering off; }}
        location / {{ proxy_pass http://app; }}
        location {calls} {{ grpc_pass grpc://grpc; grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}
        location = /ws {{ proxy_pass http://app; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}
        location = /1m {{ proxy_pass http://app; proxy_buffering off; proxy_buffer_size 128k; proxy_buffers 8 128k; }}
    }}
}}
"
    )
}
