//! Accepting connections.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::Worker;
use crate::client::Client;
use crate::conn::Conn;
use crate::outbox::Outbox;
use crate::prepare::ClientFacts;
use crate::way;

/// How long accepting pauses when there is no place or no descriptor left. Short enough that nobody notices,
/// long enough not to spin.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection's place under `limits.connections`, counted over all workers.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<AtomicUsize>,
    worker: Rc<Worker>,
}

impl Place {
    fn take(taken: &Arc<AtomicUsize>, worker: &Rc<Worker>) -> Self {
        taken.fetch_add(1, Ordering::Relaxed);
        worker.open.set(worker.open.get() + 1);
        worker.stats.accepted.one();
        worker.stats.connections.one();
        Self { taken: taken.clone(), worker: worker.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.worker.open.set(self.worker.open.get().saturating_sub(1));
        self.worker.stats.connections.less_one();
        if self.worker.open.get() == 0 {
            self.worker.emptied.notify_one();
        }
    }
}

/// Accepts until told to stop, then takes what the kernel accepted already: closing would reset it.
pub(super) async fn accept(
    listener: TcpListener,
    taken: Arc<AtomicUsize>,
    worker: Rc<Worker>,
    stop: Rc<Notify>,
) {
    let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    let mut stopping = false;
    loop {
        if !stopping && taken.load(Ordering::Relaxed) >= worker.plan.borrow().config.limits.connections {
            worker.stats.limits.connections.one();
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.notified() => stopping = true,
            }
            continue;
        }
        let accepted = if stopping {
            match std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx))).await {
                std::task::Poll::Ready(accepted) => accepted,
                std::task::Poll::Pending => return,
            }
        } else {
            tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.notified() => {
                    stopping = true;
                    continue;
                }
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = Place::take(&taken, &worker);
                let facts = ClientFacts {
                    ip: peer.ip().to_canonical().to_string(),
                    port: port.to_string(),
                    scheme: "http",
                };
                start(stream, facts, place);
            }
            // The connection was gone before it was taken.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "can't accept connections; trying again");
                worker.stats.limits.descriptors.one();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::Interrupted
    )
}

fn start(stream: TcpStream, facts: ClientFacts, place: Place) {
    let Ok(conn) = Conn::tcp(stream) else { return };
    tokio::task::spawn_local(async move {
        let worker = place.worker.clone();
        let deadline = worker.deadlines.register();
        let client = Client { conn, pending: Vec::new(), outbox: Outbox::default(), deadline, facts };
        way::serve(client, worker).await;
        drop(place);
    });
}
