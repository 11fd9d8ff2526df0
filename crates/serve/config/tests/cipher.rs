//! Encrypted values, and the endpoints that make them.
#![allow(clippy::unwrap_used)]

mod support;

use haechi_config::EncryptOptions;
use serde_json::json;
use support::{git, repository, serve};

/// `mysecret` with the key `foo`, from Spring Cloud Config's manual.
const MANUAL: &str = "682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda";
const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];

fn yaml() -> String {
    format!("password: '{{cipher}}{MANUAL}'\nbroken: '{{cipher}}00'\nplain: text\n")
}

#[tokio::test]
async fn values_are_decrypted_and_what_is_broken_is_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", &yaml())]);
    let mut options = git(repo.to_str().unwrap(), dir.path());
    let encrypt = EncryptOptions { key: Some("foo".into()), ..EncryptOptions::default() };
    for (encrypt, source) in [
        (encrypt.clone(), json!({"plain": "text", "password": "mysecret", "invalid.broken": "<n/a>"})),
        (
            EncryptOptions { prefix_invalid_properties: false, ..encrypt.clone() },
            json!({"plain": "text", "password": "mysecret", "broken": "00"}),
        ),
        (
            EncryptOptions { key: None, ..encrypt.clone() },
            json!({"plain": "text", "invalid.password": "<n/a>", "invalid.broken": "<n/a>"}),
        ),
        (
            EncryptOptions { enabled: false, ..encrypt.clone() },
            json!({"password": format!("{{cipher}}{MANUAL}"), "broken": "{cipher}00", "plain": "text"}),
        ),
    ] {
        options.encrypt = encrypt;
        let served = serve(options.clone()).await;
        let reply = served.get("/app/default").await;
        assert_eq!(reply.json()["propertySources"][0]["source"], source);
    }
}

#[tokio::test]
async fn what_encrypt_makes_decrypt_reads_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let mut options = git(repo.to_str().unwrap(), dir.path());
    options.encrypt.key = Some("foo".into());
    let served = serve(options).await;
    assert_eq!(served.get("/encrypt/status").await.json(), json!({"status": "OK"}));
    for path in ["/encrypt", "/encrypt/app/default"] {
        let made = served.send("POST", path, &TEXT, "my secret").await;
        assert_eq!((made.status, made.header("content-type")), (200, Some("text/plain;charset=UTF-8")));
        assert_ne!(
            made.body,
            served.send("POST", path, &TEXT, "my secret").await.body,
            "each has its own IV"
        );
        assert_eq!(served.send("POST", "/decrypt", &TEXT, &made.body).await.body, "my secret");
    }
    assert_eq!(served.send("POST", "/decrypt/app/dev", &TEXT, MANUAL).await.body, "mysecret");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(served.send("POST", "/decrypt", &form, &format!("{MANUAL}=")).await.body, "mysecret");
    for bad in ["nonsense", "00112233", "{cipher}00", &MANUAL[2..]] {
        let reply = served.send("POST", "/decrypt", &TEXT, bad).await;
        assert_eq!((reply.status, reply.json()["status"].clone()), (400, json!("INVALID")), "{bad}");
    }
    assert_eq!(served.send("POST", "/encrypt", &TEXT, "").await.status, 400);
    assert_eq!(served.get("/key").await.status, 404);
    assert_eq!(served.get("/decrypt").await.status, 405);
}

#[tokio::test]
async fn without_a_key_nothing_is_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    assert_eq!(served.get("/encrypt/status").await.json()["status"], "NO_KEY");
    assert_eq!(served.send("POST", "/encrypt", &TEXT, "x").await.json()["status"], "NO_KEY");
    assert_eq!(served.get("/key/app/default").await.json()["status"], "NOT_FOUND");
}

#[tokio::test]
async fn an_rsa_key_encrypts_and_shows_its_public_half() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let pem =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/compare/test-only.pem"));
    let mut options = git(repo.to_str().unwrap(), dir.path());
    options.encrypt.key = Some(pem.unwrap());
    for (rsa_oaep, rsa_strong) in [(false, false), (true, true)] {
        options.encrypt = EncryptOptions { rsa_oaep, rsa_strong, ..options.encrypt };
        let served = serve(options.clone()).await;
        let made = served.send("POST", "/encrypt", &TEXT, "mysecret").await;
        assert_eq!(served.send("POST", "/decrypt", &TEXT, &made.body).await.body, "mysecret");
        assert!(served.get("/key").await.body.starts_with("ssh-rsa "));
    }
}
