//! `GET /haechi/watch/{app}/{profiles}[/{label}]?since=VERSION`: answers once the configuration that this
//! application is served differs from what it was at `since`, so that nobody needs to poll.

use haechi_spring::environment::Media;
use haechi_spring::{Endpoint, Target};
use haechi_web::{Request, Response, answer};
use http::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{document, respond};
use crate::error::Error;
use crate::server::Inner;

pub(super) async fn answer(server: &Inner, rest: &str, request: &Request) -> Response {
    if request.method != Method::GET {
        return respond::error(server, 405, Some("this path takes GET only"), request);
    }
    let target = match Endpoint::parse("GET", &format!("/{rest}"), None) {
        Ok(Endpoint::Environment(target)) => target,
        Ok(_) => return respond::error(server, 404, None, request),
        Err(refusal) => return respond::error(server, refusal.status(), Some(&refusal.to_string()), request),
    };
    let Ok(since) = request.query_value("since") else {
        return respond::error(server, 400, Some("the query is not percent-encoded text"), request);
    };
    let Ok(_place) = server.watchers.try_acquire() else {
        return respond::error(server, 503, Some("too many requests wait for a change"), request);
    };
    match changed(server, &target, since.as_deref()).await {
        Ok(version) => {
            let changed = since.as_ref() != Some(&version);
            answer::json(StatusCode::OK, &json!({ "version": version, "changed": changed }))
        }
        Err(error) => respond::failure(server, &error, request),
    }
}

/// The version once it differs from `since`, or the same one when the time is up or the server stops.
async fn changed(server: &Inner, target: &Target, since: Option<&str>) -> Result<String, Error> {
    let mut generation = server.shared.generation.subscribe();
    let time_is_up = tokio::time::sleep(server.options.limits.watch_wait);
    tokio::pin!(time_is_up);
    loop {
        generation.mark_unchanged();
        let version = version(server, target).await?;
        if since != Some(version.as_str()) {
            return Ok(version);
        }
        tokio::select! {
            _ = generation.changed() => {}
            () = &mut time_is_up => return Ok(version),
            () = server.shared.stopped() => return Ok(version),
        }
    }
}

/// A digest of all that the application is served. The commit is not part of it: most commits are about other
/// applications.
async fn version(server: &Inner, target: &Target) -> Result<String, Error> {
    let write = |environment: &crate::Environment| {
        let mut environment = environment.clone();
        environment.version = None;
        let document = document::to_json(&environment, Media::V1);
        Ok(hex::encode(&Sha256::digest(document.as_bytes())[..16]))
    };
    let answer = document::written(server, target, "watch", "text/plain", write).await?;
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}
