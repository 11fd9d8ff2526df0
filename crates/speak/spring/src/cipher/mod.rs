//! `{cipher}` values: what Spring Security's text encryptors write and read.
//!
//! Keys come from a configuration, so a wrong one is an error with a reason; a text that can't be decrypted is
//! always the same [`CipherError::Text`], whatever went wrong with it, because it comes from outside.
//! Randomness for encryption is the operating system's ([`OsRng`]), passed in by the caller: these are secrets,
//! and a seed that a test could replay would be one that an attacker could.

mod aes_text;
mod pem;
mod prefix;
mod rsa_secret;

use zeroize::Zeroizing;

pub use aes_gcm::aead::OsRng;
pub use prefix::{Keys, add_prefix, encryptor_keys, form_data, strip_prefix};
pub use rsa::rand_core::CryptoRngCore;
pub use rsa_secret::{RsaAlgorithm, RsaOptions, RsaSecret};

use aes_text::AesText;

/// The salt that Spring uses unless told otherwise.
pub const DEFAULT_SALT: &str = "deadbeef";

/// What marks an encrypted value.
pub const CIPHER: &str = "{cipher}";

/// Bytes of one text to decrypt or encrypt at most.
const TEXT_BYTES: usize = 1 << 20;

/// Why a key or a text can't be used. Never holds any of either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The key can't be read.
    #[error("the encryption key can't be used: {0}")]
    Key(&'static str),
    /// The salt is not hexadecimal.
    #[error("the encryption salt must be hexadecimal digits in pairs, such as {DEFAULT_SALT}")]
    Salt,
    /// Not encrypted with this key, or not encrypted at all.
    #[error("Text not encrypted with this key")]
    Text,
    /// There is only a public key.
    #[error("Server-side decryption is not supported")]
    PublicOnly,
}

/// A key that encrypts and decrypts texts. Its parts are wiped when it is dropped and never shown.
pub enum Encryptor {
    /// `encrypt.key` with a password.
    Symmetric(Box<AesText>),
    /// An RSA key.
    Rsa(Box<RsaSecret>),
}

impl std::fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Symmetric(_) => "Encryptor::Symmetric(…)",
            Self::Rsa(_) => "Encryptor::Rsa(…)",
        })
    }
}

impl Encryptor {
    /// What `encrypt.key` means: an RSA key in PEM, or else a password (hardened with `salt`). As in Spring, a
    /// PEM key given this way uses the default options of RSA.
    pub fn from_key(key: &str, salt: &str) -> Result<Self, CipherError> {
        if pem::is_private(key) {
            return Self::rsa(key, &RsaOptions::default());
        }
        if pem::is_public(key) {
            return Err(CipherError::Key("a public key can't be encrypt.key; give the private one"));
        }
        if key.is_empty() {
            return Err(CipherError::Key("it is empty"));
        }
        let salt = hex::decode(salt).map_err(|_| CipherError::Salt)?;
        Ok(Self::Symmetric(Box::new(AesText::cbc(key.as_bytes(), &salt))))
    }

    /// An RSA key in PEM (`RSA PRIVATE KEY`, `PRIVATE KEY`, `PUBLIC KEY`, `RSA PUBLIC KEY`), newlines or not.
    pub fn rsa(pem: &str, options: &RsaOptions) -> Result<Self, CipherError> {
        Ok(Self::Rsa(Box::new(RsaSecret::from_pem(pem, options)?)))
    }

    /// Encrypts a text: hexadecimal digits, or base 64 for RSA.
    pub fn encrypt(&self, text: &str, random: &mut impl CryptoRngCore) -> Result<String, CipherError> {
        if text.len() > TEXT_BYTES {
            return Err(CipherError::Text);
        }
        match self {
            Self::Symmetric(aes) => Ok(hex::encode(aes.encrypt(text.as_bytes(), random))),
            Self::Rsa(rsa) => rsa.encrypt(text, random),
        }
    }

    /// Decrypts what [`Self::encrypt`] or Spring made.
    pub fn decrypt(&self, text: &str) -> Result<String, CipherError> {
        if text.len() > TEXT_BYTES * 2 {
            return Err(CipherError::Text);
        }
        let plain: Zeroizing<Vec<u8>> = match self {
            Self::Symmetric(aes) => aes.decrypt(&hex::decode(text).map_err(|_| CipherError::Text)?)?,
            Self::Rsa(rsa) => rsa.decrypt(text)?,
        };
        std::str::from_utf8(&plain).map(str::to_owned).map_err(|_| CipherError::Text)
    }

    /// Whether there is a private key, or a password.
    pub fn can_decrypt(&self) -> bool {
        match self {
            Self::Symmetric(_) => true,
            Self::Rsa(rsa) => rsa.can_decrypt(),
        }
    }

    /// `ssh-rsa <base64> application`, what `GET /key` answers; none for a password.
    pub fn public_key(&self) -> Option<String> {
        match self {
            Self::Symmetric(_) => None,
            Self::Rsa(rsa) => Some(rsa.public_key()),
        }
    }
}

/// What became of a property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decrypted {
    /// It was not encrypted.
    Plain,
    /// It is now this. Spring puts the property behind all others, and its origin is lost.
    Value(String),
    /// It couldn't be decrypted. Spring removes the property and puts this one behind all others.
    Invalid {
        /// `invalid.<key>`, or the key itself.
        key: String,
        /// `<n/a>`, or the ciphertext without its mark.
        value: String,
    },
}

/// Decrypts a property's value if it is marked with `{cipher}`. `locate` finds the key for the value's own
/// prefixes. With `prefix_invalid` (the default in Spring) what can't be decrypted is hidden.
pub fn decrypt_property<'k>(
    key: &str,
    value: &str,
    locate: impl FnOnce(&Keys) -> Option<&'k Encryptor>,
    prefix_invalid: bool,
) -> Decrypted {
    let Some(ciphertext) = value.strip_prefix(CIPHER) else { return Decrypted::Plain };
    let plain = locate(&encryptor_keys(ciphertext))
        .and_then(|encryptor| encryptor.decrypt(strip_prefix(ciphertext)).ok());
    match plain {
        Some(plain) => Decrypted::Value(plain),
        None if prefix_invalid => {
            Decrypted::Invalid { key: format!("invalid.{key}"), value: "<n/a>".to_owned() }
        }
        None => Decrypted::Invalid { key: key.to_owned(), value: ciphertext.to_owned() },
    }
}
