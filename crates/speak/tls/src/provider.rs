//! The cryptography: rustls's own choice over aws-lc. It has no suite below AEAD with forward secrecy, and
//! offers X25519MLKEM768 first, which holds against a quantum computer.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The provider that everything here uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    PROVIDER.clone()
}
