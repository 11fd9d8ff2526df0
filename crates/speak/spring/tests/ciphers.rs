//! Ciphers beside Spring Security's own: `vectors/spring-security-6.5.5.txt` was written by the program in
//! `java/Vectors.java`, with the key in `vectors/`, which protects nothing else.
#![allow(clippy::unwrap_used)]

use haechi_spring::cipher::{
    CipherError, Decrypted, Encryptor, OsRng, RsaAlgorithm, RsaOptions, decrypt_property,
};
use proptest::prelude::*;

const PRIVATE: &str = include_str!("vectors/rsa-private-key.pem");
const PKCS8: &str = include_str!("vectors/private-key.pem");
const PUBLIC: &str = include_str!("vectors/public-key.pem");
const VECTORS: &str = include_str!("vectors/spring-security-6.5.5.txt");
const TEXT: &str = "mysecret \u{e9} {x}";

fn password(key: &str) -> Encryptor {
    Encryptor::from_key(key, "deadbeef").unwrap()
}

fn rsa(pem: &str, algorithm: RsaAlgorithm, strong: bool, salt: &str) -> Encryptor {
    Encryptor::rsa(pem, &RsaOptions { algorithm, strong, salt: salt.to_owned() }).unwrap()
}

#[test]
fn the_manuals_example_decrypts() {
    let text = "682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda";
    assert_eq!(password("foo").decrypt(text).as_deref(), Ok("mysecret"));
}

#[test]
fn everything_spring_encrypted_decrypts() {
    let mut checked = 0;
    for line in VECTORS.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match *words {
            ["text", "empty", text] => assert_eq!(password("foo").decrypt(text).as_deref(), Ok("")),
            ["text", key, _, text] => assert_eq!(password(key).decrypt(text).as_deref(), Ok(TEXT)),
            ["rsa", algorithm, strong, salt, text] => {
                let algorithm = if algorithm == "OAEP" { RsaAlgorithm::Oaep } else { RsaAlgorithm::Default };
                let encryptor = rsa(PRIVATE, algorithm, strong == "true", salt);
                assert_eq!(encryptor.decrypt(text).as_deref(), Ok(TEXT), "{line}");
            }
            ["pem", text] => assert_eq!(password(PRIVATE).decrypt(text).as_deref(), Ok(TEXT)),
            ["key", ..] => assert_eq!(password(PRIVATE).public_key().unwrap(), words[1..].join(" ")),
            _ => continue,
        }
        checked += 1;
    }
    assert_eq!(checked, 12);
}

#[test]
fn what_we_encrypt_decrypts_again() {
    let mut encryptors = vec![password("foo"), password(PKCS8), password(&PRIVATE.replace('\n', " "))];
    for algorithm in [RsaAlgorithm::Default, RsaAlgorithm::Oaep] {
        encryptors.extend([true, false].map(|strong| rsa(PKCS8, algorithm, strong, "not hex")));
    }
    for encryptor in encryptors {
        let once = encryptor.encrypt(TEXT, &mut OsRng).unwrap();
        assert_ne!(once, encryptor.encrypt(TEXT, &mut OsRng).unwrap());
        assert_eq!(encryptor.decrypt(&once).as_deref(), Ok(TEXT));
    }
}

#[test]
fn a_public_key_encrypts_only() {
    let public = rsa(PUBLIC, RsaAlgorithm::Default, false, "deadbeef");
    let text = public.encrypt(TEXT, &mut OsRng).unwrap();
    assert_eq!(public.decrypt(&text), Err(CipherError::PublicOnly));
    assert!(!public.can_decrypt());
    assert_eq!(password(PRIVATE).decrypt(&text).as_deref(), Ok(TEXT));
    assert!(Encryptor::from_key(PUBLIC, "deadbeef").is_err());
}

#[test]
fn keys_that_cannot_be_used_say_why_and_are_never_shown() {
    assert_eq!(Encryptor::from_key("foo", "xyz").unwrap_err(), CipherError::Salt);
    assert!(Encryptor::from_key("", "deadbeef").is_err());
    let cut = &PRIVATE[..800];
    assert!(Encryptor::from_key(cut, "deadbeef").unwrap_err().to_string().contains("BEGIN and END"));
    assert_eq!(
        format!("{:?} {:?}", password("foo"), password(PRIVATE)),
        "Encryptor::Symmetric(…) Encryptor::Rsa(…)"
    );
}

#[test]
fn properties_are_decrypted_or_marked_invalid() {
    let encryptor = password("foo");
    let value = format!("{{cipher}}{{key:k}}{}", encryptor.encrypt("x", &mut OsRng).unwrap());
    let decrypt = |value: &str, prefix| {
        decrypt_property(
            "a.b",
            value,
            |keys| {
                assert!(keys.is_empty() || keys[0] == ("key".to_owned(), "k".to_owned()));
                Some(&encryptor)
            },
            prefix,
        )
    };
    assert_eq!(decrypt("plain", true), Decrypted::Plain);
    assert_eq!(decrypt(&value, true), Decrypted::Value("x".to_owned()));
    let invalid =
        |key: &str, value: &str| Decrypted::Invalid { key: key.to_owned(), value: value.to_owned() };
    assert_eq!(decrypt("{cipher}00", true), invalid("invalid.a.b", "<n/a>"));
    assert_eq!(decrypt("{cipher}00", false), invalid("a.b", "00"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_decryption(text in "[0-9a-f]{0,200}|[A-Za-z0-9+/]{0,400}={0,2}|.{0,50}") {
        for encryptor in [password("foo"), password(PRIVATE)] {
            prop_assert!(encryptor.decrypt(&text).is_err() || text.len() > 32);
        }
    }
}
