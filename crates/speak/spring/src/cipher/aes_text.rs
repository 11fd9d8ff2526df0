//! Spring Security's `AesBytesEncryptor`: AES-256 under a key from PBKDF2, 16 random bytes in front.

use aes::Aes256;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{AesGcm, Nonce};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use rsa::rand_core::CryptoRngCore;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::CipherError;

/// Spring Security's count; it makes guessing a password from a ciphertext slower, though not slow.
const ITERATIONS: u32 = 1024;
const IV_BYTES: usize = 16;

/// A derived key and its mode.
pub struct AesText {
    key: Zeroizing<[u8; 32]>,
    authenticated: bool,
}

impl AesText {
    /// `Encryptors.standard`: CBC with PKCS#5 padding. Nothing tells a changed ciphertext from an intact one
    /// but its padding.
    pub(super) fn cbc(password: &[u8], salt: &[u8]) -> Self {
        Self { key: derive(password, salt), authenticated: false }
    }

    /// `Encryptors.stronger`: GCM with a 16-byte nonce.
    pub(super) fn gcm(password: &[u8], salt: &[u8]) -> Self {
        Self { key: derive(password, salt), authenticated: true }
    }

    pub(super) fn encrypt(&self, plain: &[u8], random: &mut impl CryptoRngCore) -> Vec<u8> {
        let mut iv = [0; IV_BYTES];
        random.fill_bytes(&mut iv);
        let body = if self.authenticated {
            let gcm = AesGcm::<Aes256, U16>::new((&*self.key).into());
            // GCM fails above 64 GiB only; the texts here are bounded far below.
            gcm.encrypt(Nonce::from_slice(&iv), plain).unwrap_or_default()
        } else {
            cbc::Encryptor::<Aes256>::new((&*self.key).into(), (&iv).into())
                .encrypt_padded_vec_mut::<Pkcs7>(plain)
        };
        [&iv[..], &body].concat()
    }

    pub(super) fn decrypt(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        let (iv, body) = bytes.split_at_checked(IV_BYTES).ok_or(CipherError::Text)?;
        let plain = if self.authenticated {
            let gcm = AesGcm::<Aes256, U16>::new((&*self.key).into());
            gcm.decrypt(Nonce::from_slice(iv), body).map_err(|_| CipherError::Text)
        } else {
            cbc::Decryptor::<Aes256>::new_from_slices(&*self.key, iv)
                .map_err(|_| CipherError::Text)?
                .decrypt_padded_vec_mut::<Pkcs7>(body)
                .map_err(|_| CipherError::Text)
        };
        plain.map(Zeroizing::new)
    }
}

fn derive(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, ITERATIONS, &mut *key);
    key
}
