//! Services that close idle connections at awkward moments: as a request is sent, with half of it read, with a reset,
//! behind a 408. No GET may fail, and no POST may be processed twice, with the default configuration.
//!
//! The large run, with instances that are restarted, is `haechi-bench restarts`.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{config, start};
use haechi_testkit::Client;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Instances.
const INSTANCES: usize = 200;

/// Requests for each of them.
const REQUESTS: usize = 60;

/// Client connections, all busy at once.
const CLIENTS: usize = 16;

/// What an instance does to a connection in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Close {
    /// As soon as it has answered, without a word.
    Idle,
    /// The same with a reset.
    IdleReset,
    /// It says so, as it should.
    Announced,
    /// With an answer that nobody asked for.
    Idle408,
    /// When the next request arrives, of which it reads nothing.
    Crossing,
    /// When the next request arrives, and some servers answer even then.
    Crossing408,
    /// With half of the next request's head read.
    HalfHead,
    /// With the next request read and processed, and no answer.
    Unanswered,
}

const CLOSES: [Close; 8] = [
    Close::Idle,
    Close::IdleReset,
    Close::Announced,
    Close::Idle408,
    Close::Crossing,
    Close::Crossing408,
    Close::HalfHead,
    Close::Unanswered,
];

const TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What all instances saw.
#[derive(Default)]
struct Log {
    /// How often each request was read, at least in part: it may have been processed.
    read: Mutex<BTreeMap<String, usize>>,
    /// How often each close was made.
    closed: Mutex<BTreeMap<Close, usize>>,
    connections: AtomicUsize,
}

impl Log {
    fn read(&self, target: &str) {
        *self.read.lock().unwrap().entry(target.to_owned()).or_default() += 1;
    }
}

/// Addresses of so many instances. One listener accepts for all: every address of 127/8 is this machine.
async fn start_instances(count: usize, log: Arc<Log>) -> Vec<SocketAddr> {
    let listener = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
    // And nobody else's.
    SockRef::from(&listener).bind_device(Some(b"lo")).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            // A connection that ended before it was accepted is an error here, and no reason to refuse all others.
            let Ok((stream, _)) = listener.accept().await else { continue };
            let number = log.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(connection(stream, log.clone(), number));
        }
    });
    let address = |number: usize| {
        let [.., high, low] = (number as u32 + 1).to_be_bytes();
        SocketAddr::from(([127, 1, high, low], port))
    };
    (0..count).map(address).collect()
}

/// Answers some requests and then closes awkwardly. Any error means that the gateway left.
async fn connection(mut stream: TcpStream, log: Arc<Log>, number: usize) {
    stream.set_nodelay(true).unwrap();
    let close = CLOSES[number % CLOSES.len()];
    // Often enough to matter, rarely enough for the default budget of retries.
    let answers = 8 + number % 7;
    for answered in 1..=answers {
        let Some(target) = read_request(&mut stream, &log).await else { return };
        let last =
            if close == Close::Announced && answered == answers { "Connection: close\r\n" } else { "" };
        let length = target.len();
        let answer = format!("HTTP/1.1 200 OK\r\n{last}Content-Length: {length}\r\n\r\n{target}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
    let mut half = [0; 24];
    match close {
        Close::Idle | Close::Announced => {}
        Close::IdleReset => reset(&stream),
        Close::Idle408 => drop(stream.write_all(TIMED_OUT).await),
        Close::Crossing => drop(stream.readable().await),
        Close::Crossing408 => {
            if stream.peek(&mut half).await.is_ok_and(|count| count > 0) {
                drop(stream.write_all(TIMED_OUT).await);
            }
        }
        Close::HalfHead => {
            if stream.read_exact(&mut half).await.is_ok() {
                log.read(&target_of(&half));
            }
            reset(&stream);
        }
        Close::Unanswered => drop(read_request(&mut stream, &log).await),
    }
    *log.closed.lock().unwrap().entry(close).or_default() += 1;
}

fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads a whole request. Its target names it.
async fn read_request(stream: &mut TcpStream, log: &Log) -> Option<String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let body = if bytes.starts_with(b"POST") { 3 } else { 0 };
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if end.is_some_and(|end| bytes.len() >= end + 4 + body) {
            let target = target_of(&bytes);
            log.read(&target);
            return Some(target);
        }
    }
}

fn target_of(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// What one client got: GETs that failed, and the status of each POST.
#[derive(Default)]
struct Got {
    failed: Vec<String>,
    posts: BTreeMap<String, u16>,
}

/// Three GETs to each POST, one after the other, on a connection that is opened again when it ends.
async fn client(address: SocketAddr, number: usize, requests: usize) -> Got {
    let mut got = Got::default();
    let mut client = Client::connect(address).await;
    for request in 0..requests {
        let target = format!("/{number:03}-{request:06}");
        let post = request % 4 == 3;
        let (method, fields) = if post { ("POST", "Content-Length: 3\r\n\r\nabc") } else { ("GET", "\r\n") };
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}")).await;
        let answer = client.response().await;
        let status = answer.as_ref().map_or(0, haechi_testkit::Message::status);
        let own = answer.as_ref().is_some_and(|answer| answer.text() == target);
        if answer.as_ref().is_none_or(|answer| answer.field("connection") == Some("close")) {
            client = Client::connect(address).await;
        }
        if status == 200 && !own || status != 200 && !post {
            got.failed.push(format!("{method} {target}: {answer:?}"));
        }
        if post {
            got.posts.insert(target, status);
        }
    }
    got
}

#[tokio::test]
async fn connections_closed_at_awkward_moments_fail_no_get_and_double_no_post() {
    let log = Arc::new(Log::default());
    let endpoints = start_instances(INSTANCES, log.clone()).await;
    let (_gateway, address) = start(config(&endpoints)).await;
    let each = INSTANCES * REQUESTS / CLIENTS;
    let clients: Vec<_> = (0..CLIENTS).map(|number| tokio::spawn(client(address, number, each))).collect();
    let mut got = Got::default();
    for client in clients {
        let one = client.await.unwrap();
        got.failed.extend(one.failed);
        got.posts.extend(one.posts);
    }
    let closed = log.closed.lock().unwrap().clone();
    let read = log.read.lock().unwrap();
    let lost = got.posts.values().filter(|status| **status != 200).count();
    println!("{} requests, {lost} of {} POSTs failed, closed: {closed:?}", each * CLIENTS, got.posts.len());
    assert!(
        got.failed.is_empty(),
        "{} failed:\n{}",
        got.failed.len(),
        got.failed[..got.failed.len().min(10)].join("\n")
    );
    for (target, status) in &got.posts {
        let times = read.get(target).copied().unwrap_or_default();
        assert!(times <= 1, "POST {target} was read {times} times");
        assert!(times == 1 || *status != 200, "POST {target} was answered and never read");
        // 408 is a service's own answer, and the client may know better than the gateway what to do with it.
        assert!([200, 408, 502].contains(status), "POST {target} was answered {status}");
    }
    // Each kind of close was met.
    assert_eq!(closed.len(), CLOSES.len(), "{closed:?}");
}
