//! Writing XML, children in the order of the JSON fields.

use std::collections::BTreeMap;

use super::name;
use crate::InstanceInfo;
use crate::instance::{DataCenter, LeaseInfo, Port};
use crate::json::write::COMPACT_AMAZON_KEYS;

fn escaped(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\'' => out.extend_from_slice(b"&apos;"),
            // A bare CR would be read back as LF (XML 1.0 §2.11).
            '\r' => out.extend_from_slice(b"&#xd;"),
            // XML 1.0 has no way to write these (§2.2).
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn open(out: &mut Vec<u8>, name: &str) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn close(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    open(out, name);
    escaped(out, value);
    close(out, name);
}

fn optional(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        field(out, name, value);
    }
}

fn number(out: &mut Vec<u8>, name: &str, value: impl itoa::Integer) -> usize {
    open(out, name);
    let at = out.len();
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    close(out, name);
    at
}

fn port(out: &mut Vec<u8>, name: &str, port: Port) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(if port.enabled { b" enabled=\"true\">" } else { b" enabled=\"false\">" });
    out.extend_from_slice(itoa::Buffer::new().format(port.number).as_bytes());
    close(out, name);
}

fn entries<'a>(out: &mut Vec<u8>, entries: impl Iterator<Item = (&'a String, &'a String)>) {
    for (key, value) in entries {
        field(out, &name::encode(key), value);
    }
}

fn metadata(out: &mut Vec<u8>, metadata: &BTreeMap<String, String>) {
    if metadata.is_empty() {
        out.extend_from_slice(br#"<metadata class="java.util.Collections$EmptyMap"/>"#);
        return;
    }
    open(out, "metadata");
    entries(out, metadata.iter());
    close(out, "metadata");
}

fn data_center(out: &mut Vec<u8>, data_center: Option<&DataCenter>, compact: bool) {
    let Some(data_center) = data_center else { return };
    out.extend_from_slice(b"<dataCenterInfo class=\"");
    out.extend_from_slice(data_center.class().as_bytes());
    out.extend_from_slice(b"\">");
    field(out, "name", data_center.name.as_deref().unwrap_or("MyOwn"));
    if data_center.is_amazon() {
        let kept = |name: &str| !compact || COMPACT_AMAZON_KEYS.contains(&name);
        open(out, "metadata");
        entries(out, data_center.metadata.iter().filter(|(name, _)| kept(name)));
        close(out, "metadata");
    }
    close(out, "dataCenterInfo");
}

/// Writes `leaseInfo`; answers where the digits of the last renewal begin.
fn lease_info(out: &mut Vec<u8>, lease: &LeaseInfo) -> usize {
    open(out, "leaseInfo");
    number(out, "renewalIntervalInSecs", lease.renewal_interval_secs);
    number(out, "durationInSecs", lease.duration_secs);
    number(out, "registrationTimestamp", lease.registered);
    let at = number(out, "lastRenewalTimestamp", lease.last_renewal);
    number(out, "evictionTimestamp", lease.evicted);
    number(out, "serviceUpTimestamp", lease.service_up);
    close(out, "leaseInfo");
    at
}

/// Writes an instance. Answers where the digits of the last renewal begin.
pub(crate) fn instance(info: &InstanceInfo, out: &mut Vec<u8>) -> Option<usize> {
    open(out, "instance");
    optional(out, "instanceId", info.instance_id.as_deref());
    optional(out, "hostName", info.host_name.as_deref());
    optional(out, "app", info.app.as_deref());
    optional(out, "ipAddr", info.ip_addr.as_deref());
    optional(out, "sid", info.sid.as_deref().filter(|sid| !matches!(*sid, "na" | "unknown")));
    field(out, "status", &info.status);
    field(out, "overriddenstatus", &info.overridden_status);
    port(out, "port", info.port);
    port(out, "securePort", info.secure_port);
    number(out, "countryId", info.country_id);
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
    close(out, "instance");
    renewal_at
}

/// Writes what `X-Eureka-Accept: compact` leaves of an instance.
pub(crate) fn compact_instance(info: &InstanceInfo, out: &mut Vec<u8>) {
    open(out, "instance");
    optional(out, "instanceId", info.instance_id.as_deref());
    optional(out, "app", info.app.as_deref());
    optional(out, "ipAddr", info.ip_addr.as_deref());
    optional(out, "vipAddress", info.vip_address.as_deref());
    optional(out, "secureVipAddress", info.secure_vip_address.as_deref());
    data_center(out, info.data_center.as_ref(), true);
    optional(out, "hostName", info.host_name.as_deref());
    field(out, "status", &info.status);
    optional(out, "lastUpdatedTimestamp", info.last_updated.map(|t| t.to_string()).as_deref());
    optional(out, "actionType", info.action_type.as_deref());
    optional(out, "asgName", info.asg_name.as_deref());
    port(out, "port", info.port);
    port(out, "securePort", info.secure_port);
    close(out, "instance");
}

/// The version and the hash code of a listing: in front of the applications, in the compact form after them.
pub(crate) fn versions(out: &mut Vec<u8>, version: &str, hash_code: &str) {
    field(out, "versions__delta", version);
    field(out, "apps__hashcode", hash_code);
}

pub(crate) fn application_head(out: &mut Vec<u8>, app: &str) {
    open(out, "application");
    field(out, "name", app);
}
