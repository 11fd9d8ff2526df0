//! Connections that are passed on unread (of datagrams, `udp/mod.rs` tells). The way of one:
//!
//! `accept → (read the ClientHello) → route → admit → pick → connect → tunnel → record`
//!
//! - route: `routes.rs`, by listener, and over TLS by the name that the client asks for (`hello.rs`);
//! - admit, pick, connect: `connect.rs`, with the endpoints, ejection and retry budget that requests have too;
//! - tunnel: `tunnel.rs` of the crate, which WebSocket uses as well;
//! - record: `record.rs`.

mod connect;
mod hello;
pub(crate) mod metrics;
mod record;
mod routes;
mod stats;

use std::rc::Rc;

use haechi_core::Instant;
use haechi_route::config::Layer4;

use crate::client::linger;
use crate::conn::Conn;
use crate::exchange::Timing;
use crate::failure::Failure;
use crate::introduce;
use crate::prepare::ClientFacts;
use crate::stream::Stream;
use crate::tunnel::{End, Tunnel, Watch, Way};
use crate::worker::{Deadline, Worker};

use connect::connect;
use hello::Opening;
pub(crate) use hello::Refusal;
pub(crate) use record::{Passed, record};
pub(crate) use routes::{Entrance, Routes, RunningLayer4};
pub(crate) use stats::{ENDS, Layer4Stats, RefusedStats, Sum};

/// How a connection ended that had a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was passed on.
    Tunnel(End),
    /// No endpoint took it.
    Failed(Failure),
}

/// Serves one client connection to its end.
pub(crate) async fn serve(
    stream: Stream,
    facts: &ClientFacts,
    listener: &str,
    entrance: Rc<Entrance>,
    deadline: Deadline,
    worker: &Worker,
) {
    let started = worker.now();
    let Ok(mut client) = stream.into_conn() else { return };
    let (found, opening) = match entrance.kind {
        Layer4::Tls => match hello::read(&mut client, &deadline, worker).await {
            Ok(opening) => (entrance.find(opening.name.as_deref()), opening),
            Err(refusal) => return refuse(client, refusal, &deadline, worker).await,
        },
        Layer4::Tcp | Layer4::Udp => (entrance.find(None), Opening::default()),
    };
    let Some(route) = found else {
        let refusal = if entrance.kind == Layer4::Tls { Refusal::UnknownName } else { Refusal::NoRoute };
        return refuse(client, refusal, &deadline, worker).await;
    };
    // Names among others are decided by now; the rest of the table may go.
    let route = route.clone();
    drop(entrance);
    route.stats.open.one();
    let mut timing = Timing::new(started);
    let mut up = Way::default();
    up.outbox.keep(&opening.bytes, &worker.buffers);
    let mut received = opening.bytes.len() as u64;
    route.stats.to_service.add(received);
    let mut sent = 0;
    let header = introduce::header(&route.service, facts, &client);
    let ended = match connect(&route, header.as_deref(), &deadline, worker, &mut timing).await {
        Ok((picked, mut service)) => {
            let watch = Watch {
                idle: route.config.idle_timeout,
                until: &|| route.until.get(),
                bytes: Some((&route.stats.to_service, &route.stats.to_client)),
            };
            let down = Way::default();
            let mut tunnel = Tunnel {
                client: &mut client,
                service: &mut service,
                up,
                down,
                deadline: &deadline,
                watch,
                worker,
            };
            let end = tunnel.run().await;
            received += tunnel.up.bytes;
            sent = tunnel.down.bytes;
            if end != End::Whole {
                service.reset();
            }
            picked.finished(None, worker.now());
            Ended::Tunnel(end)
        }
        Err(failure) => Ended::Failed(failure),
    };
    route.stats.open.less_one();
    let passed = Passed {
        kind: route.config.kind,
        ip: &facts.ip,
        listener,
        name: opening.name.as_deref(),
        received,
        sent,
        datagrams: None,
    };
    route.stats.ended(ended, worker.now().since(started));
    record(worker, &route, &passed, ended.as_str(), &timing);
    match ended {
        Ended::Tunnel(End::Whole) => {}
        Ended::Tunnel(End::ServiceLeft) => linger(&mut client, &deadline, worker).await,
        // What the client got is not whole, and nothing else would show it.
        Ended::Tunnel(_) | Ended::Failed(_) => client.reset(),
    }
}

/// Sends a client away that no route takes.
async fn refuse(mut client: Conn, refusal: Refusal, deadline: &Deadline, worker: &Worker) {
    worker.stats.layer4_refused.count(refusal);
    tracing::debug!(why = refusal.as_str(), "a connection was not passed on");
    let Some(alert) = refusal.alert() else { return client.reset() };
    if client.try_write(&alert.record()).is_ok() {
        linger(&mut client, deadline, worker).await;
    }
}

/// A moment that never comes.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);
