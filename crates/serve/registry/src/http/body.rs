//! Request bodies.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;
use haechi_eureka::{InstanceInfo, json, xml};
use haechi_web::Request;

use super::refusal::Refusal;

/// A compressed body may grow to this, whatever it claims.
const UNPACKED_BYTES: u64 = 32 << 20;

/// The body, unpacked if it is compressed (`enableReplicatedRequestCompression`).
pub(crate) fn plain(request: &Request) -> Result<Bytes, Refusal> {
    match request.header("content-encoding").map(str::trim) {
        None | Some("" | "identity") => Ok(request.body.clone()),
        Some(coding) if coding.eq_ignore_ascii_case("gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(&*request.body).take(UNPACKED_BYTES + 1).read_to_end(&mut plain)?;
            if plain.len() as u64 > UNPACKED_BYTES {
                return Err(Refusal::TooLarge(UNPACKED_BYTES));
            }
            Ok(plain.into())
        }
        Some(_) => Err(Refusal::MediaType("the body plain, or compressed with gzip")),
    }
}

/// The instance in a body. Without a content type its first character tells what it is.
pub(crate) fn instance(request: &Request) -> Result<InstanceInfo, Refusal> {
    let bytes = plain(request)?;
    let is_xml = match request.header("content-type").map(str::to_ascii_lowercase) {
        Some(kind) if kind.contains("json") => false,
        Some(kind) if kind.contains("xml") => true,
        None => bytes.trim_ascii_start().starts_with(b"<"),
        Some(_) => return Err(Refusal::MediaType("application/json or application/xml")),
    };
    Ok(if is_xml { xml::read::instance(&bytes)? } else { json::read::instance(&bytes)? })
}
