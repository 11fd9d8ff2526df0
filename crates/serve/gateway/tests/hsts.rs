//! Strict-Transport-Security: on every answer over TLS, once, and on no other.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::tls::{Ca, connect, tls};
use common::{config, route, start_any};
use haechi_core::SystemClock;
use haechi_route::config::{Action, Filter, Hsts, Listener, PathPattern, Respond, Tls};
use haechi_testkit::{Client, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OWN: &str = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=0\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn every_answer_over_tls_has_it_once_and_no_other_one_has_it() {
    let ca = Ca::new("ca");
    let file = ca.write("a.pem", &["a.example"], 1);
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            if request.start.contains("/own") {
                connection.send(OWN).await;
            } else {
                connection.reply("hi").await;
            }
        }
    })
    .await;

    let mut config = config(&[service.address]);
    let hsts = Hsts { max_age: Duration::from_secs(60), include_subdomains: true, preload: false };
    let mut listener = Listener::plain(([127, 0, 0, 1], 0).into());
    config.listeners.insert("plain".into(), listener.clone());
    listener.tls = Some(Tls { hsts: Some(hsts), ..tls(&[&file]) });
    config.listeners.insert("web".into(), listener);
    let filter = Filter::SetResponseHeader("Strict-Transport-Security".into(), "max-age=5".into());
    let mut respond = route("respond", Some(PathPattern::Exact("/respond".into())), &[]);
    respond.action = Action::Respond(Respond::text(200, "there"));
    let filtered = route("filtered", Some(PathPattern::Exact("/filtered".into())), &[filter]);
    config.routes[0].matches.path = Some(PathPattern::Prefix("/app".into()));
    config.routes.extend([respond, filtered]);
    let gateway = start_any(SystemClock::start(), config).await;
    let addresses = gateway.local_addrs();

    let ours = "max-age=60; includeSubDomains";
    for (path, status, value) in [
        ("/app", 200, ours),
        ("/respond", 200, ours),
        ("/nothing", 404, ours),
        ("/app/own", 200, "max-age=0"),
        ("/filtered", 200, "max-age=5"),
    ] {
        let mut stream = connect(addresses["web"], &ca.client(None), "a.example").await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        let lines = answer.lines().filter_map(|line| line.split_once(": "));
        let values: Vec<&str> = lines
            .filter(|(name, _)| name.eq_ignore_ascii_case("strict-transport-security"))
            .map(|(_, value)| value)
            .collect();
        assert_eq!(values, [value], "{path}: {answer}");
    }
    let mut plain = Client::connect(addresses["plain"]).await;
    for path in ["/app", "/respond", "/nothing"] {
        assert_eq!(plain.get(path).await.field("strict-transport-security"), None, "{path}");
    }
}
