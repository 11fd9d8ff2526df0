//! Ways to the gateway: in the clear, over TLS or a Unix socket, for HTTP/1.1 or HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use haechi_core::Address;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// The name that the certificate is for.
pub const NAME: &str = "bench.local";

/// A connection, whatever is below.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// One way.
#[derive(Clone)]
pub struct Way {
    /// What failures are told with.
    pub name: &'static str,
    pub address: Address,
    tls: Option<TlsConnector>,
}

impl Way {
    /// HTTP/1.1, or HTTP/2 with prior knowledge.
    pub fn clear(name: &'static str, address: impl Into<Address>) -> Self {
        Self { name, address: address.into(), tls: None }
    }

    /// Over TLS with this protocol by ALPN; `certificate` is trusted and nothing else is.
    pub fn tls(
        name: &'static str,
        address: SocketAddr,
        certificate: &CertificateDer<'static>,
        protocol: &[u8],
    ) -> Result<Self, Error> {
        let config = trusting(certificate, protocol)?;
        Ok(Self { name, address: address.into(), tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// Connects.
    pub async fn open(&self) -> io::Result<Box<dyn Io>> {
        let stream: Box<dyn Io> = match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        match &self.tls {
            None => Ok(stream),
            Some(connector) => {
                let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
                Ok(Box::new(connector.connect(name, stream).await?))
            }
        }
    }
}

/// TLS with this protocol by ALPN; `certificate` is trusted and nothing else is.
pub fn trusting(certificate: &CertificateDer<'static>, protocol: &[u8]) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(io::Error::other)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// Writes a certificate that signs itself and its key to `file`.
pub fn certificate(file: &Path) -> Result<CertificateDer<'static>, Error> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(io::Error::other)?;
    std::fs::write(file, made.cert.pem() + &made.signing_key.serialize_pem())?;
    Ok(made.cert.der().clone())
}
