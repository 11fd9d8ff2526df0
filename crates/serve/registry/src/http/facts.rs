//! `/haechi/facts` and `/haechi/evidence`: the stream for followers in other processes.

use haechi_core::Generation;
use haechi_stream::wire::{EVIDENCE_BATCH, HEARTBEAT, Seen};
use haechi_web::{Request, Response, answer};
use http::StatusCode;

use crate::shared::Shared;
use crate::tasks;

/// Answers of more services are written off the event loop.
const INLINE_SERVICES: usize = 64;

/// What is newer than `since` in the run `epoch`; 204 if there is nothing for a while.
pub(crate) async fn since(shared: &Shared, request: &Request) -> Response {
    let value = |name| request.query_value(name).ok().flatten().unwrap_or_default();
    let Ok(since) = value("since")
        .parse::<u64>()
        .or_else(|error| if value("since").is_empty() { Ok(0) } else { Err(error) })
    else {
        return answer::text(StatusCode::BAD_REQUEST, "since must be a generation\n");
    };
    // A partial listing would make followers carry over what was only not copied yet.
    shared.ready().await;
    let age = shared.clock.now().since(shared.started.0);
    let settles = shared.options.lease_duration.saturating_sub(age);
    let facts = shared.feed.newer(&value("epoch"), Generation(since), settles, HEARTBEAT).await;
    let Some(facts) = facts else { return answer::empty(StatusCode::NO_CONTENT) };
    if facts.services.len() <= INLINE_SERVICES {
        return answer::json(StatusCode::OK, &facts);
    }
    let written = tokio::task::spawn_blocking(move || answer::json(StatusCode::OK, &facts)).await;
    written.unwrap_or_else(|error| {
        answer::text(StatusCode::INTERNAL_SERVER_ERROR, format!("can't write the answer: {error}\n"))
    })
}

/// Takes what gateways elsewhere saw.
pub(crate) fn evidence(shared: &Shared, request: &Request) -> Response {
    let seen: Vec<Seen> = match serde_json::from_slice(&request.body) {
        Ok(seen) => seen,
        Err(error) => return answer::text(StatusCode::BAD_REQUEST, format!("not evidence: {error}\n")),
    };
    if seen.len() > EVIDENCE_BATCH {
        let text = format!("at most {EVIDENCE_BATCH} observations at once\n");
        return answer::text(StatusCode::PAYLOAD_TOO_LARGE, text);
    }
    let now = shared.clock.now();
    for seen in seen {
        tasks::weigh_from_afar(shared, &seen.evidence(now));
    }
    answer::empty(StatusCode::NO_CONTENT)
}
