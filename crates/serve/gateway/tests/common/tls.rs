//! Certificates made for a test, and clients and services that speak TLS.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_route::config::{self, Tls, TlsVersion, UnknownName};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A CA, and a folder with what it issued.
pub struct Ca {
    pub folder: tempfile::TempDir,
    pub issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Issued {
    pub chain: String,
    pub key: KeyPair,
    pub der: CertificateDer<'static>,
}

impl Ca {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Issues a certificate for these names.
    pub fn issue(&self, names: &[&str], serial: u8) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        params.serial_number = Some(vec![serial].into());
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            });
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: certificate.pem(), der: certificate.der().clone(), key }
    }

    /// Issues one and writes it, with its key, to a file of this name.
    pub fn write(&self, file: &str, names: &[&str], serial: u8) -> PathBuf {
        let issued = self.issue(names, serial);
        let path = self.path(file);
        std::fs::write(&path, format!("{}{}", issued.chain, issued.key.serialize_pem())).unwrap();
        path
    }

    /// A list that revokes these serial numbers.
    pub fn revoke(&self, serials: &[u8]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: vec![*serial].into(),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2036, 1, 1),
            crl_number: vec![1].into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// A client that trusts this CA and shows a certificate, if there is one.
    pub fn client(&self, own: Option<&Issued>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        Arc::new(match own {
            Some(own) => builder.with_client_auth_cert(vec![own.der.clone()], own.private()).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }
}

impl Issued {
    pub fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A certificate whose chain and key are in one file.
pub fn pem(path: &Path) -> config::Certificate {
    config::Certificate { chain: path.to_owned(), key: path.to_owned(), ocsp: None }
}

pub fn tls(certificates: &[&Path]) -> Tls {
    Tls {
        certificates: certificates.iter().map(|path| pem(path)).collect(),
        acme: None,
        unknown_name: UnknownName::First,
        min_version: TlsVersion::Tls12,
        client: None,
        hsts: None,
    }
}

/// Connects, naming this host.
pub async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(config.clone()).connect(name, stream).await
}

/// Sends a GET and reads until the answer's text ends with what is expected, or the connection ends. In TLS 1.3
/// a client learns only now that its certificate was refused.
pub async fn get(stream: &mut TlsStream<TcpStream>, host: &str, until: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(until.as_bytes()) {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// The serial number of the peer's certificate.
pub fn serial(stream: &TlsStream<TcpStream>) -> u8 {
    serial_of(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

/// A certificate's serial number: its last byte in DER stands behind `02 01`.
pub fn serial_of(certificate: &CertificateDer<'_>) -> u8 {
    let at = certificate.windows(2).position(|pair| pair == [2, 1]).unwrap();
    // Version 3 is tagged first (`a0 03 02 01 02`); the serial follows it.
    let rest = &certificate[at + 3..];
    assert_eq!(&rest[..2], &[2, 1]);
    rest[2]
}

/// A service that speaks TLS: answers every request with `text`, and counts connections.
pub async fn service(
    config: ServerConfig,
    answer: &'static [u8],
) -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), counted.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let mut request = Vec::new();
                while let Ok(count) = stream.read_buf(&mut request).await {
                    if count == 0 {
                        return;
                    }
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        // The gateway may have left.
                        let _ = stream.write_all(answer).await;
                        let _ = stream.flush().await;
                        if answer.starts_with(b"HTTP/1.0") {
                            // Dropped without a close_notify.
                            return;
                        }
                    }
                }
            });
        }
    });
    (address, count)
}

/// The TLS of such a service.
pub fn server(own: &Issued, clients: Option<&Ca>) -> ServerConfig {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        Some(ca) => builder.with_client_cert_verifier(
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()), provider())
                .build()
                .unwrap(),
        ),
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(vec![own.der.clone()], own.private()).unwrap()
}
