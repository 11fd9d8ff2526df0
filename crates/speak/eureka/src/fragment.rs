//! Instances written once, and listings put together from them.

use crate::{InstanceInfo, json, xml};

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// JSON with everything.
    Json,
    /// JSON for `X-Eureka-Accept: compact`.
    JsonCompact,
    /// XML with everything.
    Xml,
    /// XML for `X-Eureka-Accept: compact`.
    XmlCompact,
}

impl Encoding {
    /// Every form, for tables indexed by `as usize`.
    pub const ALL: [Self; 4] = [Self::Json, Self::JsonCompact, Self::Xml, Self::XmlCompact];

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        if self.is_json() { "application/json" } else { "application/xml" }
    }

    /// JSON or XML.
    pub const fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::JsonCompact)
    }

    /// Whether only what discovery needs is written.
    pub const fn is_compact(self) -> bool {
        matches!(self, Self::JsonCompact | Self::XmlCompact)
    }
}

/// Digits of a time of last renewal in a fragment. 13 reach to the year 2286.
const RENEWAL_DIGITS: usize = 13;

/// One instance in one encoding, ready to be copied into listings.
///
/// The time of the last renewal moves with each heartbeat; it is the only part that is written again when the
/// fragment is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    bytes: Box<[u8]>,
    renewal_at: Option<usize>,
}

impl Fragment {
    /// Writes an instance.
    pub fn new(info: &InstanceInfo, encoding: Encoding) -> Self {
        let mut bytes = Vec::with_capacity(if encoding.is_compact() { 512 } else { 1_536 });
        let renewal_at = match encoding {
            Encoding::Json => json::write::instance(info, &mut bytes),
            Encoding::JsonCompact => {
                json::write::compact_instance(info, &mut bytes);
                None
            }
            Encoding::Xml => xml::write::instance(info, &mut bytes),
            Encoding::XmlCompact => {
                xml::write::compact_instance(info, &mut bytes);
                None
            }
        };
        let has_all_digits =
            info.lease_info.is_some_and(|l| l.last_renewal.to_string().len() == RENEWAL_DIGITS);
        Self { bytes: bytes.into(), renewal_at: renewal_at.filter(|_| has_all_digits) }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a fragment holds at least its delimiters.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Copies it with the given time of last renewal.
    pub fn copy_to(&self, out: &mut Vec<u8>, last_renewal: u64) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let Some(at) = self.renewal_at else { return };
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(last_renewal).as_bytes();
        if digits.len() == RENEWAL_DIGITS {
            out[start + at..start + at + RENEWAL_DIGITS].copy_from_slice(digits);
        }
    }
}

/// Puts a listing together: `apps`, `apps/delta`, a vip.
#[derive(Debug)]
pub struct Listing {
    encoding: Encoding,
    out: Vec<u8>,
    version: String,
    hash_code: String,
    apps: usize,
    instances: usize,
}

impl Listing {
    /// Begins one. `version` is `"1"` for a full listing, a counter for deltas and `"-1"` for vips.
    pub fn new(encoding: Encoding, version: &str, hash_code: &str, size_hint: usize) -> Self {
        let mut out = Vec::with_capacity(size_hint + 256);
        match encoding {
            Encoding::Json => json::write::applications_head(&mut out, version, hash_code),
            Encoding::JsonCompact => out.extend_from_slice(br#"{"applications":{"application":["#),
            Encoding::Xml => {
                out.extend_from_slice(b"<applications>");
                xml::write::versions(&mut out, version, hash_code);
            }
            Encoding::XmlCompact => out.extend_from_slice(b"<applications>"),
        }
        Self {
            encoding,
            out,
            version: version.to_owned(),
            hash_code: hash_code.to_owned(),
            apps: 0,
            instances: 0,
        }
    }

    /// Begins an application.
    pub fn begin_app(&mut self, name: &str) {
        self.instances = 0;
        if self.encoding.is_json() {
            if self.apps > 0 {
                self.out.push(b',');
            }
            json::write::application_head(&mut self.out, name);
        } else {
            xml::write::application_head(&mut self.out, name);
        }
        self.apps += 1;
    }

    /// Adds an instance to the application begun last.
    pub fn add(&mut self, fragment: &Fragment, last_renewal: u64) {
        if self.instances > 0 && self.encoding.is_json() {
            self.out.push(b',');
        }
        fragment.copy_to(&mut self.out, last_renewal);
        self.instances += 1;
    }

    /// Ends the application begun last.
    pub fn end_app(&mut self) {
        self.out.extend_from_slice(if self.encoding.is_json() { b"]}" } else { b"</application>" });
    }

    /// Ends the listing.
    pub fn finish(mut self) -> Vec<u8> {
        match self.encoding {
            Encoding::Json => self.out.extend_from_slice(b"]}}"),
            Encoding::JsonCompact => {
                json::write::compact_tail(&mut self.out, &self.version, &self.hash_code);
            }
            Encoding::Xml => self.out.extend_from_slice(b"</applications>"),
            Encoding::XmlCompact => {
                xml::write::versions(&mut self.out, &self.version, &self.hash_code);
                self.out.extend_from_slice(b"</applications>");
            }
        }
        self.out
    }
}

/// One application as a document: `apps/{app}`.
pub fn application<'a>(
    encoding: Encoding,
    name: &str,
    instances: impl Iterator<Item = (&'a Fragment, u64)>,
) -> Vec<u8> {
    let mut listing = Listing {
        encoding,
        out: Vec::new(),
        version: String::new(),
        hash_code: String::new(),
        apps: 0,
        instances: 0,
    };
    if encoding.is_json() {
        listing.out.extend_from_slice(br#"{"application":"#);
    }
    listing.begin_app(name);
    for (fragment, last_renewal) in instances {
        listing.add(fragment, last_renewal);
    }
    listing.end_app();
    if encoding.is_json() {
        listing.out.push(b'}');
    }
    listing.out
}

/// One instance as a document: `apps/{app}/{id}`.
pub fn instance(encoding: Encoding, fragment: &Fragment, last_renewal: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(fragment.len() + 16);
    if encoding.is_json() {
        out.extend_from_slice(br#"{"instance":"#);
    }
    fragment.copy_to(&mut out, last_renewal);
    if encoding.is_json() {
        out.push(b'}');
    }
    out
}
