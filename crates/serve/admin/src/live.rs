//! Server-sent events for the console (WHATWG HTML §9.2): a short overview once a second, and each event as it
//! happens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_stream::Events;
use haechi_web::answer;
use http::{HeaderValue, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, broadcast::error::RecvError};

use crate::Operations;

/// How often the overview is sent.
const OVERVIEW_EVERY: Duration = Duration::from_secs(1);
/// Parts of the stream that wait for a slow reader.
const QUEUE: usize = 16;
/// A reader that takes nothing for this long is let go.
const READER_TIMEOUT: Duration = Duration::from_secs(30);

fn frame(kind: &str, value: &impl serde::Serialize) -> Option<Bytes> {
    // JSON has no line breaks of its own, so one data line carries it.
    serde_json::to_string(value).ok().map(|json| format!("event: {kind}\ndata: {json}\n\n").into())
}

/// A stream for one console, of what contains `find`. `place` is given back when the reader leaves.
pub fn stream(
    operations: Arc<dyn Operations>,
    events: &Events,
    place: OwnedSemaphorePermit,
    find: String,
) -> haechi_web::Response {
    let (mut sender, body) = answer::streamed(QUEUE);
    // Subscribed before the past is read, so that nothing falls between; the page drops doubles by number.
    let mut live = events.subscribe();
    let past = events.recent();
    tokio::spawn(async move {
        let _place = place;
        let mut tick = tokio::time::interval(OVERVIEW_EVERY);
        let mut pending: Vec<Bytes> = past.iter().filter_map(|e| frame("event", e)).collect();
        loop {
            for part in pending.drain(..) {
                let sent = tokio::time::timeout(READER_TIMEOUT, sender.send_data(part)).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
            tokio::select! {
                _ = tick.tick() => pending.extend(frame("overview", &operations.overview().await.shortened(&find))),
                event = live.recv() => match event {
                    Ok(event) => pending.extend(frame("event", &event)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    });
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
