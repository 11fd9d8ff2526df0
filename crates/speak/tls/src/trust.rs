//! Who is trusted: root certificates and revocation lists.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use crate::certificate::{LoadError, certificates, show};
use crate::files;

/// The root certificates in these files.
pub(crate) fn roots(paths: &[PathBuf]) -> Result<Arc<RootCertStore>, LoadError> {
    let mut store = RootCertStore::empty();
    for path in paths {
        let bytes = files::read(path).map_err(|error| LoadError::read(path, &error))?;
        for root in certificates(path, &bytes)? {
            store
                .add(root)
                .map_err(|error| LoadError::BadCertificate { file: show(path), why: error.to_string() })?;
        }
    }
    Ok(Arc::new(store))
}

/// The root certificates that this machine trusts.
pub(crate) fn system_roots() -> Result<Arc<RootCertStore>, LoadError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let why = loaded.errors.first().map_or("this machine has none".to_owned(), ToString::to_string);
        return Err(LoadError::NoRoots(why));
    }
    Ok(Arc::new(store))
}

/// The revocation lists in these files, PEM or DER.
pub(crate) fn revocation_lists(
    paths: &[PathBuf],
) -> Result<Vec<CertificateRevocationListDer<'static>>, LoadError> {
    let mut lists = Vec::new();
    for path in paths {
        let bytes = files::read(path).map_err(|error| LoadError::read(path, &error))?;
        if bytes.starts_with(b"-----") {
            let before = lists.len();
            for list in CertificateRevocationListDer::pem_slice_iter(&bytes) {
                lists.push(list.map_err(|_| LoadError::NotPem(show(path)))?);
            }
            if lists.len() == before {
                let why = "there is none in it".to_owned();
                return Err(LoadError::BadRevocationList { file: show(path), why });
            }
        } else {
            lists.push(CertificateRevocationListDer::from(bytes));
        }
    }
    Ok(lists)
}
