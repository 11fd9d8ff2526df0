//! Sockets that are more than a port: Unix sockets, whose file has to outlive a process, and UDP.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UdpSocket, UnixStream};
use tokio::time::timeout;

use crate::world::{Haechi, Load, ended, gateway, service, text};

/// Asks over a Unix socket, on a new connection, which must be answered.
async fn ask(path: &Path) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(b"GET /unix HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("/unix"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_goes_from_process_to_process_and_its_file_with_the_last() {
    let (address, _parts, _stop) = service().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let unix = format!(", {{ name: unix, listen: \"unix:{}\" }}]", path.display());
    let config = gateway(&address, "").replace("127.0.0.1:0 }]", &format!("127.0.0.1:0 }}{unix}"));
    let haechi = Haechi::start(&config).await;
    assert_eq!(haechi.address("gateway unix"), format!("unix:{}", path.display()));
    let asked = path.clone();
    let load = Load::of(4, move |_| {
        let path = asked.clone();
        async move { ask(&path).await }
    });
    let mut last = 0;
    for _ in 0..3 {
        load.until_more(20).await;
        last = haechi.upgraded().await;
    }
    haechi.until_only(last).await;
    load.until_more(20).await;
    load.finish().await;
    kill_process(Pid::from_raw(last).unwrap(), Signal::KILL).unwrap();
    ended(last).await;
    assert!(path.exists() && UnixStream::connect(&path).await.is_err(), "it had no time to remove its file");
    let mut haechi = Haechi::start(&config).await;
    ask(&path).await;
    kill_process(Pid::from_raw(haechi.child.id().unwrap().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert!(haechi.child.wait().await.unwrap().success());
    assert!(!path.exists());
}

/// A service that sends each datagram back, for as long as the test runs.
async fn echo() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut bytes = [0; 64];
        loop {
            let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
            socket.send_to(&bytes[..count], from).await.unwrap();
        }
    });
    address
}

/// Asks from a new port, and once more when no answer comes, as resolvers of DNS do.
async fn ask_by_udp(gateway: &str, question: &str) {
    for _ in 0..2 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(gateway).await.unwrap();
        socket.send(question.as_bytes()).await.unwrap();
        let mut bytes = [0; 64];
        if let Ok(received) = timeout(Duration::from_secs(5), socket.recv(&mut bytes)).await {
            return assert_eq!(text(&bytes[..received.unwrap()]), question);
        }
    }
    panic!("{question} is not answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_twice_over_udp_is_answered_throughout() {
    let config = format!(
        "gateway:\n  workers: 2\n  listeners: [{{ name: dns, protocol: udp, listen: 127.0.0.1:0 }}]\n  udp-routes: [{{ name: dns, listener: dns, service: a }}]\nservices:\n  a: {{ endpoints: [{}] }}\n",
        echo().await
    );
    let haechi = Haechi::start(&config).await;
    let address = haechi.address("gateway dns");
    let load = Load::of(4, move |number| {
        let address = address.clone();
        async move { ask_by_udp(&address, &number.to_string()).await }
    });
    let mut last = 0;
    for _ in 0..3 {
        load.until_more(100).await;
        last = haechi.upgraded().await;
    }
    haechi.until_only(last).await;
    load.until_more(100).await;
    load.finish().await;
}
