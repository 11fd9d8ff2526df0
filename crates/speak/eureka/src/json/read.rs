//! Reading JSON, leniently: scalars of the wrong kind are taken for what they say, fields that nobody knows
//! are ignored.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::instance::{self, MetadataReader};
use crate::limits::{self, LISTED_INSTANCES};
use crate::{DataCenter, DecodeError, InstanceInfo, LeaseInfo, Port};

/// Parses a document. Nesting is bounded by serde_json (128).
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, DecodeError> {
    serde_json::from_slice(bytes).map_err(|e| DecodeError::Json(e.to_string()))
}

/// Reads `{"instance": {…}}`, the body of a registration.
pub fn instance(bytes: &[u8]) -> Result<InstanceInfo, DecodeError> {
    let document = parse(bytes)?;
    let root = document.get("instance").and_then(Value::as_object).ok_or(DecodeError::Root("instance"))?;
    instance_object(root)
}

/// Reads `{"applications": …}` and answers every instance in it. A single element may stand without its
/// array, as old servers wrote it.
pub fn applications(bytes: &[u8]) -> Result<Vec<InstanceInfo>, DecodeError> {
    let document = parse(bytes)?;
    let root = document.get("applications").ok_or(DecodeError::Root("applications"))?;
    let mut found = Vec::new();
    for application in one_or_many(root.get("application")) {
        for instance in one_or_many(application.get("instance")) {
            limits::check("the number of instances", found.len() + 1, LISTED_INSTANCES)?;
            let object = instance.as_object().ok_or(DecodeError::field("instance", "an object"))?;
            found.push(instance_object(object)?);
        }
    }
    Ok(found)
}

/// The hash code that a listing comes with.
pub fn hash_code(bytes: &[u8]) -> Option<String> {
    let document = parse(bytes).ok()?;
    document.get("applications")?.get("apps__hashcode")?.as_str().map(str::to_owned)
}

fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
    }
}

/// Reads an instance without its root, as replication batches hold it.
pub(crate) fn instance_object(object: &Map<String, Value>) -> Result<InstanceInfo, DecodeError> {
    let mut info = InstanceInfo {
        instance_id: text(object, "instanceId")?,
        host_name: text(object, "hostName")?,
        app: text(object, "app")?,
        app_group_name: text(object, "appGroupName")?,
        ip_addr: text(object, "ipAddr")?,
        sid: text(object, "sid")?,
        data_center: data_center(object.get("dataCenterInfo"))?,
        lease_info: lease_info(object.get("leaseInfo"))?,
        metadata: metadata(object.get("metadata"))?,
        home_page_url: text(object, "homePageUrl")?,
        status_page_url: text(object, "statusPageUrl")?,
        health_check_url: text(object, "healthCheckUrl")?,
        secure_health_check_url: text(object, "secureHealthCheckUrl")?,
        vip_address: text(object, "vipAddress")?,
        secure_vip_address: text(object, "secureVipAddress")?,
        last_updated: timestamp(object, "lastUpdatedTimestamp")?,
        last_dirty: timestamp(object, "lastDirtyTimestamp")?,
        action_type: text(object, "actionType")?.map(Into::into),
        asg_name: text(object, "asgName")?,
        ..InstanceInfo::default()
    };
    if let Some(status) = text(object, "status")? {
        info.status = instance::status(&status);
    }
    // Written with a capital S, read either way.
    let overridden = text(object, "overriddenStatus")?;
    if let Some(status) = overridden.map_or_else(|| text(object, "overriddenstatus"), |s| Ok(Some(s)))? {
        info.overridden_status = instance::status(&status);
    }
    info.port = port("port", object.get("port"), info.port)?;
    info.secure_port = port("securePort", object.get("securePort"), info.secure_port)?;
    if let Some(id) = text(object, "countryId")? {
        info.country_id = id.parse().map_err(|_| DecodeError::field("countryId", "a number"))?;
    }
    info.is_coordinating = text(object, "isCoordinatingDiscoveryServer")?.as_deref() == Some("true");
    Ok(info)
}

/// A scalar as text; absent and null are nothing.
fn scalar(field: &'static str, value: Option<&Value>) -> Result<Option<String>, DecodeError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => instance::text(field, s).map(Some),
        Some(Value::Number(n)) => Ok(Some(n.to_string())),
        Some(Value::Bool(b)) => Ok(Some(b.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => Err(DecodeError::field(field, "text")),
    }
}

pub(crate) fn text(object: &Map<String, Value>, field: &'static str) -> Result<Option<String>, DecodeError> {
    scalar(field, object.get(field))
}

pub(crate) fn timestamp(
    object: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<u64>, DecodeError> {
    text(object, field)?.map_or(Ok(None), |t| instance::timestamp(field, &t))
}

/// `{"$": 8080, "@enabled": "true"}`, or the number alone.
fn port(field: &'static str, value: Option<&Value>, default: Port) -> Result<Port, DecodeError> {
    let Some(Value::Object(object)) = value else {
        let number = scalar(field, value)?;
        return number.map_or(Ok(default), |n| {
            Ok(Port { number: instance::port(field, &n)?, enabled: default.enabled })
        });
    };
    let number = scalar(field, object.get("$"))?;
    let enabled = scalar(field, object.get("@enabled"))?;
    Ok(Port {
        number: number.map_or(Ok(default.number), |n| instance::port(field, &n))?,
        enabled: enabled.map_or(default.enabled, |e| e.eq_ignore_ascii_case("true")),
    })
}

fn data_center(value: Option<&Value>) -> Result<Option<DataCenter>, DecodeError> {
    let object = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(DecodeError::field("dataCenterInfo", "an object")),
    };
    instance::data_center_class(text(object, "@class")?.as_deref())?;
    let name = text(object, "name")?.map(|n| instance::data_center_name(&n)).transpose()?;
    let metadata = metadata(object.get("metadata"))?;
    let mut data_center = DataCenter { name, metadata };
    if !data_center.is_amazon() {
        data_center.metadata.clear();
    }
    Ok(Some(data_center))
}

fn lease_info(value: Option<&Value>) -> Result<Option<LeaseInfo>, DecodeError> {
    let object = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(DecodeError::field("leaseInfo", "an object")),
    };
    let mut lease = LeaseInfo::default();
    if let Some(n) = text(object, "renewalIntervalInSecs")? {
        lease.renewal_interval_secs = instance::seconds("renewalIntervalInSecs", &n)?;
    }
    if let Some(n) = text(object, "durationInSecs")? {
        lease.duration_secs = instance::seconds("durationInSecs", &n)?;
    }
    lease.registered = timestamp(object, "registrationTimestamp")?.unwrap_or(0);
    lease.last_renewal = timestamp(object, "lastRenewalTimestamp")?.unwrap_or(0);
    lease.evicted = timestamp(object, "evictionTimestamp")?.unwrap_or(0);
    lease.service_up = timestamp(object, "serviceUpTimestamp")?.unwrap_or(0);
    Ok(Some(lease))
}

fn metadata(value: Option<&Value>) -> Result<BTreeMap<String, String>, DecodeError> {
    let object = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(DecodeError::field("metadata", "an object")),
    };
    let mut metadata = MetadataReader::default();
    for (key, value) in object {
        if let Some(value) = scalar("metadata", Some(value))? {
            metadata.add(key, value)?;
        }
    }
    Ok(metadata.finish())
}
