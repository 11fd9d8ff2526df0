//! Spring Security's `RsaSecretEncryptor`: a random secret under RSA, the text under AES with that secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::rand_core::CryptoRngCore;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Oaep, Pkcs1v15Encrypt, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::aes_text::AesText;
use super::{CipherError, DEFAULT_SALT, OsRng, pem};

const SECRET_BYTES: usize = 16;
/// The least modulus taken; smaller keys are broken.
const MODULUS_BITS: usize = 1024;

/// How the secret is padded under RSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RsaAlgorithm {
    /// `DEFAULT`: PKCS#1 v1.5.
    #[default]
    Default,
    /// `OAEP`: with SHA-1, as Java's `RSA/ECB/OAEPPadding`.
    Oaep,
}

/// `encrypt.rsa.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaOptions {
    /// `encrypt.rsa.algorithm`.
    pub algorithm: RsaAlgorithm,
    /// `encrypt.rsa.strong`: AES in GCM instead of CBC.
    pub strong: bool,
    /// `encrypt.rsa.salt`; what is not hexadecimal is taken as it is.
    pub salt: String,
}

impl Default for RsaOptions {
    fn default() -> Self {
        Self { algorithm: RsaAlgorithm::Default, strong: false, salt: DEFAULT_SALT.to_owned() }
    }
}

/// An RSA key and how it is used.
pub struct RsaSecret {
    public: RsaPublicKey,
    private: Option<Box<RsaPrivateKey>>,
    algorithm: RsaAlgorithm,
    strong: bool,
    salt: Vec<u8>,
}

impl RsaSecret {
    pub(super) fn from_pem(text: &str, options: &RsaOptions) -> Result<Self, CipherError> {
        let (public, private) = match pem::parse(text)? {
            pem::Key::Private(key) => (key.to_public_key(), Some(key)),
            pem::Key::Public(key) => (key, None),
        };
        if public.n().bits() < MODULUS_BITS {
            return Err(CipherError::Key("an RSA key needs at least 1024 bits"));
        }
        let salt = hex::decode(&options.salt).unwrap_or_else(|_| options.salt.clone().into_bytes());
        Ok(Self { public, private, algorithm: options.algorithm, strong: options.strong, salt })
    }

    pub(super) fn can_decrypt(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn encrypt(&self, text: &str, random: &mut impl CryptoRngCore) -> Result<String, CipherError> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        random.fill_bytes(&mut *secret);
        let wrapped = match self.algorithm {
            RsaAlgorithm::Default => self.public.encrypt(random, Pkcs1v15Encrypt, &*secret),
            RsaAlgorithm::Oaep => self.public.encrypt(random, Oaep::new::<Sha1>(), &*secret),
        };
        let wrapped = wrapped.map_err(|_| CipherError::Key("RSA can't encrypt with it"))?;
        let length = u16::try_from(wrapped.len()).map_err(|_| CipherError::Key("it is too long"))?;
        let body = self.aes(&*secret).encrypt(text.as_bytes(), random);
        Ok(STANDARD.encode([&length.to_be_bytes()[..], &wrapped, &body].concat()))
    }

    pub(super) fn decrypt(&self, text: &str) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        let private = self.private.as_ref().ok_or(CipherError::PublicOnly)?;
        let bytes = STANDARD.decode(text).map_err(|_| CipherError::Text)?;
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(CipherError::Text)?;
        let (wrapped, body) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(CipherError::Text)?;
        // Blinded, so that the time RSA takes says nothing about the key.
        let secret = match self.algorithm {
            RsaAlgorithm::Default => private.decrypt_blinded(&mut OsRng, Pkcs1v15Encrypt, wrapped),
            RsaAlgorithm::Oaep => private.decrypt_blinded(&mut OsRng, Oaep::new::<Sha1>(), wrapped),
        };
        let secret = Zeroizing::new(secret.map_err(|_| CipherError::Text)?);
        self.aes(&secret).decrypt(body)
    }

    fn aes(&self, secret: &[u8]) -> AesText {
        let password = Zeroizing::new(hex::encode(secret));
        if self.strong {
            AesText::gcm(password.as_bytes(), &self.salt)
        } else {
            AesText::cbc(password.as_bytes(), &self.salt)
        }
    }

    /// RFC 4253 §6.6, in the text form of OpenSSH.
    pub(super) fn public_key(&self) -> String {
        let mut blob = Vec::new();
        field(&mut blob, b"ssh-rsa");
        field(&mut blob, &mpint(self.public.e()));
        field(&mut blob, &mpint(self.public.n()));
        format!("ssh-rsa {} application", STANDARD.encode(blob))
    }
}

fn field(blob: &mut Vec<u8>, bytes: &[u8]) {
    blob.extend((bytes.len() as u32).to_be_bytes());
    blob.extend(bytes);
}

/// RFC 4251 §5: a leading zero where the first bit would be taken for a sign.
fn mpint(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { [&[0], &bytes[..]].concat() } else { bytes }
}
