//! A service that does what a script says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::message::{Message, Reader};

/// A service on a port that the system chose.
#[derive(Debug)]
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<Log>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Log {
    /// Bytes that came, by connection.
    received: Mutex<Vec<Vec<u8>>>,
    requests: Mutex<Vec<Message>>,
    count: watch::Sender<usize>,
}

/// One connection that the service accepted.
#[derive(Debug)]
pub struct Connection {
    /// The connection.
    pub stream: TcpStream,
    /// Its number, from 0.
    pub number: usize,
    reader: Reader,
    log: Arc<Log>,
}

impl Service {
    /// Starts a service that runs `script` on each connection.
    pub async fn start<F, S>(script: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(Connection) -> F + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self::on(listener, script)
    }

    /// Starts a service on a listener.
    pub fn on<F, S>(listener: TcpListener, script: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(Connection) -> F + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let task = tokio::spawn({
            let log = log.clone();
            async move {
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    stream.set_nodelay(true).unwrap();
                    let number = {
                        let mut received = log.received.lock().unwrap();
                        received.push(Vec::new());
                        received.len() - 1
                    };
                    let connection =
                        Connection { stream, number, reader: Reader::default(), log: log.clone() };
                    connections.spawn(script(connection));
                }
            }
        });
        Self { address, log, task: task.abort_handle() }
    }

    /// A service that answers every request with this text.
    pub async fn text(text: &'static str) -> Self {
        Self::start(move |mut connection| async move {
            while connection.request().await.is_some() {
                connection.reply(text).await;
            }
        })
        .await
    }

    /// A service that accepts and reads and never answers.
    pub async fn frozen() -> Self {
        Self::start(|mut connection| async move { while connection.request().await.is_some() {} }).await
    }

    /// An address that refuses connections. It stays taken by a socket that never listens, so that nobody else gets it
    /// while the test runs.
    pub fn refusing() -> SocketAddr {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Box::leak(Box::new(socket)).local_addr().unwrap()
    }

    /// Requests that came whole, over all connections.
    pub fn requests(&self) -> Vec<Message> {
        self.log.requests.lock().unwrap().clone()
    }

    /// Waits until this many requests came.
    pub async fn wait_for(&self, count: usize) {
        self.log.count.subscribe().wait_for(|came| *came >= count).await.unwrap();
    }

    /// Connections accepted.
    pub fn connections(&self) -> usize {
        self.log.received.lock().unwrap().len()
    }

    /// Bytes that came, by connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.log.received.lock().unwrap().clone()
    }

    /// Stops listening and closes all connections.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// The next head; its body is not read yet.
    pub async fn head(&mut self) -> Option<Message> {
        let head = self.reader.head(&mut self.stream).await;
        self.note();
        head
    }

    /// The next whole request.
    pub async fn request(&mut self) -> Option<Message> {
        let mut request = self.head().await?;
        request.body = self.body(&request).await?;
        self.count(request.clone());
        Some(request)
    }

    /// The body of a request whose head was read.
    pub async fn body(&mut self, head: &Message) -> Option<Vec<u8>> {
        let body = self.reader.body(&mut self.stream, head, false).await;
        self.note();
        body
    }

    /// Counts a request whose parts the script read itself.
    pub fn count(&self, request: Message) {
        self.log.requests.lock().unwrap().push(request);
        self.log.count.send_modify(|count| *count += 1);
    }

    fn note(&self) {
        self.log.received.lock().unwrap()[self.number].clone_from(&self.reader.seen);
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The peer may have left, which the test sees elsewhere.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Answers 200 with a text.
    pub async fn reply(&mut self, text: &str) {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())).await;
    }

    /// Says that nothing more will come.
    pub async fn shutdown(&mut self) {
        // The peer may have left already.
        let _ = self.stream.shutdown().await;
    }

    /// Waits until the peer closes. Returns what it sent before.
    pub async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is a close too.
        let _ = self.stream.read_to_end(&mut rest).await;
        rest
    }

    /// Resets the connection.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}
