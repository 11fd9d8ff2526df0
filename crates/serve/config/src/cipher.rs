//! `{cipher}` values of environments and plain-text files.

use std::sync::Arc;

use haechi_props::{Entry, PropertySource, Value};
use haechi_spring::cipher::{
    CIPHER, Decrypted, Encryptor, RsaAlgorithm, RsaOptions, decrypt_property, strip_prefix,
};

use crate::error::Error;
use crate::options::EncryptOptions;

/// The key of the server, if it has one, and what to do with it.
pub(crate) struct Cipher {
    enabled: bool,
    prefix_invalid: bool,
    plain_text: bool,
    key: Option<Encryptor>,
}

impl Cipher {
    pub fn new(options: &EncryptOptions) -> Result<Self, Error> {
        let key = options.key.as_deref().map(|key| encryptor(key, options)).transpose()?;
        Ok(Self {
            enabled: options.enabled,
            prefix_invalid: options.prefix_invalid_properties,
            plain_text: options.plain_text,
            key,
        })
    }

    pub fn key(&self) -> Option<&Encryptor> {
        self.key.as_ref()
    }

    /// Decrypts what is marked, in every source. A value that can't be decrypted is hidden, and doesn't take the
    /// others with it.
    pub fn decrypt(&self, sources: &mut [PropertySource]) {
        if !self.enabled {
            return;
        }
        for source in sources {
            let marked: Vec<(String, String)> = source
                .source
                .iter()
                .filter_map(|(key, entry)| Some((key.clone(), entry.value.as_text()?.to_owned())))
                .filter(|(_, text)| text.starts_with(CIPHER))
                .collect();
            if marked.is_empty() {
                continue;
            }
            let properties = Arc::make_mut(&mut source.source);
            for (key, text) in marked {
                // There is one key, whatever a value's own prefixes name.
                let decrypted = decrypt_property(&key, &text, |_| self.key.as_ref(), self.prefix_invalid);
                let (new_key, value) = match decrypted {
                    Decrypted::Plain => continue,
                    Decrypted::Value(value) => (key.clone(), value),
                    Decrypted::Invalid { key, value } => (key, value),
                };
                properties.shift_remove(&key);
                properties.insert(new_key, Entry { value: Value::Text(value), origin: None });
            }
        }
    }

    /// Whether marks inside this plain-text file are decrypted.
    pub fn reads_file(&self, path: &str) -> bool {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension);
        self.enabled && self.plain_text && matches!(extension, Some("json" | "yml" | "yaml" | "properties"))
    }

    /// Decrypts every marked value inside a text. What can't be decrypted stays.
    pub fn decrypt_text(&self, text: &str) -> String {
        let mut parts = text.split(CIPHER);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| c.is_whitespace() || "\"',".contains(c)).unwrap_or(part.len());
            let (ciphertext, rest) = part.split_at(end);
            let plain = self.key.as_ref().and_then(|key| key.decrypt(strip_prefix(ciphertext)).ok());
            if let Some(plain) = plain {
                out.push_str(&plain);
            } else {
                out.push_str(CIPHER);
                out.push_str(ciphertext);
            }
            out.push_str(rest);
        }
        out
    }
}

fn encryptor(key: &str, options: &EncryptOptions) -> Result<Encryptor, Error> {
    let encryptor = if key.contains("-----BEGIN") {
        let algorithm = if options.rsa_oaep { RsaAlgorithm::Oaep } else { RsaAlgorithm::Default };
        let salt = options.salt.clone();
        Encryptor::rsa(key, &RsaOptions { algorithm, strong: options.rsa_strong, salt })
    } else {
        Encryptor::from_key(key, &options.salt)
    };
    encryptor.map_err(|e| Error::Invalid(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `mysecret` with the key `foo`, from Spring Cloud Config's manual.
    const MANUAL: &str = "682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda";

    fn cipher(options: EncryptOptions) -> Cipher {
        Cipher::new(&EncryptOptions { key: Some("foo".into()), ..options }).unwrap()
    }

    #[test]
    fn marked_values_inside_a_text_are_decrypted_and_the_rest_stays() {
        let cipher = cipher(EncryptOptions { plain_text: true, ..EncryptOptions::default() });
        assert!(cipher.reads_file("a/b.yml") && !cipher.reads_file("b.conf"));
        let text =
            format!("{{\"a\": \"{CIPHER}{MANUAL}\", \"b\": \"{CIPHER}nonsense\"}}\nc={CIPHER}{MANUAL}\n");
        let plain = format!("{{\"a\": \"mysecret\", \"b\": \"{CIPHER}nonsense\"}}\nc=mysecret\n");
        assert_eq!(cipher.decrypt_text(&text), plain);
    }

    #[test]
    fn a_key_that_is_none_is_refused_at_the_start() {
        let with = |key: &str, salt: &str| {
            let options =
                EncryptOptions { key: Some(key.into()), salt: salt.into(), ..EncryptOptions::default() };
            Cipher::new(&options).err().map(|e| e.to_string())
        };
        assert_eq!(with("foo", "deadbeef"), None);
        assert!(with("foo", "xyz").is_some());
        let pem =
            with("-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----", "deadbeef");
        assert!(pem.is_some_and(|why| !why.contains("c2VjcmV0")));
    }
}
