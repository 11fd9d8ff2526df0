//! Writing JSON in the field order of Netflix's serializers.

use std::collections::BTreeMap;

use crate::InstanceInfo;
use crate::instance::{DataCenter, LeaseInfo, Port};

/// An empty map as XStream's heirs write it.
const EMPTY_METADATA: &[u8] = br#"{"@class":"java.util.Collections$EmptyMap"}"#;

/// Amazon's metadata that the compact form keeps (`AbstractEurekaJacksonCodec`).
pub(crate) const COMPACT_AMAZON_KEYS: [&str; 5] =
    ["instance-id", "public-ipv4", "public-hostname", "local-ipv4", "availability-zone"];

pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing text into memory can't fail.
    let _ = serde_json::to_writer(out, text);
}

pub(crate) fn number(out: &mut Vec<u8>, n: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// `"key":`, after a comma unless it is the object's first.
pub(crate) fn key(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

pub(crate) fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    string(out, value);
}

fn optional(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        field(out, name, value);
    }
}

fn number_field(out: &mut Vec<u8>, name: &str, value: impl itoa::Integer) {
    key(out, name);
    number(out, value);
}

fn port(out: &mut Vec<u8>, name: &str, port: Port) {
    key(out, name);
    out.push(b'{');
    number_field(out, "$", port.number);
    field(out, "@enabled", if port.enabled { "true" } else { "false" });
    out.push(b'}');
}

fn map<'a>(out: &mut Vec<u8>, entries: impl Iterator<Item = (&'a String, &'a String)>) {
    out.push(b'{');
    for (name, value) in entries {
        field(out, name, value);
    }
    out.push(b'}');
}

fn metadata(out: &mut Vec<u8>, metadata: &BTreeMap<String, String>) {
    key(out, "metadata");
    if metadata.is_empty() {
        out.extend_from_slice(EMPTY_METADATA);
    } else {
        map(out, metadata.iter());
    }
}

fn data_center(out: &mut Vec<u8>, data_center: Option<&DataCenter>, compact: bool) {
    let Some(data_center) = data_center else { return };
    key(out, "dataCenterInfo");
    out.push(b'{');
    field(out, "@class", data_center.class());
    field(out, "name", data_center.name.as_deref().unwrap_or("MyOwn"));
    if data_center.is_amazon() {
        key(out, "metadata");
        let kept = |name: &str| !compact || COMPACT_AMAZON_KEYS.contains(&name);
        map(out, data_center.metadata.iter().filter(|(name, _)| kept(name)));
    }
    out.push(b'}');
}

/// Writes `leaseInfo`; answers where the digits of the last renewal begin.
fn lease_info(out: &mut Vec<u8>, lease: &LeaseInfo) -> usize {
    key(out, "leaseInfo");
    out.push(b'{');
    number_field(out, "renewalIntervalInSecs", lease.renewal_interval_secs);
    number_field(out, "durationInSecs", lease.duration_secs);
    number_field(out, "registrationTimestamp", lease.registered);
    key(out, "lastRenewalTimestamp");
    let at = out.len();
    number(out, lease.last_renewal);
    number_field(out, "evictionTimestamp", lease.evicted);
    number_field(out, "serviceUpTimestamp", lease.service_up);
    out.push(b'}');
    at
}

/// Writes an instance (`InstanceInfoSerializer`, then `autoMarshalEligible`, which makes strings of
/// everything). Answers where the digits of the last renewal begin.
pub(crate) fn instance(info: &InstanceInfo, out: &mut Vec<u8>) -> Option<usize> {
    out.push(b'{');
    optional(out, "instanceId", info.instance_id.as_deref());
    optional(out, "hostName", info.host_name.as_deref());
    optional(out, "app", info.app.as_deref());
    optional(out, "ipAddr", info.ip_addr.as_deref());
    optional(out, "sid", info.sid.as_deref().filter(|sid| !matches!(*sid, "na" | "unknown")));
    field(out, "status", &info.status);
    field(out, "overriddenStatus", &info.overridden_status);
    port(out, "port", info.port);
    port(out, "securePort", info.secure_port);
    number_field(out, "countryId", info.country_id);
    data_center(out, info.data_center.as_ref(), false);
    let renewal_at = info.lease_info.as_ref().map(|lease| lease_info(out, lease));
    metadata(out, &info.metadata);
    optional(out, "appGroupName", info.app_group_name.as_deref());
    optional(out, "homePageUrl", info.home_page_url.as_deref());
    optional(out, "statusPageUrl", info.status_page_url.as_deref());
    optional(out, "healthCheckUrl", info.health_check_url.as_deref());
    optional(out, "secureHealthCheckUrl", info.secure_health_check_url.as_deref());
    optional(out, "vipAddress", info.vip_address.as_deref());
    optional(out, "secureVipAddress", info.secure_vip_address.as_deref());
    field(out, "isCoordinatingDiscoveryServer", if info.is_coordinating { "true" } else { "false" });
    optional(out, "lastUpdatedTimestamp", info.last_updated.map(|t| t.to_string()).as_deref());
    optional(out, "lastDirtyTimestamp", info.last_dirty.map(|t| t.to_string()).as_deref());
    optional(out, "actionType", info.action_type.as_deref());
    optional(out, "asgName", info.asg_name.as_deref());
    out.push(b'}');
    renewal_at
}

/// Writes what `X-Eureka-Accept: compact` leaves of an instance (`MiniInstanceInfoMixIn`). Here
/// `lastUpdatedTimestamp` is a number.
pub(crate) fn compact_instance(info: &InstanceInfo, out: &mut Vec<u8>) {
    out.push(b'{');
    optional(out, "instanceId", info.instance_id.as_deref());
    optional(out, "app", info.app.as_deref());
    optional(out, "ipAddr", info.ip_addr.as_deref());
    optional(out, "vipAddress", info.vip_address.as_deref());
    optional(out, "secureVipAddress", info.secure_vip_address.as_deref());
    data_center(out, info.data_center.as_ref(), true);
    optional(out, "hostName", info.host_name.as_deref());
    field(out, "status", &info.status);
    if let Some(at) = info.last_updated {
        number_field(out, "lastUpdatedTimestamp", at);
    }
    optional(out, "actionType", info.action_type.as_deref());
    optional(out, "asgName", info.asg_name.as_deref());
    port(out, "port", info.port);
    port(out, "securePort", info.secure_port);
    out.push(b'}');
}

pub(crate) fn applications_head(out: &mut Vec<u8>, version: &str, hash_code: &str) {
    out.extend_from_slice(br#"{"applications":{"#);
    field(out, "versions__delta", version);
    field(out, "apps__hashcode", hash_code);
    key(out, "application");
    out.push(b'[');
}

pub(crate) fn compact_tail(out: &mut Vec<u8>, version: &str, hash_code: &str) {
    out.push(b']');
    field(out, "versions__delta", version);
    field(out, "apps__hashcode", hash_code);
    out.extend_from_slice(b"}}");
}

pub(crate) fn application_head(out: &mut Vec<u8>, name: &str) {
    out.push(b'{');
    field(out, "name", name);
    key(out, "instance");
    out.push(b'[');
}
