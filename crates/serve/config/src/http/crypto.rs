//! `/encrypt`, `/decrypt` and `/key`.

use haechi_spring::cipher::{
    CipherError, Encryptor, OsRng, add_prefix, encryptor_keys, form_data, strip_prefix,
};
use haechi_web::{Request, Response, answer};
use http::StatusCode;
use serde_json::json;

use super::respond;
use crate::server::Inner;

pub(super) fn status(server: &Inner) -> Response {
    match server.cipher.key() {
        Some(_) => answer::json(StatusCode::OK, &json!({ "status": "OK" })),
        None => no_key(),
    }
}

pub(super) fn public_key(server: &Inner) -> Response {
    match server.cipher.key().and_then(Encryptor::public_key) {
        Some(key) => answer::text(StatusCode::OK, key),
        None => described(StatusCode::NOT_FOUND, "NOT_FOUND", "No public key available"),
    }
}

pub(super) fn encrypt(server: &Inner, request: &Request) -> Response {
    with_text(server, request, false, |key, text| {
        let ciphertext = key.encrypt(strip_prefix(text), &mut OsRng)?;
        Ok(add_prefix(&encryptor_keys(text), &ciphertext))
    })
}

pub(super) fn decrypt(server: &Inner, request: &Request) -> Response {
    with_text(server, request, true, |key, text| key.decrypt(strip_prefix(text)))
}

fn with_text(
    server: &Inner,
    request: &Request,
    is_cipher: bool,
    work: impl FnOnce(&Encryptor, &str) -> Result<String, CipherError>,
) -> Response {
    let Some(key) = server.cipher.key() else { return no_key() };
    let body = match std::str::from_utf8(&request.body) {
        Ok(body) if !body.is_empty() => body,
        _ => return respond::error(server, 400, Some("the body must be the text, in UTF-8"), request),
    };
    let text = form_data(body, request.header("content-type").unwrap_or_default(), is_cipher);
    match work(key, &text) {
        Ok(result) => answer::text(StatusCode::OK, result),
        Err(error @ CipherError::PublicOnly) => {
            described(StatusCode::BAD_REQUEST, "BAD_REQUEST", &error.to_string())
        }
        Err(error) => described(StatusCode::BAD_REQUEST, "INVALID", &error.to_string()),
    }
}

fn no_key() -> Response {
    described(StatusCode::NOT_FOUND, "NO_KEY", "No key was installed for encryption service")
}

fn described(code: StatusCode, status: &str, description: &str) -> Response {
    answer::json(code, &json!({ "description": description, "status": status }))
}
