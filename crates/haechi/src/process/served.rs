//! A part that listens and can be replaced while its port stays open: the old and the new one accept from the
//! same queue for a moment, so no connection is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::parts;

/// A part and the port that it listens on.
pub struct Served<T> {
    /// The part.
    pub part: Arc<T>,
    listen: SocketAddr,
    /// Keeps the queue open while the part is replaced.
    socket: std::net::TcpListener,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl<T> Served<T> {
    /// Serves `part` on `listen`, on the port of `old` if that is the same. `serve` runs until its signal.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        name: &str,
        listen: SocketAddr,
        old: Option<&Self>,
        part: Arc<T>,
        serve: impl FnOnce(Arc<T>, TcpListener, watch::Receiver<bool>) -> F,
    ) -> anyhow::Result<Self> {
        let socket = match old {
            Some(old) if old.listen == listen => old.socket.try_clone()?,
            _ => parts::bind(name, listen)?.into_std()?,
        };
        let listener = TcpListener::from_std(socket.try_clone()?)?;
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(Arc::clone(&part), listener, stopped));
        Ok(Self { part, listen, socket, stop, serving })
    }

    /// Where it listens; tells the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or(self.listen)
    }

    /// Accepts nothing more and finishes what is in flight.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        drop(self.socket);
        // A server that panicked has nothing left to finish.
        let _ = self.serving.await;
    }
}
