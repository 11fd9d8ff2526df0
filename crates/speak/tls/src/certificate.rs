//! A certificate chain with its private key.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::files;
use crate::provider::provider;

/// The files of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairFiles {
    /// The chain, the server's own certificate first (PEM).
    pub chain: PathBuf,
    /// Its private key (PEM: PKCS #8, PKCS #1 or SEC 1); may be the same file.
    pub key: PathBuf,
    /// A response of the CA's OCSP responder (DER), sent along with the certificate.
    pub ocsp: Option<PathBuf>,
}

impl PairFiles {
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        [Some(self.chain.as_path()), Some(self.key.as_path()), self.ocsp.as_deref()].into_iter().flatten()
    }
}

/// What a certificate says of itself. Nothing of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The file it was read from.
    pub file: PathBuf,
    /// Names it covers: DNS names and IP addresses.
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub not_before: u64,
    /// Seconds since 1970.
    pub not_after: u64,
    /// Who issued it.
    pub issuer: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
}

/// Why files can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A file can't be read.
    #[error("{file}: {why}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// A file is not PEM.
    #[error("{0} is no PEM file that is whole")]
    NotPem(String),
    /// There is no certificate in it.
    #[error("{0} holds no certificate")]
    NoCertificate(String),
    /// There is no key in it.
    #[error("{0} holds no private key, or one with a passphrase")]
    NoKey(String),
    /// The certificate can't be understood.
    #[error("the certificate in {file} can't be used: {why}")]
    BadCertificate {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// The key can't be used.
    #[error(
        "the private key in {0} is of no kind that is supported (RSA, ECDSA with P-256 or P-384, Ed25519)"
    )]
    BadKey(String),
    /// Certificate and key are not a pair.
    #[error("the private key in {key} does not belong to the certificate in {chain}")]
    Mismatch {
        /// The certificate's file.
        chain: String,
        /// The key's file.
        key: String,
    },
    /// A revocation list can't be used.
    #[error("the revocation list in {file} can't be used: {why}")]
    BadRevocationList {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// No root certificate could be had.
    #[error("no root certificate could be loaded: {0}")]
    NoRoots(String),
    /// rustls refuses the whole.
    #[error("TLS can't be set up: {0}")]
    Setup(String),
}

impl LoadError {
    pub(crate) fn read(file: &Path, error: &io::Error) -> Self {
        Self::Read { file: show(file), why: error.to_string() }
    }
}

/// A certificate that is ready to serve.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub key: Arc<CertifiedKey>,
    pub facts: Arc<CertificateFacts>,
}

impl Certificate {
    /// Reads the files and checks that they belong together.
    pub fn load(files: &PairFiles) -> Result<Self, LoadError> {
        let chain_bytes = files::read(&files.chain).map_err(|error| LoadError::read(&files.chain, &error))?;
        let chain = certificates(&files.chain, &chain_bytes)?;
        let key_bytes = if files.key == files.chain {
            chain_bytes
        } else {
            files::read(&files.key).map_err(|error| LoadError::read(&files.key, &error))?
        };
        let facts = facts(&files.chain, &chain[0])?;
        // Errors of the parser could quote the key; none of them is passed on.
        let key =
            PrivateKeyDer::from_pem_slice(&key_bytes).map_err(|_| LoadError::NoKey(show(&files.key)))?;
        let key =
            provider().key_provider.load_private_key(key).map_err(|_| LoadError::BadKey(show(&files.key)))?;
        let mut certified = CertifiedKey::new(chain, key);
        if certified.keys_match().is_err() {
            return Err(LoadError::Mismatch { chain: show(&files.chain), key: show(&files.key) });
        }
        if let Some(path) = &files.ocsp {
            certified.ocsp = Some(files::read(path).map_err(|error| LoadError::read(path, &error))?);
        }
        Ok(Self { key: Arc::new(certified), facts: Arc::new(facts) })
    }
}

/// Reads a certificate and its key, checks that they belong together, and says what it is.
pub fn inspect(files: &PairFiles) -> Result<CertificateFacts, LoadError> {
    Certificate::load(files).map(|certificate| (*certificate.facts).clone())
}

/// What the first certificate of a PEM text says of itself.
pub fn facts_of(pem: &[u8]) -> Result<CertificateFacts, LoadError> {
    let path = Path::new("the certificate");
    facts(path, &certificates(path, pem)?[0])
}

/// The certificates of a PEM file, one at least.
pub(crate) fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let chain = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, pem::Error>>()
        .map_err(|_| LoadError::NotPem(show(path)))?;
    if chain.is_empty() { Err(LoadError::NoCertificate(show(path))) } else { Ok(chain) }
}

fn facts(path: &Path, der: &CertificateDer<'_>) -> Result<CertificateFacts, LoadError> {
    let bad = |why: String| LoadError::BadCertificate { file: show(path), why };
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| bad(error.to_string()))?;
    let seconds = |time: i64| u64::try_from(time).unwrap_or_default();
    let names = subject_names(&certificate);
    let serial = certificate.raw_serial().iter().fold(String::new(), |mut serial, byte| {
        // Writing to a string can't fail.
        let _ = write!(serial, "{byte:02x}");
        serial
    });
    Ok(CertificateFacts {
        file: path.to_owned(),
        names,
        not_before: seconds(certificate.validity().not_before.timestamp()),
        not_after: seconds(certificate.validity().not_after.timestamp()),
        issuer: certificate.issuer().to_string(),
        serial,
    })
}

/// DNS names and IP addresses. The common name counts only where there is no other (old in-house certificates).
fn subject_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let mut names: Vec<String> = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => ip(bytes),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        names.extend(common.map(str::to_owned));
    }
    names
}

/// An address as a certificate holds it.
pub(crate) fn ip(bytes: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(bytes).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
}

pub(crate) fn show(path: &Path) -> String {
    path.display().to_string()
}
