//! Learning at the start what a peer knows.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use haechi_eureka::json;
use haechi_lease::Source;
use haechi_web::client::Url;
use tokio::sync::watch;

use super::Peer;
use crate::http::REPLICATION;
use crate::shared::{Receipts, Shared};
use crate::tasks::told;
use crate::view::shown_url;

/// A peer's answer may be this long: a full listing of some 200,000 instances.
const ANSWER_BYTES: usize = 512 << 20;

/// Reads an answer's body within the bound.
pub(crate) async fn bounded_body(mut response: haechi_web::client::Answer) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| e.without_url().to_string())? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(format!("its answer is longer than {ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Copies the registrations of the first peer that answers, then opens the registry for readers. Without a peer
/// it starts with what it has: clients register by themselves.
pub(crate) async fn sync_up(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let limit = shared.options.sync_up_timeout;
    tokio::select! {
        () = told(&mut stopped) => {}
        copied = tokio::time::timeout(limit, copy_from(&shared, &shared.peers.0)) => {
            if copied.is_err() {
                shared.events.say("registry", "no peer told in time what it knows; starting without");
            }
        }
    }
    shared.open();
}

/// Copies the registrations of the first of these that answers.
pub(crate) async fn copy_from(shared: &Shared, peers: &[Arc<Peer>]) {
    for peer in peers {
        match from(shared, peer).await {
            Ok(copied) => {
                peer.available.store(true, Ordering::Relaxed);
                shared.feed.settle();
                let url = shown_url(&peer.base);
                shared.events.say("registry", format!("{copied} instances copied from the peer {url}"));
                return;
            }
            Err(why) => {
                let url = shown_url(&peer.base);
                shared.events.say("registry", format!("the peer {url} doesn't tell what it knows: {why}"));
            }
        }
    }
}

async fn from(shared: &Shared, peer: &Peer) -> Result<usize, String> {
    let url: Url = peer.base.join("apps/").map_err(|e| e.to_string())?;
    // The last header lets one of us answer at once what it has, even while it waits for us in turn.
    let request = peer.client.get(url).header("accept", "application/json").header(REPLICATION, "true");
    let response = request.send().await.map_err(|e| e.without_url().to_string())?;
    if !response.status().is_success() {
        return Err(response.status().to_string());
    }
    let instances = json::read::applications(&bounded_body(response).await?).map_err(|e| e.to_string())?;
    let passage = shared.passage.read().await;
    if !passage.is_here() {
        return Err("another process took over meanwhile".to_owned());
    }
    let mut receipts = Receipts::default();
    let mut copied = 0;
    for info in instances {
        match shared.register(&mut receipts, info, None, Source::Peer) {
            Ok(()) => copied += 1,
            Err(error) => tracing::warn!(%error, "a peer's instance was not taken"),
        }
    }
    receipts.wait().await;
    Ok(copied)
}
