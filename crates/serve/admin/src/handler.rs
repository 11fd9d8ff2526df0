//! Paths of the admin port.

use std::sync::Arc;

use haechi_stream::Events;
use haechi_web::{Handler, Request, Response, answer};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{Operations, Question, live};

const CONSOLE: &str = include_str!("../console/index.html");
const SCRIPT: &str = include_str!("../console/console.js");
const STYLE: &str = include_str!("../console/console.css");
const OPENAPI: &str = include_str!("../console/openapi.json");

/// Consoles that may watch at once.
pub const MAX_CONSOLES: usize = 64;

/// Headers that a question to `/api/explain` may carry.
const MAX_QUESTION_HEADERS: usize = 64;

/// The admin port's handler.
pub struct Admin {
    operations: Arc<dyn Operations>,
    events: Events,
    consoles: Arc<Semaphore>,
}

impl Admin {
    /// Over the parts of this process.
    pub fn new(operations: Arc<dyn Operations>, events: Events) -> Self {
        Self { operations, events, consoles: Arc::new(Semaphore::new(MAX_CONSOLES)) }
    }

    async fn get(&self, path: &str, request: &Request) -> Response {
        match path {
            "/" => page("text/html;charset=UTF-8", CONSOLE),
            "/console.js" => page("text/javascript;charset=UTF-8", SCRIPT),
            "/console.css" => page("text/css;charset=UTF-8", STYLE),
            "/openapi.json" => page("application/json", OPENAPI),
            "/api/overview" => answer::json(StatusCode::OK, &self.operations.overview().await),
            "/api/events" => answer::json(StatusCode::OK, &self.events.recent()),
            "/api/live" => self.live(request),
            "/api/explain" => self.explain(request).await,
            "/api/schema" => answer::json(StatusCode::OK, &self.operations.schema()),
            "/metrics" => answer::with(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.operations.metrics(),
            ),
            "/health" | "/actuator/health" => self.health(),
            "/routes" | "/actuator/routes" => {
                let details = matches!(request.query_value("format"), Ok(Some(f)) if f == "details");
                answer::json(StatusCode::OK, &self.operations.zuul_routes(details))
            }
            "/routes/details" | "/actuator/routes/details" => {
                answer::json(StatusCode::OK, &self.operations.zuul_routes(true))
            }
            _ => not_found(path),
        }
    }

    async fn post(&self, path: &str) -> Response {
        match path {
            "/refresh" | "/actuator/refresh" => match self.operations.refresh().await {
                Ok(keys) => answer::json(StatusCode::OK, &keys),
                Err(why) => answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": why })),
            },
            "/routes" | "/actuator/routes" => match self.operations.refresh().await {
                Ok(_) => answer::json(StatusCode::OK, &self.operations.zuul_routes(false)),
                Err(why) => answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": why })),
            },
            _ => not_found(path),
        }
    }

    fn live(&self, request: &Request) -> Response {
        let find = match request.query_value("find") {
            Ok(find) => find.unwrap_or_default(),
            Err(error) => return answer::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        match Arc::clone(&self.consoles).try_acquire_owned() {
            Ok(place) => live::stream(Arc::clone(&self.operations), &self.events, place, find),
            Err(_) => answer::text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{MAX_CONSOLES} consoles watch already; close one, or ask /api/overview\n"),
            ),
        }
    }

    fn health(&self) -> Response {
        match self.operations.health() {
            Ok(()) => answer::json(StatusCode::OK, &json!({ "status": "UP" })),
            Err(problems) => answer::json(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({ "status": "DOWN", "problems": problems }),
            ),
        }
    }

    /// `?method=GET&target=/hello/id&header=Accept:%20text/plain`
    async fn explain(&self, request: &Request) -> Response {
        let pairs = match request.query() {
            Ok(pairs) => pairs,
            Err(error) => return answer::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let mut question = Question { method: "GET".into(), target: String::new(), headers: Vec::new() };
        for (name, value) in pairs {
            match name.as_str() {
                "method" => question.method = value,
                "target" => question.target = value,
                "header" => match value.split_once(':') {
                    Some((name, value)) if question.headers.len() < MAX_QUESTION_HEADERS => {
                        question.headers.push((name.trim().to_owned(), value.trim().to_owned()));
                    }
                    _ => return answer::text(StatusCode::BAD_REQUEST, "header wants Name: value\n"),
                },
                other => {
                    return answer::text(
                        StatusCode::BAD_REQUEST,
                        format!("{other:?} is not known; write method, target or header\n"),
                    );
                }
            }
        }
        if question.target.is_empty() {
            return answer::text(StatusCode::BAD_REQUEST, "add ?target=/path\n");
        }
        answer::json(StatusCode::OK, &self.operations.explain(question).await)
    }
}

/// A file of the console. It changes only with the binary, and a stale one beside a new binary would confuse.
fn page(content_type: &'static str, body: &'static str) -> Response {
    let mut response = answer::with(StatusCode::OK, content_type, body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"),
    );
    response
}

fn not_found(path: &str) -> Response {
    answer::text(
        StatusCode::NOT_FOUND,
        format!("nothing at {path}; the console is at / and the API is described at /openapi.json\n"),
    )
}

impl Handler for Admin {
    async fn handle(&self, request: Request) -> Response {
        let path = match request.uri.path() {
            "/" => "/",
            path => path.trim_end_matches('/'),
        };
        match request.method {
            Method::GET | Method::HEAD => self.get(path, &request).await,
            Method::POST => self.post(path).await,
            _ => {
                let mut response = answer::text(StatusCode::METHOD_NOT_ALLOWED, "GET and POST only\n");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
                response
            }
        }
    }
}
