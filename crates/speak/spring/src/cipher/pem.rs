//! RSA keys in PEM, also on one line, as a YAML or properties file may have folded them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::CipherError;

/// A key as PEM gives it.
pub(super) enum Key {
    Private(Box<RsaPrivateKey>),
    Public(RsaPublicKey),
}

pub(super) fn is_private(text: &str) -> bool {
    text.contains("-----BEGIN RSA PRIVATE KEY-----") || text.contains("-----BEGIN PRIVATE KEY-----")
}

pub(super) fn is_public(text: &str) -> bool {
    text.starts_with("ssh-rsa")
        || text.contains("-----BEGIN RSA PUBLIC KEY-----")
        || text.contains("-----BEGIN PUBLIC KEY-----")
}

pub(super) fn parse(text: &str) -> Result<Key, CipherError> {
    let malformed = CipherError::Key("it is no PEM; it needs its BEGIN and END lines");
    let (_, text) = text.split_once("-----BEGIN ").ok_or(malformed.clone())?;
    let (label, text) = text.split_once("-----").ok_or(malformed.clone())?;
    let (body, _) = text.split_once("-----END ").ok_or(malformed)?;
    let digits: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    let der = STANDARD.decode(&*digits).map(Zeroizing::new);
    let der = der.map_err(|_| CipherError::Key("what is between its BEGIN and END lines is not base 64"))?;
    let broken = CipherError::Key("its PEM holds no RSA key");
    let private = |key: Option<RsaPrivateKey>| key.map(|key| Key::Private(Box::new(key)));
    match label {
        "RSA PRIVATE KEY" => private(RsaPrivateKey::from_pkcs1_der(&der).ok()),
        "PRIVATE KEY" => private(RsaPrivateKey::from_pkcs8_der(&der).ok()),
        "RSA PUBLIC KEY" => RsaPublicKey::from_pkcs1_der(&der).ok().map(Key::Public),
        "PUBLIC KEY" => RsaPublicKey::from_public_key_der(&der).ok().map(Key::Public),
        _ => {
            return Err(CipherError::Key(
                "its PEM is of another kind; convert it to an unencrypted RSA PRIVATE KEY",
            ));
        }
    }
    .ok_or(broken)
}
