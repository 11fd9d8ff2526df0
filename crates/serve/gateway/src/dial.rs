//! New connections to endpoints.

use std::io;
use std::net::SocketAddr;

use haechi_route::config::Endpoints;
use haechi_tls::{ConnectError, ServerName};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::conn::Conn;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::service::Service;

impl Endpoint {
    /// A plain TCP connection, on which a header of the PROXY protocol goes before anything else. The caller bounds the
    /// time.
    pub async fn dial(&self, header: Option<&[u8]>) -> Result<TcpStream, Failure> {
        let mut stream = TcpStream::connect(self.address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::TimedOut => Failure::ConnectTimeout,
            _ => Failure::Unreachable,
        })?;
        if let Some(header) = header {
            // A new socket takes so few bytes at once. They are no part of a request: whoever got these alone has
            // not seen one.
            stream.write_all(header).await.map_err(|_| Failure::Unreachable)?;
        }
        Ok(stream)
    }
}

impl Service {
    /// Connects to an endpoint, over TLS where the service wants that. The caller bounds the time.
    pub async fn dial(&self, endpoint: &Endpoint, header: Option<&[u8]>) -> Result<Conn, Failure> {
        let stream = endpoint.dial(header).await?;
        let Some(tls) = &self.tls else {
            return Conn::tcp(stream).map_err(|_| Failure::Unreachable);
        };
        stream.set_nodelay(true).map_err(|_| Failure::Unreachable)?;
        let shaken = match self.server_name(endpoint.address) {
            Some(name) => tls.connect(name, stream).await,
            None => Err(ConnectError::NotReady("its name is no host name".to_owned())),
        };
        let stream = shaken.map_err(|error| self.no_tls(endpoint, &error))?;
        endpoint.tls_problem.take();
        Ok(Conn::Tls(Box::new(TlsStream::Client(stream))))
    }

    /// The name that the endpoint's certificate must be for.
    fn server_name(&self, address: SocketAddr) -> Option<ServerName<'static>> {
        let configured = self.config.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
        match (configured, &self.config.endpoints) {
            (Some(name), _) | (None, Endpoints::Dns { host: name, .. }) => {
                ServerName::try_from(name.trim_end_matches('.').to_owned()).ok()
            }
            (None, _) => Some(ServerName::IpAddress(address.ip().into())),
        }
    }

    /// Says once for each endpoint what is wrong, until that changes.
    fn no_tls(&self, endpoint: &Endpoint, error: &ConnectError) -> Failure {
        let why = error.to_string();
        let said = endpoint.tls_problem.replace(Some(why.clone()));
        if said.as_ref() != Some(&why) {
            tracing::warn!(service = %self.name, endpoint = %endpoint.address, why, "no TLS connection");
        }
        match error {
            ConnectError::Certificate(_) => Failure::Certificate,
            ConnectError::NotReady(_) | ConnectError::Handshake(_) => Failure::Handshake,
        }
    }
}
