//! Health, as Spring Boot's actuator words it.

use haechi_spring::Target;
use haechi_web::{Response, answer};
use http::StatusCode;
use serde_json::json;

use crate::checkout::Question;
use crate::server::Inner;

const CONTENT_TYPE: &str = "application/vnd.spring-boot.actuator.v3+json";

pub(super) fn is_health(path: &str) -> bool {
    matches!(path, "/actuator/health" | "/health")
}

/// Up when the application that Spring's own check asks for gets an answer. Broken files and remotes that are
/// out of reach are named in the details while their last good version is served.
pub(super) async fn answer(server: &Inner, with_details: bool) -> Response {
    let target = Target { name: "app".into(), profiles: "default".into(), label: None };
    let result = server.environment(&Question::new(&target)).await;
    let (status, word) = match &result {
        Ok(_) => (StatusCode::OK, "UP"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "DOWN"),
    };
    let mut body = json!({ "status": word });
    if with_details {
        let state = server.status();
        let mut details = json!({ "problems": state.problems(), "remotes": remotes(&state) });
        match result {
            Ok(environment) => {
                let sources: Vec<_> = environment.sources.iter().map(|source| &source.name).collect();
                details["repositories"] = json!([{
                    "sources": sources, "name": "app", "profiles": ["default"], "label": null
                }]);
            }
            Err(error) => details["error"] = error.to_string().into(),
        }
        body["components"] = json!({ "configServer": { "status": word, "details": details } });
    }
    let mut response = answer::json(status, &body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// Repositories that can't be fetched, and why.
fn remotes(state: &crate::Status) -> Vec<String> {
    let failing = state.repositories.iter().filter_map(|repository| repository.error.clone());
    failing.collect()
}
