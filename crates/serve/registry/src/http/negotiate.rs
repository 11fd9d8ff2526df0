//! Which form a client wants.

use haechi_eureka::Encoding;
use haechi_web::{Response, answer};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub encoding: Encoding,
    pub gzip: bool,
}

fn joined(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

impl Wanted {
    /// Eureka's rule: JSON if `Accept` contains "json", else XML if it can stand for XML or is absent, else
    /// nothing that there is (406).
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let accept = joined(headers, header::ACCEPT).map(|a| a.to_ascii_lowercase());
        let json = match accept.as_deref() {
            None => false,
            Some(accept) if accept.contains("json") => true,
            Some(accept) if accept.contains("xml") || accept.contains('*') => false,
            Some(accept) if accept.trim().is_empty() => false,
            Some(_) => return None,
        };
        let compact =
            headers.get("x-eureka-accept").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"compact"));
        let encoding = match (json, compact) {
            (true, false) => Encoding::Json,
            (true, true) => Encoding::JsonCompact,
            (false, false) => Encoding::Xml,
            (false, true) => Encoding::XmlCompact,
        };
        Some(Self { encoding, gzip: answer::takes_gzip(headers) })
    }

    /// The encoding for one instance or application, which has no compact form.
    pub fn full(self) -> Encoding {
        if self.encoding.is_json() { Encoding::Json } else { Encoding::Xml }
    }

    /// An empty answer. It says its type all the same: clients on aiohttp refuse to look at it otherwise.
    pub fn empty(self, status: StatusCode) -> Response {
        let mut response = answer::empty(status);
        let content_type = HeaderValue::from_static(self.encoding.content_type());
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}
