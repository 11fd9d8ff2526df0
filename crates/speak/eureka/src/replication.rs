//! Batches between peers (`ReplicationList`, `ReplicationListResponse`). Always JSON.

use serde_json::{Map, Value};

use crate::json::read::{instance_object, parse, text, timestamp};
use crate::json::write::{self, field, key};
use crate::limits::{self, BATCH_ITEMS};
use crate::{DecodeError, InstanceInfo};

/// What one registry tells another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as on the wire")]
pub enum ReplicationAction {
    Heartbeat,
    Register,
    Cancel,
    StatusUpdate,
    DeleteStatusOverride,
}

impl ReplicationAction {
    const ALL: [Self; 5] =
        [Self::Heartbeat, Self::Register, Self::Cancel, Self::StatusUpdate, Self::DeleteStatusOverride];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "Heartbeat",
            Self::Register => "Register",
            Self::Cancel => "Cancel",
            Self::StatusUpdate => "StatusUpdate",
            Self::DeleteStatusOverride => "DeleteStatusOverride",
        }
    }
}

/// One entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as on the wire")]
pub struct ReplicationItem {
    pub action: ReplicationAction,
    pub app_name: String,
    pub id: String,
    pub last_dirty: Option<u64>,
    pub overridden_status: Option<String>,
    pub status: Option<String>,
    /// Only with `Register`.
    pub instance_info: Option<InstanceInfo>,
}

/// The answer to one entry, at the same place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationResponse {
    /// As if the entry had been a request of its own.
    pub status_code: u16,
    /// The answering registry's instance, when it is newer than a heartbeat's (409).
    pub entity: Option<InstanceInfo>,
}

/// Reads a batch. An item that can't be read doesn't spoil the others.
pub fn read_list(bytes: &[u8]) -> Result<Vec<Result<ReplicationItem, DecodeError>>, DecodeError> {
    list(&parse(bytes)?, "replicationList", item)
}

/// Reads the answer to a batch.
pub fn read_responses(bytes: &[u8]) -> Result<Vec<ReplicationResponse>, DecodeError> {
    list(&parse(bytes)?, "responseList", response)?.into_iter().collect()
}

fn list<T>(
    document: &Value,
    root: &'static str,
    read: fn(&Map<String, Value>) -> Result<T, DecodeError>,
) -> Result<Vec<Result<T, DecodeError>>, DecodeError> {
    let items = document.get(root).and_then(Value::as_array).ok_or(DecodeError::Root(root))?;
    limits::check(root, items.len(), BATCH_ITEMS)?;
    let one = |item: &Value| read(item.as_object().ok_or(DecodeError::field(root, "objects"))?);
    Ok(items.iter().map(one).collect())
}

fn item(object: &Map<String, Value>) -> Result<ReplicationItem, DecodeError> {
    let name = text(object, "action")?.unwrap_or_default();
    let action = ReplicationAction::ALL.into_iter().find(|a| a.as_str() == name).ok_or(
        DecodeError::field("action", "Heartbeat, Register, Cancel, StatusUpdate or DeleteStatusOverride"),
    )?;
    Ok(ReplicationItem {
        action,
        app_name: text(object, "appName")?.ok_or(DecodeError::field("appName", "text"))?,
        id: text(object, "id")?.ok_or(DecodeError::field("id", "text"))?,
        last_dirty: timestamp(object, "lastDirtyTimestamp")?,
        overridden_status: text(object, "overriddenStatus")?,
        status: text(object, "status")?,
        instance_info: info(object, "instanceInfo")?,
    })
}

fn response(object: &Map<String, Value>) -> Result<ReplicationResponse, DecodeError> {
    let code = text(object, "statusCode")?.unwrap_or_default();
    Ok(ReplicationResponse {
        status_code: code.parse().map_err(|_| DecodeError::field("statusCode", "a number"))?,
        entity: info(object, "responseEntity")?,
    })
}

fn info(object: &Map<String, Value>, field: &'static str) -> Result<Option<InstanceInfo>, DecodeError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(info)) => instance_object(info).map(Some),
        Some(_) => Err(DecodeError::field(field, "an object")),
    }
}

/// Writes a batch.
pub fn write_list(items: &[ReplicationItem]) -> Vec<u8> {
    let mut out = br#"{"replicationList":["#.to_vec();
    for (n, item) in items.iter().enumerate() {
        out.extend_from_slice(if n > 0 { b",{" } else { b"{" });
        field(&mut out, "appName", &item.app_name);
        field(&mut out, "id", &item.id);
        if let Some(at) = item.last_dirty {
            key(&mut out, "lastDirtyTimestamp");
            write::number(&mut out, at);
        }
        if let Some(status) = &item.overridden_status {
            field(&mut out, "overriddenStatus", status);
        }
        if let Some(status) = &item.status {
            field(&mut out, "status", status);
        }
        if let Some(info) = &item.instance_info {
            key(&mut out, "instanceInfo");
            write::instance(info, &mut out);
        }
        field(&mut out, "action", item.action.as_str());
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// Writes the answer to a batch.
pub fn write_responses(responses: &[ReplicationResponse]) -> Vec<u8> {
    let mut out = br#"{"responseList":["#.to_vec();
    for (n, response) in responses.iter().enumerate() {
        out.extend_from_slice(if n > 0 { b",{" } else { b"{" });
        key(&mut out, "statusCode");
        write::number(&mut out, response.status_code);
        if let Some(info) = &response.entity {
            key(&mut out, "responseEntity");
            write::instance(info, &mut out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}
