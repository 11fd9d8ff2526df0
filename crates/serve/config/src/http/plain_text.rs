//! Files as they are, with placeholders resolved.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use haechi_props::{Placeholders, find_plain_text, search_locations};
use haechi_spring::Target;
use haechi_web::{Request, Response, answer};
use http::{HeaderValue, StatusCode, header};

use super::document::resolves;
use super::respond;
use crate::checkout::{Place, Question};
use crate::environment::Found;
use crate::error::Error;
use crate::server::Inner;

struct PlainFile {
    bytes: Arc<[u8]>,
    modified: u64,
}

pub(super) async fn answer(server: &Inner, target: &Target, path: &str, request: &Request) -> Response {
    match answered(server, target, path, request).await {
        Ok(response) => response,
        Err(error) => respond::failure(server, &error, request),
    }
}

async fn answered(server: &Inner, target: &Target, path: &str, request: &Request) -> Result<Response, Error> {
    let question = Question::new(target);
    server.check(&question)?;
    let found = server.sources.find(&question).await?;
    let file = find(&question, &found, path).ok_or_else(|| Error::UnknownFile(path.to_owned()))?;
    let modified = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(file.modified));
    let mut response = if unchanged(request, file.modified) {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else if wants_bytes(request) {
        answer::with(StatusCode::OK, "application/octet-stream", file.bytes.to_vec())
    } else {
        let mut text = String::from_utf8_lossy(&file.bytes);
        if server.cipher.reads_file(path) {
            text = server.cipher.decrypt_text(&text).into();
        }
        let text = if resolves(request) {
            let environment = server.assemble(&question, &found)?;
            let placeholders = Placeholders::new(&environment.sources);
            placeholders.resolve_text(&text).map_err(|e| Error::Placeholder(e.to_string()))?
        } else {
            text.into_owned()
        };
        answer::text(StatusCode::OK, text)
    };
    if let Ok(value) = HeaderValue::try_from(modified) {
        response.headers_mut().insert(header::LAST_MODIFIED, value);
    }
    Ok(response)
}

fn find(question: &Question, found: &[Found], path: &str) -> Option<PlainFile> {
    found.iter().flat_map(|found| &found.checkouts).find_map(|checkout| {
        let tree = &checkout.version.tree;
        let mut locations = search_locations(&checkout.request(question), tree);
        if matches!(checkout.place, Place::Native) {
            // The tree's root is the machine's, which is no location.
            locations.retain(|location| !location.is_empty());
        }
        let file = find_plain_text(tree, &locations, &question.profiles, path)?;
        Some(PlainFile { bytes: Arc::clone(tree.bytes(&file)?), modified: checkout.version.modified })
    })
}

fn wants_bytes(request: &Request) -> bool {
    request.header("accept").is_some_and(|accept| accept.contains("application/octet-stream"))
}

/// RFC 9110 §13.1.3: a date that can't be read is as none.
fn unchanged(request: &Request, modified: u64) -> bool {
    let since = request.header("if-modified-since").and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| since >= UNIX_EPOCH + Duration::from_secs(modified))
}
