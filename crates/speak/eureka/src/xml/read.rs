//! Reading XML.

use std::collections::BTreeMap;

use super::name;
use super::tree::{self, Element};
use crate::instance::{self, MetadataReader};
use crate::limits::{LISTED_INSTANCES, XML_ELEMENTS};
use crate::{DataCenter, DecodeError, InstanceInfo, LeaseInfo, Port};

/// Elements of a listed instance, usually: about 30, and its metadata.
const ELEMENTS_PER_LISTED_INSTANCE: usize = 64;

/// Reads `<instance>`, the body of a registration.
pub fn instance(bytes: &[u8]) -> Result<InstanceInfo, DecodeError> {
    let root = tree::parse(bytes, XML_ELEMENTS)?;
    if root.name != "instance" {
        return Err(DecodeError::Root("instance"));
    }
    instance_element(&root)
}

/// Reads `<applications>` and answers every instance in it.
pub fn applications(bytes: &[u8]) -> Result<Vec<InstanceInfo>, DecodeError> {
    let root = tree::parse(bytes, LISTED_INSTANCES * ELEMENTS_PER_LISTED_INSTANCE)?;
    if root.name != "applications" {
        return Err(DecodeError::Root("applications"));
    }
    root.children
        .iter()
        .filter(|c| c.name == "application")
        .flat_map(|application| application.children.iter().filter(|c| c.name == "instance"))
        .map(instance_element)
        .collect()
}

fn instance_element(element: &Element) -> Result<InstanceInfo, DecodeError> {
    let mut info = InstanceInfo {
        instance_id: text(element, "instanceId")?,
        host_name: text(element, "hostName")?,
        app: text(element, "app")?,
        app_group_name: text(element, "appGroupName")?,
        ip_addr: text(element, "ipAddr")?,
        sid: text(element, "sid")?,
        data_center: element.child("dataCenterInfo").map(data_center).transpose()?,
        lease_info: element.child("leaseInfo").map(lease_info).transpose()?,
        metadata: element.child("metadata").map_or(Ok(BTreeMap::new()), metadata)?,
        home_page_url: text(element, "homePageUrl")?,
        status_page_url: text(element, "statusPageUrl")?,
        health_check_url: text(element, "healthCheckUrl")?,
        secure_health_check_url: text(element, "secureHealthCheckUrl")?,
        vip_address: text(element, "vipAddress")?,
        secure_vip_address: text(element, "secureVipAddress")?,
        last_updated: timestamp(element, "lastUpdatedTimestamp")?,
        last_dirty: timestamp(element, "lastDirtyTimestamp")?,
        action_type: text(element, "actionType")?.map(Into::into),
        asg_name: text(element, "asgName")?,
        ..InstanceInfo::default()
    };
    if let Some(status) = text(element, "status")? {
        info.status = instance::status(&status);
    }
    // XML says `overriddenstatus`; the JSON spelling is read too.
    for name in ["overriddenStatus", "overriddenstatus"] {
        if let Some(status) = text(element, name)? {
            info.overridden_status = instance::status(&status);
        }
    }
    if let Some(port) = element.child("port") {
        let enabled = port.attribute("enabled") != Some("false");
        info.port = Port { number: number(port, "port", info.port.number)?, enabled };
    }
    if let Some(port) = element.child("securePort") {
        let enabled = port.attribute("enabled") == Some("true");
        info.secure_port = Port { number: number(port, "securePort", info.secure_port.number)?, enabled };
    }
    if let Some(id) = text(element, "countryId")? {
        info.country_id = id.trim().parse().map_err(|_| DecodeError::field("countryId", "a number"))?;
    }
    info.is_coordinating = text(element, "isCoordinatingDiscoveryServer")?.as_deref() == Some("true");
    Ok(info)
}

/// A child's text; an empty element counts as absent.
fn text(element: &Element, field: &'static str) -> Result<Option<String>, DecodeError> {
    match element.child(field) {
        Some(child) if !child.children.is_empty() => Err(DecodeError::field(field, "text")),
        Some(child) if !child.text.trim().is_empty() => instance::text(field, child.text.trim()).map(Some),
        _ => Ok(None),
    }
}

fn timestamp(element: &Element, field: &'static str) -> Result<Option<u64>, DecodeError> {
    text(element, field)?.map_or(Ok(None), |t| instance::timestamp(field, &t))
}

fn number(element: &Element, field: &'static str, default: u16) -> Result<u16, DecodeError> {
    if element.text.trim().is_empty() { Ok(default) } else { instance::port(field, &element.text) }
}

fn data_center(element: &Element) -> Result<DataCenter, DecodeError> {
    let name = text(element, "name")?.map(|n| instance::data_center_name(&n)).transpose()?;
    let mut data_center = DataCenter { name, metadata: BTreeMap::new() };
    if data_center.is_amazon() {
        data_center.metadata = element.child("metadata").map_or(Ok(BTreeMap::new()), metadata)?;
    }
    Ok(data_center)
}

fn lease_info(element: &Element) -> Result<LeaseInfo, DecodeError> {
    let mut lease = LeaseInfo::default();
    if let Some(n) = text(element, "renewalIntervalInSecs")? {
        lease.renewal_interval_secs = instance::seconds("renewalIntervalInSecs", &n)?;
    }
    if let Some(n) = text(element, "durationInSecs")? {
        lease.duration_secs = instance::seconds("durationInSecs", &n)?;
    }
    lease.registered = timestamp(element, "registrationTimestamp")?.unwrap_or(0);
    lease.last_renewal = timestamp(element, "lastRenewalTimestamp")?.unwrap_or(0);
    lease.evicted = timestamp(element, "evictionTimestamp")?.unwrap_or(0);
    lease.service_up = timestamp(element, "serviceUpTimestamp")?.unwrap_or(0);
    Ok(lease)
}

fn metadata(element: &Element) -> Result<BTreeMap<String, String>, DecodeError> {
    let mut metadata = MetadataReader::default();
    for entry in &element.children {
        if !entry.children.is_empty() {
            return Err(DecodeError::field("metadata", "text"));
        }
        metadata.add(&name::decode(&entry.name), entry.text.clone())?;
    }
    Ok(metadata.finish())
}
