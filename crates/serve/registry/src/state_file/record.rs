//! The file's form: a line that names it, then records of a length, a checksum and a body.

use std::collections::BTreeMap;

use flate2::Crc;
use haechi_eureka::{Encoding, InstanceInfo, fragment, json};
use haechi_lease::{Action, Instance};

use crate::convert::{self, Wire};

/// Begins every file.
pub(crate) const MAGIC: &[u8] = b"haechi registry state 1\n";

/// A longer record is taken for damage. An instance within `haechi_eureka::limits` stays below.
const RECORD_BYTES: usize = 4 << 20;

const PUT: u8 = b'+';
const GONE: u8 = b'-';
const HEAD_BYTES: usize = 8;

/// Appends the record of an instance.
pub(crate) fn append(out: &mut Vec<u8>, instance: &Instance<Wire>) {
    let mut body = Vec::new();
    if instance.action == Action::Deleted {
        body.push(GONE);
        body.extend_from_slice(instance.registration.app.as_str().as_bytes());
        body.push(b'\n');
        body.extend_from_slice(instance.registration.id.as_str().as_bytes());
    } else {
        body.push(PUT);
        let document = haechi_eureka::Fragment::new(&convert::info(instance), Encoding::Json);
        body.extend(fragment::instance(Encoding::Json, &document, instance.last_renewal().0));
    }
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&checksum(&body).to_le_bytes());
    out.extend_from_slice(&body);
}

fn checksum(body: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(body);
    crc.sum()
}

/// What a file held.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Instances that were there at the end.
    pub instances: Vec<InstanceInfo>,
    /// Bytes after the last whole record.
    pub lost_bytes: usize,
}

/// Reads records until the end or the first damaged one.
pub(crate) fn read_all(bytes: &[u8]) -> Found {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        return Found { lost_bytes: bytes.len(), ..Found::default() };
    };
    let mut instances = BTreeMap::new();
    while let Some((body, after)) = next(rest) {
        if !apply(body, &mut instances) {
            break;
        }
        rest = after;
    }
    Found { instances: instances.into_values().collect(), lost_bytes: rest.len() }
}

fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let expected = u32::from_le_bytes(head[4..].try_into().ok()?);
    let (body, rest) = rest.split_at_checked(length).filter(|_| length <= RECORD_BYTES)?;
    (checksum(body) == expected).then_some((body, rest))
}

fn apply(body: &[u8], instances: &mut BTreeMap<(String, String), InstanceInfo>) -> bool {
    match body.split_first() {
        Some((&PUT, document)) => {
            let Ok(info) = json::read::instance(document) else { return false };
            let key = (info.app.clone().unwrap_or_default(), info.id().unwrap_or_default().to_owned());
            instances.insert(key, info);
            true
        }
        Some((&GONE, names)) => {
            let names = std::str::from_utf8(names).ok().and_then(|n| n.split_once('\n'));
            let Some((app, id)) = names else { return false };
            instances.remove(&(app.to_owned(), id.to_owned()));
            true
        }
        _ => false,
    }
}
