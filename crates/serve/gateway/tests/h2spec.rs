//! h2spec's cases of RFC 9113 and RFC 7541, against the gateway in front of a service of HTTP/1.1.
//!
//! `.ci/install` installs h2spec; `H2SPEC` names another one.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;

use common::tls::{Ca, tls};
use common::{config, start};
use haechi_route::config::Listener;
use haechi_testkit::Service;
use tokio::process::Command;

/// Long enough for the cases that cut an answer by small windows.
const TEXT: &str =
    "haechi haechi haechi haechi haechi haechi haechi haechi haechi haechi haechi haechi haechi haechi";

/// How many cases there are.
const CASES: usize = 145;

/// Runs all cases. Returns what it printed.
async fn h2spec(address: SocketAddr, options: &[&str]) -> String {
    let program = std::env::var_os("H2SPEC").unwrap_or_else(|| "h2spec".into());
    let port = address.port().to_string();
    let done =
        Command::new(&program).args(["-h", "127.0.0.1", "-p", &port, "-o", "5"]).args(options).output();
    let done = done
        .await
        .unwrap_or_else(|error| panic!("can't run {}: {error}; see .ci/install", program.display()));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[tokio::test]
async fn every_case_passes_over_tls() {
    let (ca, service) = (Ca::new("ca"), Service::text(TEXT).await);
    let certificate = ca.write("a.pem", &["127.0.0.1"], 1);
    let mut config = config(&[service.address]);
    let listen = ([127, 0, 0, 1], 0).into();
    let listener = Listener { tls: Some(tls(&[&certificate])), ..Listener::plain(listen) };
    config.listeners.insert("web".into(), listener);
    let (_gateway, address) = start(config).await;
    let said = h2spec(address, &["-t", "-k"]).await;
    assert!(said.contains(&format!("{CASES} tests, {CASES} passed, 0 skipped, 0 failed")), "{said}");
}

/// On a plain port what is no preface may be HTTP/1.1, and is answered 400 as such before the connection is
/// closed. That is the one case that expects something else.
#[tokio::test]
async fn every_case_but_one_passes_in_the_clear() {
    let service = Service::text(TEXT).await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let said = h2spec(address, &[]).await;
    assert!(said.contains(&format!("{CASES} tests, {} passed, 0 skipped, 1 failed", CASES - 1)), "{said}");
    assert!(said.contains("× 2: Sends invalid connection preface"), "{said}");
}
