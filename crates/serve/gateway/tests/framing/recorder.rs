//! A service that notes every byte it receives, and when each connection ended.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::strict::{self, Kind};

/// What a service says to a request, and what it does then.
#[derive(Clone, Debug)]
pub struct Says {
    pub bytes: Vec<u8>,
    pub then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Stay,
    Close,
    Reset,
}

/// The service.
pub struct Recorder {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    open: watch::Receiver<usize>,
}

impl Recorder {
    /// Starts it. Requests for `/case` are answered with `says`, all others with their own start line and body.
    pub async fn start(says: Option<Says>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (count, open) = watch::channel(0);
        let log = received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(Vec::new());
                    log.len() - 1
                };
                count.send_modify(|open| *open += 1);
                let (log, count, says) = (log.clone(), count.clone(), says.clone());
                tokio::spawn(async move {
                    serve(stream, &log, number, says).await;
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, received, open }
    }

    /// Waits until every connection has ended, and returns what came on each.
    pub async fn received(mut self) -> Vec<Vec<u8>> {
        self.open.wait_for(|open| *open == 0).await.unwrap();
        let received = self.received.lock().unwrap();
        received.clone()
    }
}

async fn serve(mut stream: TcpStream, log: &Mutex<Vec<Vec<u8>>>, number: usize, says: Option<Says>) {
    let (mut answered, mut chunk) = (0, vec![0; 64 << 10]);
    loop {
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => log.lock().unwrap()[number].extend_from_slice(&chunk[..count]),
            _ => return,
        }
        loop {
            let all = log.lock().unwrap()[number].clone();
            // What is malformed gets no answer here; the judge sees it.
            let Ok(Some((message, len))) = strict::first(&all[answered..], Kind::Requests) else { break };
            answered += len;
            let own = format!("{}|{}", message.start, message.body.escape_ascii());
            let (bytes, then) = match &says {
                Some(says) if message.start.ends_with(" /case") => (says.bytes.clone(), says.then),
                _ => (
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{own}", own.len()).into(),
                    Then::Stay,
                ),
            };
            if stream.write_all(&bytes).await.is_err() {
                continue;
            }
            match then {
                Then::Stay => {}
                Then::Close => return,
                Then::Reset => {
                    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
                    return;
                }
            }
        }
    }
}
