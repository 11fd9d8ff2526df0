//! What the program serves while it is soaked: every part and every kind of listener and service, in a file that says
//! something else with each version.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use haechi_core::rng::Rng;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use super::behind::{self, Met};
use super::seeds::Seeds;
use crate::backend::{self, Behaviour};
use crate::change::service;
use crate::error::Error;
use crate::peers::free_address;

/// The gateway's certificate with its key, beside its file.
pub const CERTIFICATE: &str = "certificate.pem";

/// Where the program listens.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    pub web: SocketAddr,
    pub tls: SocketAddr,
    /// Behind another proxy.
    pub proxied: SocketAddr,
    pub tcp: SocketAddr,
    /// TLS passed on by name.
    pub sni: SocketAddr,
    /// A listener that comes and goes.
    pub extra: SocketAddr,
    pub admin: SocketAddr,
    pub registry: SocketAddr,
    pub config: SocketAddr,
}

impl Places {
    /// Addresses that nothing listens at.
    pub fn free() -> Result<Self, Error> {
        Ok(Self {
            web: free_address()?,
            tls: free_address()?,
            proxied: free_address()?,
            tcp: free_address()?,
            sni: free_address()?,
            // No connection begins at this address, so that none has the port while nothing listens.
            extra: std::net::TcpListener::bind("127.0.1.1:0")?.local_addr()?,
            admin: free_address()?,
            registry: free_address()?,
            config: free_address()?,
        })
    }
}

/// The services behind it.
#[derive(Debug, Clone, Copy)]
pub struct Services {
    good: SocketAddr,
    strict: SocketAddr,
    wrong: SocketAddr,
    wrong_frames: SocketAddr,
    grpc: SocketAddr,
    tunnel: SocketAddr,
    bytes_back: SocketAddr,
}

impl Services {
    /// Starts them.
    pub async fn start(seeds: &Rc<Seeds>, met: &Rc<Met>, rng: &mut Rng) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for _ in 0..7 {
            listeners.push(TcpListener::bind("127.0.0.1:0").await?);
        }
        let mut at = |start: &mut dyn FnMut(TcpListener)| {
            let listener = listeners.pop().ok_or_else(|| Error::Missing("a listener".to_owned()))?;
            let address = listener.local_addr()?;
            start(listener);
            Ok::<_, Error>(address)
        };
        let mut spawned = rng.fork();
        Ok(Self {
            good: at(&mut |listener| drop(spawn_local(service::serve(listener, 0))))?,
            strict: at(&mut |listener| drop(spawn_local(behind::strict(listener, met.clone()))))?,
            wrong: at(&mut |listener| {
                drop(spawn_local(behind::wrong(listener, seeds.clone(), spawned.fork())));
            })?,
            wrong_frames: at(&mut |listener| {
                drop(spawn_local(behind::wrong_frames(listener, spawned.fork())));
            })?,
            grpc: at(&mut |listener| drop(spawn_local(behind::grpc(listener, spawned.fork()))))?,
            tunnel: at(&mut |listener| {
                drop(spawn_local(backend::serve(listener, Behaviour::default())));
            })?,
            bytes_back: at(&mut |listener| drop(spawn_local(behind::bytes_back(listener, spawned.fork()))))?,
        })
    }
}

/// The folders that it reads.
pub fn folders(folder: &Path) -> Result<(), Error> {
    for (name, text) in [
        ("files/page.html", "<html>a page</html>".repeat(100)),
        ("files/deep/large.txt", "0123456789abcdef".repeat(20_000)),
        ("properties/application.yml", "a:\n  b: [1, 2]\n  c: ${d:e}\n".to_owned()),
        ("properties/myapp-dev.properties", "message=Hello\nx.y=z\n".to_owned()),
    ] {
        let file = folder.join(name);
        if let Some(above) = file.parent() {
            std::fs::create_dir_all(above)?;
        }
        std::fs::write(file, text)?;
    }
    Ok(())
}

/// The file of this version. What good clients use stays; beside it things change, come and go.
pub fn configuration(places: &Places, services: &Services, version: u32) -> String {
    let Places { web, tls, proxied, tcp, sni, extra, admin, registry, config } = places;
    let Services { good, strict, wrong, wrong_frames, grpc, tunnel, bytes_back } = services;
    let (odd, third) = (version % 2 == 1, version % 3);
    let extra = if odd { format!("    - {{ name: extra, listen: {extra} }}\n") } else { String::new() };
    // Left out by turns, so that both an endpoint that is left out and one that never is are met.
    let eject = third == 0;
    let streams = 16 << third;
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
    - {{ name: tls, listen: {tls}, tls: {{ certificates: [{CERTIFICATE}] }} }}
    - {{ name: proxied, listen: {proxied}, proxy-protocol: {{}} }}
    - {{ name: tcp, listen: {tcp}, protocol: tcp }}
    - {{ name: sni, listen: {sni}, protocol: tls }}
{extra}  access-log: {{ path: access.log, format: json }}
  limits: {{ connections-per-address: 1000, http2-streams: {streams}, head-timeout: 3s, handshake-timeout: 3s }}
  tcp-routes: [{{ name: tcp, listener: tcp, service: bytes-back, timeouts: {{ idle: 5s }} }}]
  tls-routes:
    - {{ name: named, listener: sni, hosts: [bench.local], service: bytes-back, timeouts: {{ idle: 5s }} }}
    - {{ name: others, listener: sni, service: tunnel, timeouts: {{ idle: 5s }} }}
  routes:
    - {{ name: version, match: {{ path: /version }}, respond: {{ status: 200, body: \"{version:08}\" }} }}
    - {{ name: small, match: {{ path: /small }}, service: good }}
    - {{ name: echo, match: {{ path: /echo }}, service: good }}
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
  good: {{ endpoints: [{good}] }}
  strict: {{ endpoints: [{strict}] }}
  wrong: {{ endpoints: [{wrong}], ejection: {{ enabled: {eject} }}, protocol: http1 }}
  wrong-frames: {{ endpoints: [{wrong_frames}], ejection: {{ enabled: {eject} }}, protocol: h2 }}
  grpc: {{ endpoints: [{grpc}], protocol: h2 }}
  tunnel: {{ endpoints: [{tunnel}] }}
  bytes-back: {{ endpoints: [{bytes_back}] }}
  registered: {{ endpoints: {{ registry: DEMO }} }}
"
    )
}
