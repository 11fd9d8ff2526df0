//! `apps`, `apps/delta`, `apps/{app}`.

use haechi_eureka::fragment as documents;
use haechi_web::{Request, Response, answer};
use http::{HeaderValue, StatusCode, header};

use super::body;
use super::instance::source;
use super::negotiate::Wanted;
use super::refusal::Refusal;
use crate::convert::fragment;
use crate::listing::Which;
use crate::shared::{Receipts, Shared};

/// All applications, or the recent changes. `regions` is accepted and means nothing: there are no remote
/// regions, and Eureka ignores those that it doesn't know.
pub(crate) async fn listing(shared: &Shared, which: Which, wanted: Wanted) -> Response {
    let cached = shared.listings.get(shared, which, wanted.encoding).await;
    let content_type = wanted.encoding.content_type();
    let mut response = match cached.gzip.clone().filter(|_| wanted.gzip) {
        Some(compressed) => {
            let mut response = answer::with(StatusCode::OK, content_type, compressed);
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        None => answer::with(StatusCode::OK, content_type, cached.plain.clone()),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    response
}

/// One application.
pub(crate) fn one(shared: &Shared, app: &str, wanted: Wanted) -> Response {
    let snapshot = shared.state().snapshot();
    let Some(found) = snapshot.apps.get(app.to_uppercase().as_str()) else {
        return wanted.empty(StatusCode::NOT_FOUND);
    };
    let encoding = wanted.encoding;
    let instances = found.instances.iter().map(|i| (fragment(i, encoding), i.last_renewal().0));
    let body = documents::application(encoding, found.app.as_str(), instances);
    answer::with(StatusCode::OK, encoding.content_type(), body)
}

/// A registration.
pub(crate) async fn register(
    shared: &Shared,
    request: &Request,
    app: &str,
    wanted: Wanted,
) -> Result<Response, Refusal> {
    let info = body::instance(request)?;
    let mut receipts = Receipts::default();
    let taken = shared.register(&mut receipts, info, Some(app), source(request));
    receipts.wait().await;
    taken?;
    Ok(wanted.empty(StatusCode::NO_CONTENT))
}
