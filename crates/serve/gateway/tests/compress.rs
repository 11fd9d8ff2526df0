//! Answers of services, compressed on their way.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::net::SocketAddr;

use common::{config, start};
use haechi_gateway::Gateway;
use haechi_route::config::{Coding, Compress, Filter, GatewayConfig};
use haechi_testkit::{Client, Message, Service};
use tokio::sync::mpsc;

fn compressing(service: &Service, change: impl FnOnce(&mut Compress)) -> GatewayConfig {
    let mut config = config(&[service.address]);
    let encodings = vec![Coding::Zstd, Coding::Brotli, Coding::Gzip];
    let mut compress = Compress { encodings, min_size: 1024, types: Vec::new(), secrets: false };
    change(&mut compress);
    config.routes[0].filters = vec![Filter::Compress(compress)];
    config
}

/// A service that always answers this head and body.
async fn service(fields: &str, body: &str) -> Service {
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}");
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    Service::start(move |mut connection| {
        let (answer, head) = (answer.clone(), head.clone());
        async move {
            while let Some(request) = connection.request().await {
                connection.send(if request.method() == "HEAD" { &head } else { &answer }).await;
            }
        }
    })
    .await
}

async fn gateway(fields: &str, body: &str) -> (Gateway, SocketAddr, Service) {
    let service = service(fields, body).await;
    let (gateway, address) = start(compressing(&service, |_| {})).await;
    (gateway, address, service)
}

async fn ask(client: &mut Client, method: &str, fields: &str) -> Message {
    client.send(format!("{method} / HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n")).await;
    client.response_to(method).await.unwrap()
}

fn decoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut out).map(drop).unwrap(),
        "br" => brotli::BrotliDecompress(&mut &body[..], &mut out).unwrap(),
        "zstd" => out = zstd::stream::decode_all(body).unwrap(),
        other => panic!("{other}"),
    }
    out
}

/// Text that gets smaller, and is not all the same.
fn text(lines: usize) -> String {
    (0..lines)
        .map(|line| format!("line {line} of the text, {}\n", line * 7919 % 1000))
        .collect::<Vec<_>>()
        .concat()
}

#[tokio::test]
async fn each_coding_gives_the_same_bytes_in_fewer() {
    let body = text(20_000);
    let length = body.len();
    let fields = format!(
        "Content-Type: text/plain\r\nContent-Length: {length}\r\nETag: \"v1\"\r\nAccept-Ranges: bytes\r\n"
    );
    let (_gateway, address, service) = gateway(&fields, &body).await;
    let mut client = Client::connect(address).await;
    for (accept, coding) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, br, zstd", "zstd"),
        ("gzip;q=1, br;q=0.9, zstd;q=0", "gzip"),
        ("*", "zstd"),
    ] {
        let answer = ask(&mut client, "GET", &format!("Accept-Encoding: {accept}\r\n")).await;
        assert_eq!(answer.field("content-encoding"), Some(coding), "{accept}");
        assert!(decoded(coding, &answer.body) == body.as_bytes(), "{accept}");
        assert!(answer.body.len() * 2 < length, "{accept}: {} of {length}", answer.body.len());
        assert_eq!((answer.field("etag"), answer.field("vary")), (Some("W/\"v1\""), Some("Accept-Encoding")));
        assert_eq!((answer.field("content-length"), answer.field("accept-ranges")), (None, None));
        // HEAD tells what GET gets, and its connection goes on.
        let head = ask(&mut client, "HEAD", &format!("Accept-Encoding: {accept}\r\n")).await;
        for name in ["content-encoding", "etag", "vary", "content-length"] {
            assert_eq!(head.field(name), answer.field(name), "{name}");
        }
    }
    for accept in
        ["", "Accept-Encoding: identity\r\n", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: deflate\r\n"]
    {
        let answer = ask(&mut client, "GET", accept).await;
        assert_eq!(
            (answer.field("content-encoding"), answer.field("etag")),
            (None, Some("\"v1\"")),
            "{accept}"
        );
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{accept}");
        assert!(answer.text() == body, "{accept}");
    }
    assert_eq!(service.connections(), 1, "the service's connection was used again each time");
}

