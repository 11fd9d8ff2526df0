//! Sending batches to one peer, and acting on its answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use haechi_eureka::replication::{read_responses, write_list};
use haechi_eureka::{ReplicationAction, ReplicationItem, ReplicationResponse};
use haechi_lease::Source;
use haechi_web::client::StatusCode;
use tokio::sync::watch;

use super::queue::Task;
use super::{Peer, sync};
use crate::http::Current;
use crate::shared::{Receipts, Shared};
use crate::tasks::told;
use crate::view::shown_url;

/// After the peer said that it has too much to do, or didn't answer in time.
const BUSY_DELAY: Duration = Duration::from_secs(1);
/// After a failure to reach it; doubled up to the longest.
const UNREACHABLE_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

enum Sent {
    Answered(Vec<ReplicationResponse>),
    /// Try again after a while.
    Busy(String),
    /// Try again soon.
    Unreachable(String),
    /// Trying again would come to the same.
    Refused(String),
}

/// Sends what waits; when `stopped`, until nothing waits any more or the peer doesn't take it.
pub(crate) async fn run(current: Arc<Current>, peer: Arc<Peer>, mut stopped: watch::Receiver<bool>) {
    let mut failures = 0;
    loop {
        if peer.queue().len() == 0 {
            tokio::select! {
                () = told(&mut stopped) => return,
                () = peer.wake.notified() => {}
            }
        }
        let shared = current.shared();
        let (batch, delay) = (shared.options.peer_batch.max(1), shared.options.peer_batch_delay);
        if peer.queue().len() < batch {
            tokio::time::sleep(delay).await;
        }
        let tasks = peer.queue().take(batch, shared.clock.now());
        if tasks.is_empty() {
            continue;
        }
        // A stop waits for this one exchange, so that the last goodbyes are passed on; it is bounded by its timeout.
        let sent = send(&peer, &tasks).await;
        let pause = match sent {
            Sent::Answered(responses) => {
                failures = 0;
                reached(&shared, &peer, None);
                for (task, response) in tasks.iter().zip(responses) {
                    act(&shared, &peer, &task.item, response);
                }
                continue;
            }
            Sent::Refused(why) => {
                reached(&shared, &peer, Some(&why));
                continue;
            }
            Sent::Busy(why) => {
                reached(&shared, &peer, Some(&why));
                BUSY_DELAY
            }
            Sent::Unreachable(why) => {
                reached(&shared, &peer, Some(&why));
                failures = (failures + 1).min(6);
                (UNREACHABLE_DELAY * (1 << failures)).min(LONGEST_DELAY)
            }
        };
        peer.queue().put_back(tasks, shared.clock.now());
        tokio::select! {
            () = told(&mut stopped) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Notes whether the peer answers, and tells when that changes.
fn reached(shared: &Shared, peer: &Peer, failure: Option<&str>) {
    let before = peer.available.swap(failure.is_none(), Ordering::Relaxed);
    if before == failure.is_none() {
        return;
    }
    let url = shown_url(&peer.base);
    let what = match failure {
        None => format!("the peer {url} answers"),
        Some(why) => format!("the peer {url} doesn't take replication: {why}"),
    };
    shared.events.say("registry", what);
}

async fn send(peer: &Peer, tasks: &[Task]) -> Sent {
    let items: Vec<ReplicationItem> = tasks.iter().map(|t| t.item.clone()).collect();
    let Ok(url) = peer.base.join("peerreplication/batch/") else {
        return Sent::Refused("its address can't be extended by a path".to_owned());
    };
    let request = peer
        .client
        .post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .header(crate::http::REPLICATION, "true")
        .body(write_list(&items));
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Sent::Busy("no answer in time".to_owned()),
        Err(error) => return Sent::Unreachable(error.without_url().to_string()),
    };
    let status = response.status();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Sent::Busy("503".to_owned());
    }
    if !status.is_success() {
        return Sent::Refused(status.to_string());
    }
    match sync::bounded_body(response).await.map(|body| read_responses(&body)) {
        Ok(Ok(responses)) => Sent::Answered(responses),
        Ok(Err(error)) => Sent::Refused(error.to_string()),
        Err(error) => Sent::Unreachable(error),
    }
}

/// A peer that doesn't know an instance gets it; one that knows it better is believed
/// (`PeerEurekaNode.heartbeat`).
fn act(shared: &Shared, peer: &Peer, item: &ReplicationItem, response: ReplicationResponse) {
    if item.action != ReplicationAction::Heartbeat {
        return;
    }
    match (response.status_code, response.entity) {
        (404, _) => {
            let now = shared.clock.now();
            let instance = shared.state().get(&item.app_name, &item.id, now);
            if let Some(instance) = instance {
                peer.push(Task::register(&instance), now);
            }
        }
        (409, Some(newer)) => {
            if let Err(error) = shared.register(&mut Receipts::default(), newer, None, Source::Peer) {
                tracing::warn!(%error, "a peer's newer instance was not taken");
            }
        }
        _ => {}
    }
}
