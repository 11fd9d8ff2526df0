//! Accepting connections.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::Worker;
use super::places::{Place, give_way};
use crate::client::Client;
use crate::conn::Conn;
use crate::outbox::Outbox;
use crate::prepare::ClientFacts;
use crate::way;

/// How long accepting pauses when there is no place and nobody gives way, or no descriptor left. Short enough that nobody notices,
/// long enough not to spin.
const PAUSE: Duration = Duration::from_millis(20);

/// Accepts until told to stop, then takes what the kernel accepted already: closing would reset it.
pub(super) async fn accept(listener: TcpListener, name: String, worker: Rc<Worker>, stop: Rc<Notify>) {
    let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    let mut stopping = false;
    let mut failing = false;
    loop {
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
                failing = false;
                // While every connection is busy with a request, the next ones wait in the kernel.
                while !worker.places.make_room(&worker) {
                    tokio::time::sleep(PAUSE).await;
                }
                let ip = peer.ip().to_canonical();
                let Some(place) = worker.places.take(&worker, ip) else { continue };
                let facts =
                    ClientFacts { ip: ip.to_string(), port: port.to_string(), scheme: "http", http2: false };
                let http2 = worker.plan.borrow().config.listeners.get(&name).is_some_and(|open| open.http2);
                start(stream, facts, http2, place);
            }
            // The connection was gone before it was taken.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !failing {
                    failing = true;
                    tracing::warn!(%error, "can't accept connections; idle ones are closed until it works again");
                }
                worker.stats.limits.descriptors.one();
                give_way(&worker);
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

fn start(stream: TcpStream, facts: ClientFacts, http2: bool, place: Place) {
    let Ok(conn) = Conn::tcp(stream) else { return };
    tokio::task::spawn_local(async move {
        let worker = place.worker.clone();
        let deadline = worker.deadlines.register();
        let client = Client {
            conn,
            pending: Vec::new(),
            outbox: Outbox::default(),
            deadline,
            facts: Rc::new(facts),
            may_open_http2: http2,
        };
        way::serve(client, worker).await;
        drop(place);
    });
}
