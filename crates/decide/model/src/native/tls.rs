//! TLS as the file would say it.

use std::path::Path;

use haechi_core::units::show_duration;
use haechi_route::config::{self as route, HostPattern, TlsVersion, UnknownName};

use crate::raw;

pub(super) fn of_listener(tls: &route::Tls) -> raw::Tls {
    raw::Tls {
        certificates: tls.certificates.iter().map(certificate).collect(),
        acme: tls.acme.as_ref().map(acme),
        unknown_name: Some(match tls.unknown_name {
            UnknownName::First => raw::UnknownName::First,
            UnknownName::Refuse => raw::UnknownName::Refuse,
        }),
        min_version: Some(match tls.min_version {
            TlsVersion::Tls12 => raw::TlsVersion::Tls12,
            TlsVersion::Tls13 => raw::TlsVersion::Tls13,
        }),
        client_certificates: tls.client.as_ref().map(|client| raw::ClientCertificates {
            mode: Some(if client.required {
                raw::ClientCertificateMode::Required
            } else {
                raw::ClientCertificateMode::Optional
            }),
            ca: client.ca.iter().map(|path| file(path)).collect(),
            crl: client.crl.iter().map(|path| file(path)).collect(),
            hosts: client.hosts.iter().map(host).collect(),
            forward: Some(client.forward),
        }),
        hsts: tls.hsts.as_ref().map(|hsts| raw::Hsts {
            max_age: Some(raw::Duration(show_duration(hsts.max_age))),
            include_subdomains: Some(hsts.include_subdomains),
            preload: Some(hsts.preload),
        }),
    }
}

pub(super) fn of_service(tls: &route::ServiceTls) -> raw::ServiceTls {
    raw::ServiceTls {
        server_name: tls.server_name.as_ref().map(|name| raw::Host(name.clone())),
        ca: tls.ca.iter().map(|path| file(path)).collect(),
        crl: tls.crl.iter().map(|path| file(path)).collect(),
        certificate: tls.certificate.as_ref().map(certificate),
        verify: Some(tls.verify),
    }
}

fn acme(acme: &route::Acme) -> raw::Acme {
    let address = |url: &String| url.strip_prefix("mailto:").unwrap_or(url).to_owned();
    raw::Acme {
        // What is lowered was agreed to.
        agree_to_terms: Some(true),
        directory: Some(raw::HttpUrl(acme.directory.clone())),
        contact: acme.contact.iter().map(address).collect(),
        names: acme.names.iter().map(|name| raw::HostPattern(name.clone())).collect(),
        challenge: Some(match acme.challenge {
            route::Challenge::Http01 => raw::AcmeChallenge::Http01,
            route::Challenge::TlsAlpn01 => raw::AcmeChallenge::TlsAlpn01,
        }),
        storage: Some(file(&acme.storage)),
        ca: acme.ca.iter().map(|path| file(path)).collect(),
    }
}

fn certificate(certificate: &route::Certificate) -> raw::Certificate {
    if certificate.chain == certificate.key && certificate.ocsp.is_none() {
        return raw::Certificate::File(file(&certificate.chain));
    }
    raw::Certificate::Files(raw::CertificateFiles {
        chain: file(&certificate.chain),
        key: file(&certificate.key),
        ocsp: certificate.ocsp.as_deref().map(file),
    })
}

fn host(pattern: &HostPattern) -> raw::HostPattern {
    raw::HostPattern(match pattern {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
    })
}

fn file(path: &Path) -> raw::FilePath {
    raw::FilePath(path.display().to_string())
}
