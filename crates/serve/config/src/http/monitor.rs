//! `/monitor`: a git host says that something was pushed.

use std::sync::Arc;

use haechi_spring::monitor::{changed_paths, services};
use haechi_web::request::form_pairs;
use haechi_web::{Request, Response, answer};
use http::StatusCode;
use serde_json::{Value, json};

use super::respond;
use crate::server::Inner;

/// Fetches in the background and answers which applications may have changed.
pub(super) fn answer(server: &Arc<Inner>, request: &Request) -> Response {
    let Some(body) = body(request) else {
        return respond::error(server, 400, Some("the body is neither JSON nor a form"), request);
    };
    let paths = changed_paths(|name| request.header(name), &body);
    let services = services(paths.iter().flatten().map(String::as_str));
    if !services.is_empty() {
        server.shared.say(format!("told of a change to {}", services.join(", ")));
        let server = Arc::clone(server);
        tokio::spawn(async move { server.refresh().await });
    }
    answer::json(StatusCode::OK, &services)
}

/// JSON, or a form's `path` parameters as JSON would have them.
fn body(request: &Request) -> Option<Value> {
    let content_type = request.header("content-type").unwrap_or_default();
    if content_type.starts_with("application/x-www-form-urlencoded") {
        let pairs = form_pairs(std::str::from_utf8(&request.body).ok()?).ok()?;
        let paths: Vec<_> =
            pairs.into_iter().filter(|(name, _)| name == "path").map(|(_, path)| path).collect();
        return Some(json!({ "path": paths }));
    }
    serde_json::from_slice(&request.body).ok()
}