#[tokio::test]
async fn a_copy_that_is_still_good_has_the_tag_that_it_was_given() {
    let service = Service::start(|mut connection| async move {
        while let Some(request) = connection.request().await {
            let vary = if request.target() == "/vary" { "Vary: Accept-Encoding, Cookie\r\n" } else { "" };
            connection.send(&format!("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n{vary}\r\n")).await;
        }
    })
    .await;
    let (_gateway, address) = start(compressing(&service, |_| {})).await;
    let mut client = Client::connect(address).await;
    for (fields, tag) in [
        ("Accept-Encoding: gzip\r\nIf-None-Match: W/\"v1\"\r\n", "W/\"v1\""),
        ("Accept-Encoding: gzip\r\nIf-None-Match: \"v0\", W/\"v1\"\r\n", "W/\"v1\""),
        ("Accept-Encoding: gzip\r\nIf-None-Match: *\r\n", "W/\"v1\""),
        // This client's copy is not compressed: it may be too small, or an image.
        ("Accept-Encoding: gzip\r\nIf-None-Match: \"v1\"\r\n", "\"v1\""),
        ("If-None-Match: W/\"v1\"\r\n", "\"v1\""),
        ("Accept-Encoding: gzip\r\nCookie: a=b\r\nIf-None-Match: W/\"v1\"\r\n", "\"v1\""),
    ] {
        let answer = ask(&mut client, "GET", fields).await;
        assert_eq!((answer.status(), answer.field("etag")), (304, Some(tag)), "{fields}");
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{fields}");
        assert_eq!(answer.field("content-encoding"), None, "{fields}");
    }
    client.send("GET /vary HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let answer = client.response().await.unwrap();
    assert_eq!(
        (answer.field("etag"), answer.field("vary")),
        (Some("W/\"v1\""), Some("Accept-Encoding, Cookie"))
    );
}

#[tokio::test]
async fn what_must_stay_as_it_is_stays_as_it_is() {
    let body = text(100);
    let length = format!("Content-Length: {}\r\n", body.len());
    for fields in [
        "Content-Type: text/html\r\nContent-Encoding: br\r\n",
        "Content-Type: text/html\r\nCache-Control: no-transform\r\n",
        "Content-Type: text/html\r\nSet-Cookie: session=1\r\n",
        "Content-Type: image/png\r\n",
        "Content-Type: application/grpc\r\n",
        "",
    ] {
        let (_gateway, address, _service) = gateway(&format!("{fields}{length}"), &body).await;
        let answer = ask(&mut Client::connect(address).await, "GET", "Accept-Encoding: gzip\r\n").await;
        assert!(answer.text() == body, "{fields}");
        assert_eq!(answer.field("vary"), None, "{fields}");
    }
    let (_gateway, address, _service) =
        gateway("Content-Type: text/html\r\nContent-Length: 5\r\n", "small").await;
    assert_eq!(
        ask(&mut Client::connect(address).await, "GET", "Accept-Encoding: gzip\r\n").await.text(),
        "small"
    );
}

#[tokio::test]
async fn requests_with_secrets_get_plain_answers_unless_told() {
    let body = text(100);
    let fields = format!("Content-Type: text/html\r\nContent-Length: {}\r\n", body.len());
    let service = service(&fields, &body).await;
    for told in [false, true] {
        let (_gateway, address) = start(compressing(&service, |compress| compress.secrets = told)).await;
        let mut client = Client::connect(address).await;
        for secret in ["Cookie: a=b\r\n", "Authorization: Basic eA==\r\n"] {
            let answer = ask(&mut client, "GET", &format!("Accept-Encoding: gzip\r\n{secret}")).await;
            assert_eq!(answer.field("content-encoding"), told.then_some("gzip"), "{secret}");
        }
        let answer = ask(&mut client, "GET", "Accept-Encoding: gzip\r\n").await;
        assert_eq!(answer.field("content-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn an_event_arrives_before_the_next_one_is_made() {
    let (events, next) = mpsc::unbounded_channel::<String>();
    let next = std::sync::Arc::new(tokio::sync::Mutex::new(next));
    let service = Service::start(move |mut connection| {
        let next = next.clone();
        async move {
            connection.request().await;
            connection
                .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await;
            while let Some(event) = next.lock().await.recv().await {
                connection.send(&format!("{:x}\r\n{event}\r\n", event.len())).await;
            }
            connection.send("0\r\n\r\n").await;
        }
    })
    .await;
    let (_gateway, address) = start(compressing(&service, |_| {})).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").await;
    // Each event is made only after the one before was read in whole by the client.
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    let mut seen = Vec::new();
    let mut at = 0;
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        events.send(event.clone()).unwrap();
        while !decoder.get_ref().ends_with(event.as_bytes()) {
            let mut bytes = [0; 4096];
            let count = tokio::io::AsyncReadExt::read(&mut client.stream, &mut bytes).await.unwrap();
            assert!(count > 0, "the stream ended");
            seen.extend_from_slice(&bytes[..count]);
            at = feed(&seen, at, &mut decoder);
        }
    }
    drop(events);
}

/// Gives the data of all whole chunks from `at` on to the decoder. Returns where the next chunk begins.
fn feed(seen: &[u8], mut at: usize, decoder: &mut flate2::write::GzDecoder<Vec<u8>>) -> usize {
    if at == 0 {
        let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") else { return 0 };
        at = end + 4;
    }
    loop {
        let Some(line) = seen[at..].windows(2).position(|window| window == b"\r\n") else { return at };
        let size = usize::from_str_radix(std::str::from_utf8(&seen[at..at + line]).unwrap(), 16).unwrap();
        let start = at + line + 2;
        if seen.len() < start + size + 2 {
            return at;
        }
        std::io::Write::write_all(decoder, &seen[start..start + size]).unwrap();
        std::io::Write::flush(decoder).unwrap();
        at = start + size + 2;
    }
}

#[tokio::test]
async fn a_cut_answer_does_not_look_whole_when_it_is_compressed() {
    let service = Service::start(|mut connection| async move {
        connection.request().await;
        connection
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\nhalf")
            .await;
    })
    .await;
    let (_gateway, address) = start(compressing(&service, |_| {})).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").await;
    assert!(client.response().await.is_none(), "its last chunk must be missing");
    client.rest().await;
    assert!(!client.seen().ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn beyond_the_limit_answers_go_as_they_are_and_that_is_counted() {
    let body = text(100);
    let service =
        service(&format!("Content-Type: text/html\r\nContent-Length: {}\r\n", body.len()), &body).await;
    let mut config = compressing(&service, |_| {});
    config.limits.compressors = 1;
    let (gateway, address) = start(config.clone()).await;
    let mut client = Client::connect(address).await;
    for _ in 0..3 {
        let answer = ask(&mut client, "GET", "Accept-Encoding: gzip\r\n").await;
        assert_eq!(answer.field("content-encoding"), Some("gzip"), "a place is given back");
    }
    assert!(gateway.metrics().contains("haechi_limit_strikes_total{limit=\"compressors\"} 0"));
    config.limits.compressors = 0;
    let (gateway, address) = start(config).await;
    let answer = ask(&mut Client::connect(address).await, "GET", "Accept-Encoding: gzip\r\n").await;
    assert_eq!((answer.field("content-encoding"), answer.text() == body), (None, true));
    assert!(gateway.metrics().contains("haechi_limit_strikes_total{limit=\"compressors\"} 1"));
}

#[tokio::test]
async fn curl_decodes_every_coding_over_both_versions() {
    let body = text(20_000);
    let fields = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", body.len());
    let (_gateway, address, _service) = gateway(&fields, &body).await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for coding in ["gzip", "br", "zstd"] {
            let accept = format!("Accept-Encoding: {coding}");
            let output = tokio::process::Command::new("curl")
                .args(["--silent", "--show-error", "--fail", "--compressed", version, "-H", &accept])
                .arg(format!("http://{address}/"))
                .output()
                .await
                .unwrap();
            assert!(output.status.success(), "{version} {coding}: {output:?}");
            assert!(output.stdout == body.as_bytes(), "{version} {coding}");
        }
    }
}
