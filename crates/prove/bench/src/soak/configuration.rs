//! What the program serves while it is soaked: every part and every kind of listener and service, in a file that says
//! something else with each version.

use super::setup::{CERTIFICATE, Paths, Places, Services};

/// Sessions of UDP, of each worker.
pub const SESSIONS: usize = 300;

/// The file of this version. What good clients use stays; beside it things change, come and go.
pub fn configuration(places: &Places, paths: &Paths, services: &Services, version: u32) -> String {
    let Places { web, tls, proxied, tcp, sni, udp, udp_wrong, admin, registry, config, .. } = places;
    let Services { good, strict, wrong, wrong_frames, grpc, tunnel, bytes_back, .. } = services;
    let Services { back: [back_tcp, back_unix], datagrams_back, datagrams_wrong, .. } = services;
    let [datagrams_wrong, nobody] = datagrams_wrong;
    let unix = &paths.web;
    let (odd, third) = (version % 2 == 1, version % 3);
    let (extra, extra_routes) = extra(places, paths, version);
    // Left out by turns, so that both an endpoint that is left out and one that never is are met.
    let eject = third == 0;
    let (streams, idle) = (16 << third, 1 + third);
    format!(
        "admin: {{ listen: {admin} }}
registry:
  listen: {registry}
  max-instances: 2000
  lease: {{ duration: 9s, renewal-interval: 3s }}
  self-preservation: {{ enabled: false }}
  delta-retention: 10s
config:
  listen: {config}
  native: {{ locations: [properties, \"properties/{{application}}\"] }}
  encrypt: {{ key: a-key }}
gateway:
  listeners:
    - {{ name: web, listen: {web} }}
    - {{ name: tls, listen: {tls}, http3: true, tls: {{ certificates: [{CERTIFICATE}] }} }}
    - {{ name: unix, listen: \"{unix}\" }}
    - {{ name: proxied, listen: {proxied}, proxy-protocol: {{}} }}
    - {{ name: tcp, listen: {tcp}, protocol: tcp }}
    - {{ name: sni, listen: {sni}, protocol: tls }}
    - {{ name: udp, listen: {udp}, protocol: udp }}
    - {{ name: udp-wrong, listen: {udp_wrong}, protocol: udp }}
{extra}  access-log: {{ path: access.log, format: json }}
  limits:
    connections-per-address: 1000
    head-timeout: 3s
    handshake-timeout: 3s
    handshakes: 1000
    http2-streams: {streams}
    http3-streams: {streams}
    udp-sessions: {SESSIONS}
  tcp-routes: [{{ name: tcp, listener: tcp, service: bytes-back, timeouts: {{ idle: 5s }} }}]
  tls-routes:
    - {{ name: named, listener: sni, hosts: [bench.local], service: bytes-back, timeouts: {{ idle: 5s }} }}
    - {{ name: others, listener: sni, service: tunnel, timeouts: {{ idle: 5s }} }}
  udp-routes:
    - {{ name: datagrams, listener: udp, service: datagrams-back, timeouts: {{ idle: 5s }} }}
    - {{ name: wrong-datagrams, listener: udp-wrong, service: datagrams-wrong, timeouts: {{ idle: {idle}s }} }}
{extra_routes}  routes:
    - {{ name: version, match: {{ path: /version }}, respond: {{ status: 200, body: \"{version:08}\" }} }}
    - {{ name: small, match: {{ path: /small }}, service: good }}
    - {{ name: echo, match: {{ path: /echo }}, service: good }}
    - {{ name: back-tcp, match: {{ path: /back/tcp }}, service: back-tcp }}
    - {{ name: back-unix, match: {{ path: /back/unix }}, service: back-unix }}
    - {{ name: wrong, match: {{ path: /bad/** }}, service: wrong, timeouts: {{ first-byte: 1s, idle: 2s }} }}
    - {{ name: frames, match: {{ path: /frames/** }}, service: wrong-frames, timeouts: {{ first-byte: 1s, idle: 2s }} }}
    - {{ name: grpc, match: {{ path: /grpc/** }}, service: grpc }}
    - {{ name: tunnel, match: {{ path: /tunnel/** }}, service: tunnel }}
    - {{ name: files, match: {{ path: /files/** }}, strip-prefix: /files, files: {{ root: files, listing: {odd} }} }}
    - {{ name: text, match: {{ path: /text/** }}, filters: [{{ compress: {{}} }}], service: strict }}
    - {{ name: registered, match: {{ path: /only-in-this-file/{third} }}, service: registered }}
    - {{ name: turn-{version}, match: {{ path: /turn/{version}/** }}, redirect: {{ path: /case, status: 307 }} }}
    - {{ name: all, match: {{ path: /** }}, service: strict }}
services:
  good: {{ endpoints: {good} }}
  strict: {{ endpoints: {strict} }}
  wrong: {{ endpoints: {wrong}, ejection: {{ enabled: {eject} }}, protocol: http1 }}
  wrong-frames: {{ endpoints: {wrong_frames}, ejection: {{ enabled: {eject} }}, protocol: h2 }}
  grpc: {{ endpoints: [{grpc}], protocol: h2 }}
  tunnel: {{ endpoints: [{tunnel}] }}
  bytes-back: {{ endpoints: {bytes_back} }}
  back-tcp: {{ endpoints: {back_tcp} }}
  back-unix: {{ endpoints: {back_unix} }}
  datagrams-back: {{ endpoints: [{datagrams_back}] }}
  datagrams-wrong: {{ endpoints: [{datagrams_wrong}, {nobody}] }}
  registered: {{ endpoints: {{ registry: DEMO }} }}
"
    )
}

/// Listeners that come and go, speak HTTP/3 or don't, or have another name at the same place; and the routes of those for
/// datagrams.
fn extra(places: &Places, paths: &Paths, version: u32) -> (String, String) {
    let Places { extra, extra_tls, extra_udp, .. } = places;
    let (mut listeners, mut routes) = (Vec::new(), Vec::new());
    if version % 2 == 1 {
        listeners.push(format!("    - {{ name: extra, listen: {extra} }}\n"));
    }
    let tls = format!("listen: {extra_tls}, tls: {{ certificates: [{CERTIFICATE}] }}");
    listeners.push(match version % 4 {
        0 => String::new(),
        1 => format!("    - {{ name: extra-tls, {tls} }}\n"),
        2 => format!("    - {{ name: extra-tls, {tls}, http3: true }}\n"),
        _ => format!("    - {{ name: extra-http3, {tls}, http3: true }}\n"),
    });
    let udp = match version % 5 {
        0 => None,
        1 | 2 => Some(("extra-udp", "datagrams-back")),
        3 => Some(("extra-datagrams", "datagrams-back")),
        _ => Some(("extra-datagrams", "datagrams-wrong")),
    };
    if let Some((name, service)) = udp {
        listeners.push(format!("    - {{ name: {name}, listen: {extra_udp}, protocol: udp }}\n"));
        routes.push(format!(
            "    - {{ name: {name}, listener: {name}, service: {service}, timeouts: {{ idle: 5s }} }}\n"
        ));
    }
    let unix = match version % 5 {
        0 => None,
        1 => Some(("extra-unix", "600")),
        2 | 3 => Some(("extra-unix", "660")),
        _ => Some(("extra-socket", "666")),
    };
    if let Some((name, mode)) = unix {
        let path = &paths.extra;
        listeners.push(format!("    - {{ name: {name}, listen: \"{path}\", mode: \"{mode}\" }}\n"));
    }
    (listeners.concat(), routes.concat())
}
