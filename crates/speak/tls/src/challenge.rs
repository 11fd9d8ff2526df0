//! Certificates that answer a CA's questions in a handshake (tls-alpn-01, RFC 8737).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::certificate::LoadError;
use crate::provider::provider;

/// What a CA asks for, and nobody else (RFC 8737 §6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// Certificates for handshakes in which a CA asks for an answer. Handshakes look them up without a lock.
#[derive(Debug, Default)]
pub struct ChallengeCertificates {
    by_name: ArcSwap<HashMap<Box<str>, Arc<ServerConfig>>>,
    shown: AtomicU64,
}

impl ChallengeCertificates {
    /// Shows this certificate (DER, its key in PKCS #8) to who asks for `name`.
    pub fn add(&self, name: &str, certificate: Vec<u8>, key: Vec<u8>) -> Result<(), LoadError> {
        let setup = |error: rustls::Error| LoadError::Setup(error.to_string());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
        let key = provider().key_provider.load_private_key(key).map_err(setup)?;
        // Not `with_single_cert`: that reads the certificate, and knows nothing of the extension that answers.
        let certified = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let config = Arc::new(config);
        self.by_name.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(name.to_ascii_lowercase().into(), config.clone());
            known
        });
        Ok(())
    }

    /// Shows it no more.
    pub fn remove(&self, name: &str) {
        self.by_name.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.remove(name);
            known
        });
    }

    /// How many handshakes were answered.
    pub fn shown(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) {
        self.shown.fetch_add(1, Ordering::Relaxed);
    }

    /// The answer for a client that asks as a CA does: for this protocol alone, and for a name that waits for it.
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        if !hello.alpn()?.eq([PROTOCOL]) {
            return None;
        }
        self.by_name.load().get(&*hello.server_name()?.to_ascii_lowercase()).cloned()
    }
}
