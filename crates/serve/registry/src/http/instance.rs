//! `apps/{app}/{id}` and below, `instances/{id}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use haechi_core::WallTime;
use haechi_eureka::fragment as documents;
use haechi_eureka::limits::{METADATA_BYTES, METADATA_ENTRIES};
use haechi_lease::{Heartbeat, Instance, Renewal, Source, Status};
use haechi_web::{Request, Response, answer};
use http::StatusCode;

use super::negotiate::Wanted;
use super::refusal::Refusal;
use crate::convert::{Wire, fragment};
use crate::shared::{Receipts, Shared};

/// Set on what one registry passes on to another, so that it isn't passed on again.
pub(crate) const REPLICATION: &str = "x-netflix-discovery-replication";

/// Who sends a request: a client, or a peer that passes it on.
pub(crate) fn source(request: &Request) -> Source {
    let is_peer = request.header(REPLICATION).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if is_peer { Source::Peer } else { Source::Client }
}

fn document(status: StatusCode, instance: &Instance<Wire>, wanted: Wanted) -> Response {
    let encoding = wanted.full();
    let body = documents::instance(encoding, fragment(instance, encoding), instance.last_renewal().0);
    answer::with(status, encoding.content_type(), body)
}

fn found(instance: Option<Arc<Instance<Wire>>>, wanted: Wanted) -> Response {
    match instance {
        Some(instance) => document(StatusCode::OK, &instance, wanted),
        None => wanted.empty(StatusCode::NOT_FOUND),
    }
}

pub(crate) fn get(shared: &Shared, app: &str, id: &str, wanted: Wanted) -> Response {
    found(shared.state().get(app, id, shared.clock.now()), wanted)
}

pub(crate) fn get_by_id(shared: &Shared, id: &str, wanted: Wanted) -> Response {
    found(shared.state().get_by_id(id, shared.clock.now()), wanted)
}

fn query(request: &Request, name: &str) -> Result<Option<String>, Refusal> {
    Ok(request.query_value(name)?.filter(|v| !v.is_empty()))
}

/// `lastDirtyTimestamp`; a negative one counts as absent.
fn dirty(request: &Request) -> Result<Option<WallTime>, Refusal> {
    let name = "lastDirtyTimestamp";
    let Some(value) = query(request, name)? else { return Ok(None) };
    let expected = "milliseconds since the epoch";
    let millis: i64 = value.parse().map_err(|_| Refusal::Query { name, expected })?;
    Ok(u64::try_from(millis).ok().map(WallTime))
}

fn status(request: &Request, name: &'static str) -> Result<Option<Status>, Refusal> {
    let Some(value) = query(request, name)? else { return Ok(None) };
    let expected = "UP, DOWN, STARTING, OUT_OF_SERVICE or UNKNOWN";
    Status::parse(&value).map(Some).ok_or(Refusal::Query { name, expected })
}

/// A heartbeat.
pub(crate) fn renew(
    shared: &Shared,
    request: &Request,
    path: (&str, &str),
    wanted: Wanted,
) -> Result<Response, Refusal> {
    let heartbeat =
        Heartbeat { last_dirty: dirty(request)?, overridden: status(request, "overriddenstatus")? };
    Ok(match shared.renew(path, heartbeat, source(request)) {
        Renewal::Renewed => wanted.empty(StatusCode::OK),
        Renewal::Unknown | Renewal::SenderIsNewer => wanted.empty(StatusCode::NOT_FOUND),
        Renewal::PeerIsOlder(instance) => document(StatusCode::CONFLICT, &instance, wanted),
    })
}

fn ok_or_not_found(found: bool, wanted: Wanted) -> Response {
    wanted.empty(if found { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

pub(crate) async fn cancel(
    shared: &Shared,
    request: &Request,
    path: (&str, &str),
    wanted: Wanted,
) -> Response {
    let mut receipts = Receipts::default();
    let found = shared.cancel(&mut receipts, path, source(request));
    receipts.wait().await;
    ok_or_not_found(found, wanted)
}

/// Sets an override, or with `remove` takes it away.
pub(crate) async fn set_status(
    shared: &Shared,
    request: &Request,
    path: (&str, &str),
    wanted: Wanted,
    remove: bool,
) -> Result<Response, Refusal> {
    let (value, dirty) = (status(request, "value")?, dirty(request)?);
    if value.is_none() && !remove {
        return Err(Refusal::Query { name: "value", expected: "a status" });
    }
    let mut receipts = Receipts::default();
    let found = shared.set_status(&mut receipts, path, value, dirty, remove, source(request));
    receipts.wait().await;
    Ok(ok_or_not_found(found, wanted))
}

/// Merges the query's pairs into the metadata; of a repeated key the first counts.
pub(crate) async fn metadata(
    shared: &Shared,
    request: &Request,
    path: (&str, &str),
    wanted: Wanted,
) -> Result<Response, Refusal> {
    let mut added = BTreeMap::new();
    for (key, value) in request.query()? {
        added.entry(key).or_insert(value);
    }
    let now = shared.clock.now();
    let Some(known) = shared.state().get(path.0, path.1, now) else {
        return Ok(wanted.empty(StatusCode::NOT_FOUND));
    };
    let all = added.iter().chain(known.registration.metadata.iter());
    let (entries, bytes) = all.fold((0, 0), |(n, bytes), (k, v)| (n + 1, bytes + k.len() + v.len()));
    if entries > METADATA_ENTRIES || bytes > METADATA_BYTES {
        return Err(Refusal::Query { name: "metadata", expected: "less of it" });
    }
    let mut receipts = Receipts::default();
    let found = shared.add_metadata(&mut receipts, path, added);
    receipts.wait().await;
    Ok(ok_or_not_found(found, wanted))
}
