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

/// The form of a body. Other media types are refused, as Netflix's server does.
fn is_xml(request: &Request) -> Result<bool, Refusal> {
    let kind = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    match kind.trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(false),
        "application/xml" => Ok(true),
        _ => Err(Refusal::MediaType("application/json or application/xml")),
    }
}

/// The instance in a body.
pub(crate) fn instance(request: &Request) -> Result<InstanceInfo, Refusal> {
    if is_xml(request)? {
        xml::read::instance(&plain(request)?).map_err(Refusal::Xml)
    } else {
        json::read::instance(&plain(request)?).map_err(Refusal::Json)
    }
}
