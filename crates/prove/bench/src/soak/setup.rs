//! Where the program listens while it is soaked, and the services behind it.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use haechi_core::Address;
use haechi_core::rng::Rng;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::spawn_local;

use super::behind;
use super::seeds::Seeds;
use super::strict::{self, Met};
use crate::backend::{self, Behaviour};
use crate::change::listen::Listener;
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
    /// Passed on; the one behind the second answers wrongly.
    pub udp: SocketAddr,
    pub udp_wrong: SocketAddr,
    /// Listeners that come and go, for TLS with HTTP/3 or without, and for datagrams.
    pub extra_tls: SocketAddr,
    pub extra_udp: SocketAddr,
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
            extra: free_address()?,
            udp: free_address()?,
            udp_wrong: free_address()?,
            extra_tls: free_address()?,
            extra_udp: free_address()?,
            admin: free_address()?,
            registry: free_address()?,
            config: free_address()?,
        })
    }
}

/// The same of Unix sockets.
#[derive(Debug, Clone)]
pub struct Paths {
    pub web: Address,
    /// A listener that comes and goes.
    pub extra: Address,
}

impl Paths {
    /// In this folder.
    pub fn within(folder: &Path) -> Self {
        let at = |name| Address::unix(folder.join(name));
        Self { web: at("web.sock"), extra: at("extra.sock") }
    }
}

/// Where a service has its endpoints, as the file lists them.
#[derive(Debug, Clone)]
pub struct Endpoints(Vec<Address>);

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Address::to_string).collect();
        write!(f, "[{}]", texts.join(", "))
    }
}

/// The services behind it; most listen at a port and a Unix socket.
#[derive(Debug, Clone)]
pub struct Services {
    pub good: Endpoints,
    pub strict: Endpoints,
    pub wrong: Endpoints,
    pub wrong_frames: Endpoints,
    pub grpc: SocketAddr,
    pub tunnel: SocketAddr,
    pub bytes_back: Endpoints,
    /// One at a port, the other at a Unix socket.
    pub back: [Endpoints; 2],
    pub datagrams_back: SocketAddr,
    /// One that answers wrongly, and one where nobody is.
    pub datagrams_wrong: [SocketAddr; 2],
}

impl Services {
    /// Starts them; their Unix sockets are in `folder`.
    pub async fn start(
        folder: &Path,
        seeds: &Rc<Seeds>,
        met: &Rc<Met>,
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        let at = |name: &str| Listener::unix(&folder.join(name));
        let [back_tcp, back_unix] = [Listener::tcp().await?, at("back.sock")?];
        let (grpc, tunnel) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let (sends_back, wrong) =
            (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        let started = Self {
            good: both(at("good.sock")?, |listener| {
                drop(spawn_local(service::serve(listener, 0)));
            })
            .await?,
            strict: both(at("strict.sock")?, |listener| {
                drop(spawn_local(strict::strict(listener, met.clone())));
            })
            .await?,
            wrong: both(at("wrong.sock")?, |listener| {
                drop(spawn_local(behind::wrong(listener, seeds.clone(), rng.fork())));
            })
            .await?,
            wrong_frames: both(at("frames.sock")?, |listener| {
                drop(spawn_local(behind::wrong_frames(listener, rng.fork())));
            })
            .await?,
            bytes_back: both(at("bytes.sock")?, |listener| {
                drop(spawn_local(behind::bytes_back(listener, rng.fork())));
            })
            .await?,
            grpc: grpc.local_addr()?,
            tunnel: tunnel.local_addr()?,
            back: [Endpoints(vec![back_tcp.address()?]), Endpoints(vec![back_unix.address()?])],
            datagrams_back: sends_back.local_addr()?,
            datagrams_wrong: [wrong.local_addr()?, free_address()?],
        };
        spawn_local(behind::grpc(grpc, rng.fork()));
        spawn_local(backend::serve(tunnel, Behaviour::default()));
        spawn_local(strict::back(back_tcp));
        spawn_local(strict::back(back_unix));
        spawn_local(behind::datagrams_back(sends_back));
        let elsewhere = UdpSocket::bind("127.0.0.1:0").await?;
        spawn_local(behind::datagrams_wrong(wrong, elsewhere, rng.fork()));
        Ok(started)
    }
}

/// A service at a port and at this socket.
async fn both(unix: Listener, mut serve: impl FnMut(Listener)) -> Result<Endpoints, Error> {
    let tcp = Listener::tcp().await?;
    let endpoints = Endpoints(vec![tcp.address()?, unix.address()?]);
    serve(tcp);
    serve(unix);
    Ok(endpoints)
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
