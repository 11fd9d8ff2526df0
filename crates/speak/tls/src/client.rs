//! The TLS of the gateway as a client: to services.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::{Certificate, LoadError, PairFiles};
use crate::files::Stamps;
use crate::provider::provider;
use crate::trust;

/// What the TLS to a service is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// Files with the root certificates that are trusted (PEM). Empty: those of this machine.
    pub roots: Vec<PathBuf>,
    /// Revocation lists (PEM or DER). With any, every CA that issues needs one.
    pub revocation_lists: Vec<PathBuf>,
    /// The gateway's own certificate, for services that ask for one.
    pub certificate: Option<PairFiles>,
    /// Whether the service's certificate is verified. Without it anybody on the way can read and change all.
    pub verify: bool,
    /// Protocols above TLS, the preferred one first.
    pub alpn: Vec<Vec<u8>>,
}

impl ClientFiles {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let trust = self.roots.iter().chain(&self.revocation_lists).map(PathBuf::as_path);
        trust.chain(self.certificate.iter().flat_map(PairFiles::paths))
    }
}

/// The TLS to a service, live: [`ClientTls::refresh`] takes in what changed on disk.
pub struct ClientTls {
    files: ClientFiles,
    /// Nothing while what it needs can't be read: no connection is made then.
    config: ArcSwapOption<ClientConfig>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    stamps: Stamps,
    problem: Option<LoadError>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Why there is no TLS with a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// What it needs can't be read.
    #[error("{0}")]
    NotReady(String),
    /// The service's certificate is not trusted, or not for this name.
    #[error("{0}")]
    Certificate(String),
    /// The handshake failed otherwise.
    #[error("{0}")]
    Handshake(String),
}

impl ClientTls {
    /// Reads the files. What can't be read is told by [`Self::problems`].
    pub fn load(files: ClientFiles) -> Self {
        let live = Self { files, config: ArcSwapOption::empty(), inner: Mutex::default() };
        live.read();
        live
    }

    /// What it was made of.
    pub const fn files(&self) -> &ClientFiles {
        &self.files
    }

    /// Reads again what changed on disk; true if anything did. Blocks for as long as the disk does.
    pub fn refresh(&self) -> bool {
        let changed = self.lock().stamps.changed();
        if changed {
            self.read();
        }
        changed
    }

    /// What can't be used as it is on disk now. Where it could before, that is still used.
    pub fn problems(&self) -> Vec<String> {
        self.lock().problem.iter().map(ToString::to_string).collect()
    }

    /// Shakes hands with a service. Its certificate must be for `name`, unless it is not verified.
    pub async fn connect(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let Some(config) = self.config.load_full() else {
            return Err(ConnectError::NotReady(self.problems().join("; ")));
        };
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| failed(&error))
    }

    fn read(&self) {
        let mut inner = self.lock();
        inner.stamps = Stamps::take(self.files.paths());
        inner.problem = match config(&self.files) {
            Ok(config) => {
                self.config.store(Some(Arc::new(config)));
                None
            }
            Err(problem) => Some(problem),
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // What a panic left behind is read anew with the next change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn config(files: &ClientFiles) -> Result<ClientConfig, LoadError> {
    let setup = |error: rustls::Error| LoadError::Setup(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(setup)?;
    let builder = if files.verify {
        let roots = if files.roots.is_empty() { trust::system_roots()? } else { trust::roots(&files.roots)? };
        let lists = trust::revocation_lists(&files.revocation_lists)?;
        let mut verifier = WebPkiServerVerifier::builder_with_provider(roots, provider());
        if !lists.is_empty() {
            verifier = verifier.with_crls(lists).only_check_end_entity_revocation();
        }
        let verifier = verifier.build().map_err(|error| LoadError::Setup(error.to_string()))?;
        builder.with_webpki_verifier(verifier)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody))
    };
    let mut config = match &files.certificate {
        Some(pair) => {
            let own = Certificate::load(pair)?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.key)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols.clone_from(&files.alpn);
    Ok(config)
}

fn failed(error: &io::Error) -> ConnectError {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(tls @ (Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_))) => {
            ConnectError::Certificate(tls.to_string())
        }
        Some(tls) => ConnectError::Handshake(tls.to_string()),
        None => ConnectError::Handshake(error.to_string()),
    }
}

/// Takes any certificate, where verification was switched off. The signatures are checked all the same: they show
/// that the peer has the key of the certificate that it sent.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
