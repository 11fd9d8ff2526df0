//! The server over real sockets.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use haechi_web::{Handler, Limits, Request, Response, Stage, answer, client, serve, serve_in_stages};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

struct Echo {
    entered: Notify,
    leave: Notify,
}

impl Handler for Echo {
    async fn handle(&self, request: Request) -> Response {
        if request.uri.path() == "/slow" {
            self.entered.notify_one();
            self.leave.notified().await;
        }
        answer::text(StatusCode::OK, format!("{} {}", request.method, request.body.len()))
    }
}

async fn start(limits: Limits) -> (String, Arc<Echo>, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let echo = Arc::new(Echo { entered: Notify::new(), leave: Notify::new() });
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, Arc::clone(&echo), limits, stopped));
    (base, echo, stop, task)
}

fn http() -> client::Client {
    client::client(Duration::from_secs(5), Duration::from_secs(20)).unwrap()
}

#[tokio::test]
async fn a_body_within_the_limit_arrives_whole_and_a_larger_one_is_413() {
    let (base, _echo, _stop, _task) = start(Limits { body_bytes: 100, ..Limits::default() }).await;
    let answer = http().post(&base).body(vec![b'x'; 100]).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "POST 100");
    let answer = http().post(&base).body(vec![b'x'; 101]).send().await.unwrap();
    assert_eq!(answer.status(), 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_answers_408() {
    let limits = Limits { body_timeout: Duration::ZERO, ..Limits::default() };
    let (base, _echo, _stop, _task) = start(limits).await;
    let mut client = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn stopping_finishes_what_is_in_flight() {
    let (base, echo, stop, task) = start(Limits::default()).await;
    let slow = tokio::spawn(http().get(format!("{base}/slow")).send());
    echo.entered.notified().await;
    stop.send_replace(true);
    echo.leave.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "GET 0");
    task.await.unwrap();
    assert!(http().get(&base).send().await.is_err(), "nothing accepts any more");
}

#[tokio::test]
async fn a_retired_server_answers_open_connections_once_more_and_ends_with_the_last_of_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // What another process would accept from.
    let successor = TcpListener::from_std(std::net::TcpListener::from(
        std::os::fd::AsFd::as_fd(&listener).try_clone_to_owned().unwrap(),
    ));
    let successor = successor.unwrap();
    let echo = Arc::new(Echo { entered: Notify::new(), leave: Notify::new() });
    let (stages, stage) = watch::channel(Stage::Serving);
    let task = tokio::spawn(serve_in_stages(listener, echo, Limits::default(), stage));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    client.read_exact(&mut answer).await.unwrap();

    stages.send_replace(Stage::Retired(Duration::from_secs(1000)));
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    assert!(answers.contains("connection: close"), "{answers}");
    task.await.unwrap();
    let _next = TcpStream::connect(address).await.unwrap();
    successor.accept().await.unwrap();
}

#[tokio::test]
async fn bodies_of_all_connections_together_are_bounded_and_room_comes_back() {
    let limits = Limits { body_bytes: 8 << 10, bodies_bytes: 10 << 10, ..Limits::default() };
    let (base, echo, _stop, _task) = start(limits).await;
    let post = |path: &str, bytes: usize| http().post(format!("{base}{path}")).body(vec![b'x'; bytes]).send();
    let slow = tokio::spawn(post("/slow", 8 << 10));
    echo.entered.notified().await;
    let refused = post("/", 3 << 10).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(post("/", 2 << 10).await.unwrap().status(), 200, "what has room is taken");
    assert_eq!(http().get(&base).send().await.unwrap().status(), 200, "no body takes no room");
    echo.leave.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    assert_eq!(post("/", 8 << 10).await.unwrap().status(), 200);
}
