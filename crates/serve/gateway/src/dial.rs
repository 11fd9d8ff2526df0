//! New connections to endpoints.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use haechi_core::Address;
use haechi_route::config::Endpoints;
use haechi_tls::{ConnectError, ServerName};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::conn::Conn;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::service::Service;
use crate::stream::Stream;
use crate::worker::{Worker, is_shortage};

/// How long a Unix socket whose queue is full is left alone at first, and at most. It doubles each time.
const QUEUE_FULL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(64));

impl Endpoint {
    /// A plain connection, on which a header of the PROXY protocol goes before anything else. The caller bounds the
    /// time.
    pub async fn dial(&self, header: Option<&[u8]>, worker: &Worker) -> Result<Stream, Failure> {
        match &self.address {
            Address::Tcp(address) => {
                let connected = match TcpStream::connect(*address).await {
                    // Boxed: it is rare, and its room would be part of every tunnel.
                    Err(error) if is_shortage(&error) => {
                        Box::pin(worker.connect_despite(async || TcpStream::connect(*address).await)).await
                    }
                    connected => connected,
                };
                let mut stream = connected.map_err(|error| why(&error, *address, worker))?;
                introduce(&mut stream, header).await?;
                Ok(Stream::Tcp(stream))
            }
            Address::Unix(path) => {
                // Boxed, so that what rarely waits takes no room in tunnels.
                let connected = match Box::pin(connect_unix(path)).await {
                    Err(error) if is_shortage(&error) => {
                        Box::pin(worker.connect_despite(async || connect_unix(path).await)).await
                    }
                    connected => connected,
                };
                let mut stream = connected.map_err(|error| match error.kind() {
                    _ if is_shortage(&error) => Failure::NoDescriptors,
                    // Without its file, nobody listens either.
                    ErrorKind::ConnectionRefused | ErrorKind::NotFound => Failure::Refused,
                    _ => self.no_socket(&error),
                })?;
                introduce(&mut stream, header).await?;
                Ok(Stream::Unix(stream))
            }
        }
    }

    /// Says once what is wrong with its Unix socket, until that changes.
    fn no_socket(&self, error: &io::Error) -> Failure {
        if self.is_new_problem(&error.to_string()) {
            tracing::warn!(endpoint = %self.address, %error, "can't connect");
        }
        Failure::Unreachable
    }

    /// Whether this was not what was said last.
    fn is_new_problem(&self, why: &str) -> bool {
        self.problem.replace(Some(why.to_owned())).as_deref() != Some(why)
    }
}

/// Connects to a Unix socket. The kernel says at once that its queue is full, where it would wait for TCP; so this waits
/// for it. The caller bounds the time.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let (mut pause, longest) = QUEUE_FULL;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(pause).await,
            connected => return connected,
        }
        pause = (pause * 2).min(longest);
    }
}

/// Sends what comes before anything else.
async fn introduce(stream: &mut (impl AsyncWrite + Unpin), header: Option<&[u8]>) -> Result<(), Failure> {
    let Some(header) = header else { return Ok(()) };
    // A new socket takes so few bytes at once. They are no part of a request: whoever got these alone has not seen one.
    stream.write_all(header).await.map_err(|_| Failure::Unreachable)
}

/// Whose fault it is that there is no connection: a shortage of the gateway's own must not be held against the endpoint.
fn why(error: &io::Error, address: SocketAddr, worker: &Worker) -> Failure {
    let failure = classify(error, address);
    if failure == Failure::NoPort {
        worker.stats.limits.connect_ports.one();
    }
    failure
}

fn classify(error: &io::Error, address: SocketAddr) -> Failure {
    match error.kind() {
        _ if is_shortage(error) => Failure::NoDescriptors,
        ErrorKind::ConnectionRefused => Failure::Refused,
        ErrorKind::TimedOut => Failure::ConnectTimeout,
        // Of IPv6 it may as well mean that this machine has no address to send from, and never will.
        ErrorKind::AddrNotAvailable if address.is_ipv4() => Failure::NoPort,
        _ => Failure::Unreachable,
    }
}

impl Service {
    /// Connects to an endpoint, over TLS where the service wants that. The caller bounds the time.
    pub async fn dial(
        &self,
        endpoint: &Endpoint,
        header: Option<&[u8]>,
        worker: &Worker,
    ) -> Result<Conn, Failure> {
        let stream = endpoint.dial(header, worker).await?;
        let Some(tls) = &self.tls else {
            let conn = stream.into_conn().map_err(|_| Failure::Unreachable)?;
            endpoint.problem.take();
            return Ok(conn);
        };
        let shaken = match (self.server_name(&endpoint.address), stream) {
            (Some(name), Stream::Tcp(stream)) => {
                stream.set_nodelay(true).map_err(|_| Failure::Unreachable)?;
                tls.connect(name, stream).await
            }
            (_, Stream::Unix(_)) => {
                Err(ConnectError::NotReady("no TLS is spoken over a Unix socket".to_owned()))
            }
            (None, _) => Err(ConnectError::NotReady("its name is no host name".to_owned())),
        };
        let stream = shaken.map_err(|error| self.no_tls(endpoint, &error))?;
        endpoint.problem.take();
        Ok(Conn::Tls(Box::new(TlsStream::Client(stream))))
    }

    /// The name that the endpoint's certificate must be for.
    fn server_name(&self, address: &Address) -> Option<ServerName<'static>> {
        let configured = self.config.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
        match (configured, &self.config.endpoints) {
            (Some(name), _) | (None, Endpoints::Dns { host: name, .. }) => {
                ServerName::try_from(name.trim_end_matches('.').to_owned()).ok()
            }
            (None, _) => Some(ServerName::IpAddress(address.tcp()?.ip().into())),
        }
    }

    /// Says once for each endpoint what is wrong, until that changes.
    fn no_tls(&self, endpoint: &Endpoint, error: &ConnectError) -> Failure {
        let why = error.to_string();
        if endpoint.is_new_problem(&why) {
            tracing::warn!(service = %self.name, endpoint = %endpoint.address, why, "no TLS connection");
        }
        match error {
            ConnectError::Certificate(_) => Failure::Certificate,
            ConnectError::NotReady(_) | ConnectError::Handshake(_) => Failure::Handshake,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_shortage_of_the_gateways_own_is_not_the_endpoints_fault() {
        let (v4, v6) = (([192, 0, 2, 1], 80).into(), "[2001:db8::1]:80".parse().unwrap());
        let of = |errno: Errno, address| classify(&errno.into(), address);
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(of(errno, v4), Failure::NoDescriptors);
        }
        assert_eq!((of(Errno::ADDRNOTAVAIL, v4), Failure::NoPort.status()), (Failure::NoPort, 503));
        assert_eq!(of(Errno::ADDRNOTAVAIL, v6), Failure::Unreachable);
        assert_eq!(of(Errno::CONNREFUSED, v4), Failure::Refused);
        assert_eq!(of(Errno::HOSTUNREACH, v4), Failure::Unreachable);
    }
}
