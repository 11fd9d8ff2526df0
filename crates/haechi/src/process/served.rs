//! A part that listens and can be replaced while its port stays open: the old and the new one accept from the
//! same queue for a moment, so no connection is refused. The new one may be in another process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_web::Stage;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::parts;
use crate::upgrade::{Predecessor, Socket};

/// A port that stays open until this is dropped and nobody accepts from it any more.
#[derive(Debug)]
pub struct Port {
    /// Where the file says. The port may be 0 there.
    pub listen: SocketAddr,
    socket: std::net::TcpListener,
}

impl Port {
    /// The port of a part: the one that the process before this one had, or a new one.
    pub fn open(part: &str, listen: SocketAddr, before: Option<&Predecessor>) -> anyhow::Result<Self> {
        let socket = match before.and_then(|before| before.take_tcp(part, listen)) {
            Some(socket) => socket,
            None => parts::bind(part, listen)?.into_std()?,
        };
        socket.set_nonblocking(true)?;
        Ok(Self { listen, socket })
    }

    /// The port that is open already, if it is the one wanted.
    fn again(old: Option<&Self>, listen: SocketAddr) -> Option<std::io::Result<Self>> {
        let old = old.filter(|old| old.listen == listen)?;
        Some(old.socket.try_clone().map(|socket| Self { listen, socket }))
    }

    /// To accept from.
    pub fn listener(&self) -> std::io::Result<TcpListener> {
        TcpListener::from_std(self.socket.try_clone()?)
    }

    /// Where it is; tells the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or(self.listen)
    }

    /// For another process.
    pub fn to_hand_over(&self, part: &str) -> std::io::Result<Socket> {
        Socket::of(part, "", &self.listen, &self.socket)
    }
}

/// A part and the port that it listens on.
pub struct Served<T> {
    /// The part.
    pub part: Arc<T>,
    /// Its port.
    pub port: Port,
    stage: watch::Sender<Stage>,
    serving: JoinHandle<()>,
}

impl<T> Served<T> {
    /// Serves `part` on a port.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        port: Port,
        part: Arc<T>,
        serve: impl FnOnce(Arc<T>, TcpListener, watch::Receiver<Stage>) -> F,
    ) -> anyhow::Result<Self> {
        let listener = port.listener()?;
        let (stage, stages) = watch::channel(Stage::Serving);
        let serving = tokio::spawn(serve(Arc::clone(&part), listener, stages));
        Ok(Self { part, port, stage, serving })
    }

    /// The port for what replaces `old`.
    pub fn port_after(name: &str, listen: SocketAddr, old: Option<&Self>) -> anyhow::Result<Port> {
        match Port::again(old.map(|old| &old.port), listen) {
            Some(port) => Ok(port?),
            None => Port::open(name, listen, None),
        }
    }

    /// Accepts nothing more and finishes what is in flight.
    pub async fn stop(self) {
        self.leave(Stage::Stopped).await;
    }

    /// Accepts nothing more, because another process does. Open connections are answered once more, at most so long.
    pub async fn retire(self, linger: Duration) {
        self.leave(Stage::Retired(linger)).await;
    }

    async fn leave(self, stage: Stage) {
        self.stage.send_replace(stage);
        drop(self.port);
        // A server that panicked has nothing left to finish.
        let _ = self.serving.await;
    }
}
