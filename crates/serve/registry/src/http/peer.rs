//! `peerreplication/batch`.

use haechi_core::WallTime;
use haechi_eureka::replication::{read_list, write_responses};
use haechi_eureka::{DecodeError, ReplicationAction, ReplicationItem, ReplicationResponse};
use haechi_lease::{Heartbeat, Renewal, Source, Status};
use haechi_web::{Request, Response, answer};
use http::StatusCode;

use super::body;
use super::refusal::Refusal;
use crate::convert;
use crate::shared::{Receipts, Refused, Shared};

/// Takes a batch: one answer per item, in order.
pub(crate) async fn batch(shared: &Shared, request: &Request) -> Result<Response, Refusal> {
    let items = read_list(&body::plain(request)?).map_err(Refusal::Json)?;
    let mut receipts = Receipts::default();
    let responses: Vec<_> = items.into_iter().map(|item| take(shared, &mut receipts, item)).collect();
    receipts.wait().await;
    Ok(answer::with(StatusCode::OK, "application/json", write_responses(&responses)))
}

fn code(status: StatusCode) -> ReplicationResponse {
    ReplicationResponse { status_code: status.as_u16(), entity: None }
}

fn ok_or_not_found(found: bool) -> ReplicationResponse {
    code(if found { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

fn take(
    shared: &Shared,
    receipts: &mut Receipts,
    item: Result<ReplicationItem, DecodeError>,
) -> ReplicationResponse {
    // One that can't be read is refused alone: the others are as good as ever.
    let Ok(item) = item else { return code(StatusCode::BAD_REQUEST) };
    let path = (item.app_name.as_str(), item.id.as_str());
    let dirty = item.last_dirty.map(WallTime);
    let status = item.status.as_deref().and_then(Status::parse);
    match item.action {
        ReplicationAction::Register => {
            let Some(info) = item.instance_info else { return code(StatusCode::BAD_REQUEST) };
            match shared.register(receipts, info, Some(path.0), Source::Peer) {
                Ok(()) => code(StatusCode::OK),
                Err(Refused::Invalid(_)) => code(StatusCode::BAD_REQUEST),
                Err(Refused::Full(_)) => code(StatusCode::SERVICE_UNAVAILABLE),
            }
        }
        ReplicationAction::Heartbeat => {
            let overridden = item.overridden_status.as_deref().and_then(Status::parse);
            match shared.renew(path, Heartbeat { last_dirty: dirty, overridden }, Source::Peer) {
                Renewal::Renewed => code(StatusCode::OK),
                Renewal::Unknown | Renewal::SenderIsNewer => code(StatusCode::NOT_FOUND),
                Renewal::PeerIsOlder(instance) => ReplicationResponse {
                    status_code: StatusCode::CONFLICT.as_u16(),
                    entity: Some(convert::info(&instance)),
                },
            }
        }
        ReplicationAction::Cancel => ok_or_not_found(shared.cancel(receipts, path, Source::Peer)),
        ReplicationAction::StatusUpdate => match status {
            Some(_) => ok_or_not_found(shared.set_status(receipts, path, status, dirty, false, Source::Peer)),
            None => code(StatusCode::BAD_REQUEST),
        },
        ReplicationAction::DeleteStatusOverride => {
            ok_or_not_found(shared.set_status(receipts, path, status, dirty, true, Source::Peer))
        }
    }
}
