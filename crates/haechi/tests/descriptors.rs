//! A gateway that may open few files: what carries no request gives way, and the shortage is nobody else's fault.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;

use common::{Up, folder, gateway, get, write};
use h2::client::{ResponseFuture, SendRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// Files that the gateway may open.
const DESCRIPTORS: u64 = 128;

/// Endpoints of the service. Each gets one idle connection.
const ENDPOINTS: usize = 40;

/// An endpoint. Answers at once, but what is asked for at `/held` when told; it says that it has that.
async fn endpoint(held: mpsc::UnboundedSender<()>, told: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, held.clone(), told.clone()));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, held: mpsc::UnboundedSender<()>, mut told: watch::Receiver<bool>) {
    let mut request = [0; 4096];
    let mut end = 0;
    while let Ok(count @ 1..) = stream.read(&mut request[end..]).await {
        end += count;
        if !request[..end].ends_with(b"\r\n\r\n") {
            continue;
        }
        if request.starts_with(b"GET /held ") {
            let _ = held.send(());
            let _ = told.wait_for(|told| *told).await;
        }
        end = 0;
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

/// Many requests on one connection, so that it is connections to the service that take the descriptors.
struct Client(SendRequest<&'static [u8]>);

impl Client {
    async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
        let (send, connection) = h2::client::Builder::new().handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    async fn ask(&mut self, path: &str) -> ResponseFuture {
        let request = http::Request::get(format!("http://a{path}")).body(()).unwrap();
        let mut send = self.0.clone().ready().await.unwrap();
        send.send_request(request, true).unwrap().0
    }

    async fn get(&mut self, path: &str) -> u16 {
        self.ask(path).await.await.unwrap().status().as_u16()
    }
}

async fn metric(admin: &str, line: &str) -> u64 {
    let metrics = get(&format!("{admin}/metrics")).await.1;
    let found = metrics.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap().parse().unwrap()
}

#[tokio::test]
async fn idle_connections_to_services_give_way_and_the_shortage_is_held_against_no_endpoint() {
    let folder = folder();
    let log = folder.path().join("access.log");
    let (held, mut arrived) = mpsc::unbounded_channel();
    let (tell, told) = watch::channel(false);
    let mut endpoints = Vec::new();
    for _ in 0..ENDPOINTS {
        endpoints.push(endpoint(held.clone(), told.clone()).await.to_string());
    }
    let services = format!("  a: {{ balance: round-robin, endpoints: [{}] }}\n", endpoints.join(", "));
    let text = gateway("    - { name: all, match: { path: /** }, service: a }\n", &services);
    let log_to = format!("  workers: 1\n  access-log: {{ path: {} }}\n  routes:", log.display());
    let file = write(&folder, &text.replace("  routes:", &log_to));
    let up = Up::start_with_descriptors(&file, DESCRIPTORS).await;
    let admin = up.address("admin");
    let mut client = Client::connect(&up.address("gateway web")).await;

    for _ in 0..ENDPOINTS {
        assert_eq!(client.get("/").await, 200);
    }
    assert_eq!(metric(&admin, "haechi_idle_connections{service=\"a\"}").await, ENDPOINTS as u64);

    // Each needs a connection of its own, until there is none to be had.
    let mut waiting = Vec::new();
    let refused = loop {
        let mut answer = client.ask("/held").await;
        tokio::select! {
            Some(()) = arrived.recv() => waiting.push(answer),
            refused = &mut answer => break refused.unwrap(),
        }
    };
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["proxy-status"], "haechi; error=proxy_internal_error");
    assert!(waiting.len() > ENDPOINTS, "only {} were served", waiting.len());
    while !std::fs::read_to_string(&log).unwrap_or_default().contains("proxy_internal_error") {
        tokio::task::yield_now().await;
    }

    // All that were accepted are answered, then others.
    tell.send(true).unwrap();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    for _ in 0..ENDPOINTS {
        assert_eq!(client.get("/held").await, 200);
    }
    assert!(metric(&admin, "haechi_limit_strikes_total{limit=\"connect_descriptors\"}").await > 0);
    assert_eq!(metric(&admin, "haechi_ejections_total{service=\"a\"}").await, 0);
    assert_eq!(metric(&admin, "haechi_endpoints_admitting{service=\"a\"}").await, ENDPOINTS as u64);
}
