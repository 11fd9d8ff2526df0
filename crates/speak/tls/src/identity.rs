//! Who a client is, by its certificate, in the form of `X-Forwarded-Client-Cert` that Envoy made usual.

use std::fmt::Write as _;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// `Hash=…;Subject="…";URI=…;DNS=…`: the SHA-256 of the certificate, its subject, and its alternative names of
/// these kinds. A certificate that can't be understood is told by its hash alone.
///
/// What goes into a header is printable ASCII; quotes and backslashes are escaped, and whatever else the
/// certificate's owner wrote into it is left out.
pub fn forwarded_client_certificate(certificate: &CertificateDer<'_>) -> String {
    let mut out = String::from("Hash=");
    for byte in Sha256::digest(certificate) {
        // Writing to a string can't fail.
        let _ = write!(out, "{byte:02x}");
    }
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return out };
    field(&mut out, "Subject", &parsed.subject().to_string());
    let alternative = parsed.subject_alternative_name().ok().flatten();
    for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::URI(uri) => field(&mut out, "URI", uri),
            GeneralName::DNSName(name) => field(&mut out, "DNS", name),
            _ => {}
        }
    }
    out
}

fn field(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, ";{name}=\"");
    for char in value.chars().filter(|char| (' '..='~').contains(char)) {
        if matches!(char, '"' | '\\') {
            out.push('\\');
        }
        out.push(char);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_certificate_says_can_t_break_out_of_the_header() {
        let mut out = String::new();
        field(&mut out, "Subject", "CN=a\"b\\c\r\nX-Injected: 1\u{e9}");
        assert_eq!(out, ";Subject=\"CN=a\\\"b\\\\cX-Injected: 1\"");
    }

    #[test]
    fn garbage_is_told_by_its_hash() {
        let told = forwarded_client_certificate(&CertificateDer::from(&b"no certificate"[..]));
        assert!(told.starts_with("Hash=") && told.len() == 5 + 64, "{told}");
    }
}
