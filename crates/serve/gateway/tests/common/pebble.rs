//! Pebble, the ACME server that Let's Encrypt tests clients with, and the name server that it asks.
//!
//! `.ci/install` installs it; `PEBBLE` names another one.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::tls::{Ca, connect};

/// A running pebble. Killed when dropped.
pub struct Pebble {
    /// Whom its own server is trusted by.
    pub ca: Ca,
    /// The URL of its directory.
    pub directory: String,
    management: SocketAddr,
    _process: Child,
}

impl Pebble {
    /// Starts one whose certificates are good for so many seconds, and that asks for http-01 and tls-alpn-01 at these
    /// ports. Names that begin with `missing` have no address, all others are 127.0.0.1.
    pub async fn start(http: u16, tls: u16, validity: u64) -> Self {
        let ca = Ca::new("house ca");
        let own = ca.issue(&["127.0.0.1"], 9);
        std::fs::write(ca.path("pebble.pem"), &own.chain).unwrap();
        std::fs::write(ca.path("pebble.key"), own.key.serialize_pem()).unwrap();
        let names = name_server().await;
        loop {
            // It can't be told to choose ports itself. Where another one is faster, others are tried.
            let free = || async { TcpListener::bind(("127.0.0.1", 0)).await.unwrap() };
            let held = (free().await, free().await);
            let (listen, management) = (held.0.local_addr().unwrap(), held.1.local_addr().unwrap());
            drop(held);
            let config = serde_json::json!({ "pebble": {
                "listenAddress": listen.to_string(),
                "managementListenAddress": management.to_string(),
                "certificate": ca.path("pebble.pem"),
                "privateKey": ca.path("pebble.key"),
                "httpPort": http,
                "tlsPort": tls,
                "keyAlgorithm": "ecdsa",
                "retryAfter": { "authz": 1, "order": 1 },
                "profiles": { "default": { "description": "test", "validityPeriod": validity } },
            }});
            std::fs::write(ca.path("pebble.json"), config.to_string()).unwrap();
            let program = std::env::var_os("PEBBLE").unwrap_or_else(|| "pebble".into());
            let mut process = Command::new(&program)
                .args(["-dnsserver", &names.to_string(), "-config"])
                .arg(ca.path("pebble.json"))
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_AUTHZREUSE", "0")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap_or_else(|error| panic!("can't run {}: {error}; see .ci/install", program.display()));
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("ACME directory available") {
                    break;
                }
            }
            while process.try_wait().unwrap().is_none() {
                if TcpStream::connect(listen).await.is_ok() && TcpStream::connect(management).await.is_ok() {
                    // It must not wait for somebody to read what it says.
                    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                    let directory = format!("https://{listen}/dir");
                    return Self { ca, directory, management, _process: process };
                }
            }
        }
    }

    /// Ends it. Whom it was trusted by stays.
    pub fn end(self) -> Ca {
        self.ca
    }

    /// The root of the certificates that it issues (PEM).
    pub async fn root(&self) -> String {
        let mut stream = connect(self.management, &self.ca.client(None), "127.0.0.1").await.unwrap();
        stream.write_all(b"GET /roots/0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        // It may close without a goodbye.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        answer[answer.find("-----BEGIN").unwrap()..].to_owned()
    }
}

/// Answers over TCP, as pebble asks.
async fn name_server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; length.into()];
                    if stream.read_exact(&mut question).await.is_err() {
                        return;
                    }
                    let answer = answer(&question);
                    let length = (answer.len() as u16).to_be_bytes();
                    if stream.write_all(&[&length[..], &answer].concat()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// RFC 1035 §4.1: a header of 12 bytes, then a name of labels that ends with an empty one, type and class.
fn answer(question: &[u8]) -> Vec<u8> {
    let name = question[12..].iter().position(|byte| *byte == 0).unwrap();
    let end = 12 + name + 5;
    let is_missing = question[13..].starts_with(b"missing");
    let is_a = question[end - 4..end - 2] == [0, 1] && !is_missing;
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, if is_missing { 0x83 } else { 0x80 }, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    if is_a {
        // The name above; A, IN, one minute, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    answer
}
