//! One instance as it stands on the wire.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::DecodeError;
use crate::limits::{self, METADATA_BYTES, METADATA_ENTRIES, TEXT_BYTES};

/// Text that is mostly one of a few known words.
pub type Word = Cow<'static, str>;

/// A port and whether it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// Whether the instance listens there.
    pub enabled: bool,
}

/// The class name of every data center that isn't Amazon's, as Netflix's server writes it.
pub const DEFAULT_DATA_CENTER: &str = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";
/// The class name of Amazon's data center.
pub const AMAZON_DATA_CENTER: &str = "com.netflix.appinfo.AmazonInfo";

/// Where an instance runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataCenter {
    /// `Netflix`, `Amazon` or `MyOwn`.
    pub name: Option<Word>,
    /// What Amazon says of the machine. Empty elsewhere.
    pub metadata: BTreeMap<String, String>,
}

impl DataCenter {
    /// Whether it is Amazon's, which has metadata and a class of its own.
    pub fn is_amazon(&self) -> bool {
        self.name.as_deref() == Some("Amazon")
    }

    /// The class name on the wire.
    pub fn class(&self) -> &'static str {
        if self.is_amazon() { AMAZON_DATA_CENTER } else { DEFAULT_DATA_CENTER }
    }
}

/// Terms and times of a lease. Times are milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseInfo {
    /// Seconds between heartbeats; 0 where a document doesn't say.
    pub renewal_interval_secs: u32,
    /// Seconds that the lease lasts after each; 0 where a document doesn't say.
    pub duration_secs: u32,
    /// When it began.
    pub registered: u64,
    /// When the last heartbeat came.
    pub last_renewal: u64,
    /// When it ended, or 0.
    pub evicted: u64,
    /// When the instance was first up, or 0.
    pub service_up: u64,
}

/// `InstanceInfo` of Netflix's client. Optional fields are left out of the document when absent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as on the wire")]
pub struct InstanceInfo {
    pub instance_id: Option<String>,
    pub host_name: Option<String>,
    pub app: Option<String>,
    pub app_group_name: Option<String>,
    pub ip_addr: Option<String>,
    pub sid: Option<String>,
    pub status: Word,
    pub overridden_status: Word,
    pub port: Port,
    pub secure_port: Port,
    pub country_id: i32,
    pub data_center: Option<DataCenter>,
    pub lease_info: Option<LeaseInfo>,
    pub metadata: BTreeMap<String, String>,
    pub home_page_url: Option<String>,
    pub status_page_url: Option<String>,
    pub health_check_url: Option<String>,
    pub secure_health_check_url: Option<String>,
    pub vip_address: Option<String>,
    pub secure_vip_address: Option<String>,
    pub is_coordinating: bool,
    pub last_updated: Option<u64>,
    pub last_dirty: Option<u64>,
    pub action_type: Option<Word>,
    pub asg_name: Option<String>,
}

impl Default for InstanceInfo {
    /// What Netflix's class holds when a document says nothing.
    fn default() -> Self {
        Self {
            instance_id: None,
            host_name: None,
            app: None,
            app_group_name: None,
            ip_addr: None,
            sid: None,
            status: Word::Borrowed("UP"),
            overridden_status: Word::Borrowed("UNKNOWN"),
            port: Port { number: 7001, enabled: true },
            secure_port: Port { number: 7002, enabled: false },
            country_id: 1,
            data_center: None,
            lease_info: None,
            metadata: BTreeMap::new(),
            home_page_url: None,
            status_page_url: None,
            health_check_url: None,
            secure_health_check_url: None,
            vip_address: None,
            secure_vip_address: None,
            is_coordinating: false,
            last_updated: None,
            last_dirty: None,
            action_type: None,
            asg_name: None,
        }
    }
}

impl InstanceInfo {
    /// The id by which the registry knows it (`InstanceInfo.getId`): its `instanceId`, else Amazon's, else
    /// the host name.
    pub fn id(&self) -> Option<&str> {
        let amazon = self.data_center.as_ref().and_then(|d| d.metadata.get("instance-id"));
        [self.instance_id.as_deref(), amazon.map(String::as_str), self.host_name.as_deref()]
            .into_iter()
            .flatten()
            .find(|id| !id.trim().is_empty())
    }

    /// A vip address is a list of names, separated by commas.
    pub fn vip_names(list: Option<&str>) -> Vec<Box<str>> {
        list.unwrap_or_default().split(',').map(str::trim).filter(|v| !v.is_empty()).map(Into::into).collect()
    }
}

/// Takes metadata entry by entry within the limits.
#[derive(Debug, Default)]
pub(crate) struct MetadataReader {
    entries: BTreeMap<String, String>,
    bytes: usize,
}

impl MetadataReader {
    /// Adds an entry. Keys starting `@class` are XStream's and are dropped.
    pub fn add(&mut self, key: &str, value: String) -> Result<(), DecodeError> {
        if key.starts_with("@class") {
            return Ok(());
        }
        self.bytes += key.len() + value.len();
        limits::check("metadata", self.bytes, METADATA_BYTES)?;
        self.entries.insert(key.to_owned(), value);
        limits::check("the number of metadata entries", self.entries.len(), METADATA_ENTRIES)
    }

    pub fn finish(self) -> BTreeMap<String, String> {
        self.entries
    }
}

pub(crate) fn text(field: &'static str, value: &str) -> Result<String, DecodeError> {
    limits::check(field, value.len(), TEXT_BYTES)?;
    Ok(value.to_owned())
}

pub(crate) fn port(field: &'static str, text: &str) -> Result<u16, DecodeError> {
    text.trim().parse().map_err(|_| DecodeError::field(field, "a port number from 0 to 65535"))
}

/// Milliseconds since the epoch; negative ones count as absent.
pub(crate) fn timestamp(field: &'static str, text: &str) -> Result<Option<u64>, DecodeError> {
    let number: i64 =
        text.trim().parse().map_err(|_| DecodeError::field(field, "milliseconds since the epoch"))?;
    Ok(u64::try_from(number).ok())
}

/// Seconds; what isn't positive counts as not said (`LeaseInfo.Builder`).
pub(crate) fn seconds(field: &'static str, text: &str) -> Result<u32, DecodeError> {
    let number: i32 = text.trim().parse().map_err(|_| DecodeError::field(field, "seconds"))?;
    Ok(u32::try_from(number).unwrap_or(0))
}

/// Checks the class that a data center names. Netflix's reader needs one of its own package and refuses others.
pub(crate) fn data_center_class(class: Option<&str>) -> Result<(), DecodeError> {
    if class.is_some_and(|c| c.starts_with("com.netflix.appinfo.")) {
        Ok(())
    } else {
        Err(DecodeError::field("dataCenterInfo", "a class of com.netflix.appinfo"))
    }
}

/// Whether a data center's name is one that Netflix knows.
pub(crate) fn data_center_name(name: &str) -> Result<Word, DecodeError> {
    ["MyOwn", "Amazon", "Netflix"]
        .into_iter()
        .find(|known| *known == name)
        .map(Word::Borrowed)
        .ok_or(DecodeError::field("dataCenterInfo.name", "Netflix, Amazon or MyOwn"))
}

/// A status as Netflix's enumeration reads it: in any case; what it doesn't know is `UNKNOWN`.
pub(crate) fn status(text: &str) -> Word {
    ["UP", "DOWN", "STARTING", "OUT_OF_SERVICE"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(text))
        .map_or(Word::Borrowed("UNKNOWN"), Word::Borrowed)
}
