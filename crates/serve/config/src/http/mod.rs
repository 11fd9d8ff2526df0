//! The HTTP endpoints.

mod auth;
mod crypto;
mod document;
mod health;
mod monitor;
mod plain_text;
mod respond;
mod watching;

use std::sync::Arc;

use haechi_spring::Endpoint;
use haechi_spring::endpoint::Refusal;
use haechi_web::{Handler, Request, Response};
use http::{HeaderValue, Method, StatusCode, header};

use crate::server::Inner;

/// Answers requests for one server.
pub(crate) struct Http {
    server: Arc<Inner>,
    auth: Option<auth::Basic>,
}

impl Http {
    pub fn new(server: Arc<Inner>) -> Self {
        let auth = server.options.auth.as_ref().map(auth::Basic::new);
        Self { server, auth }
    }
}

impl Handler for Http {
    async fn handle(&self, request: Request) -> Response {
        let permitted = self.auth.as_ref().is_none_or(|auth| auth.permits(&request));
        // Orchestrators ask for health without a password; they get the word without the details.
        if health::is_health(request.uri.path()) && matches!(request.method, Method::GET | Method::HEAD) {
            return health::answer(&self.server, permitted).await;
        }
        if !permitted {
            return auth::challenge();
        }
        let Some(path) = below_prefix(request.uri.path(), &self.server.options.prefix) else {
            return respond::error(&self.server, 404, None, &request);
        };
        if let Some(rest) = path.strip_prefix("/haechi/watch/") {
            return watching::answer(&self.server, rest, &request).await;
        }
        if request.method == Method::OPTIONS {
            return options(path, &request);
        }
        match Endpoint::parse(request.method.as_str(), path, request.uri.query()) {
            Ok(endpoint) => self.endpoint(endpoint, &request).await,
            Err(refusal) => refused(&self.server, refusal, path, &request),
        }
    }
}

impl Http {
    async fn endpoint(&self, endpoint: Endpoint, request: &Request) -> Response {
        let server = &self.server;
        match endpoint {
            Endpoint::Environment(target) => document::environment(server, &target, request).await,
            Endpoint::Flat(target, form) => document::flat(server, &target, form, request).await,
            Endpoint::PlainText(target, path) => plain_text::answer(server, &target, &path, request).await,
            Endpoint::Monitor => monitor::answer(server, request),
            Endpoint::EncryptStatus => crypto::status(server),
            Endpoint::Key(_) => crypto::public_key(server),
            // One key for all, so it doesn't matter for whom.
            Endpoint::Encrypt(_) => crypto::encrypt(server, request),
            Endpoint::Decrypt(_) => crypto::decrypt(server, request),
        }
    }
}

/// The path below the server's prefix; none if it isn't below it.
fn below_prefix<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).filter(|rest| prefix.is_empty() || rest.starts_with('/'))
}

fn refused(server: &Inner, refusal: Refusal, path: &str, request: &Request) -> Response {
    let mut response = respond::error(server, refusal.status(), Some(&refusal.to_string()), request);
    if matches!(refusal, Refusal::Method(_)) {
        let allowed = if takes("GET", path, request) { "GET" } else { "POST" };
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

fn takes(method: &str, path: &str, request: &Request) -> bool {
    Endpoint::parse(method, path, request.uri.query()).is_ok()
}

fn options(path: &str, request: &Request) -> Response {
    let allowed = match (takes("GET", path, request), takes("POST", path, request)) {
        (true, _) => "GET,HEAD,OPTIONS",
        (_, true) => "POST,OPTIONS",
        _ => return haechi_web::answer::empty(StatusCode::NOT_FOUND),
    };
    let mut response = haechi_web::answer::empty(StatusCode::OK);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
