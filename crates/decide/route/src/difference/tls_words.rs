//! TLS in words. Every field is in them, so that two that differ read differently.

use std::path::PathBuf;

use haechi_core::units::show_duration;

use super::listed;
use crate::config::{
    Acme, Certificate, Challenge, ClientCertificates, Hsts, ServiceTls, Tls, TlsVersion, UnknownName,
};
use crate::explain::host_words;

pub(super) fn of_listener(tls: &Tls) -> String {
    let Tls { certificates, acme, unknown_name, min_version, client, hsts } = tls;
    let version = match min_version {
        TlsVersion::Tls12 => "tls1.2",
        TlsVersion::Tls13 => "tls1.3",
    };
    let unknown = match unknown_name {
        UnknownName::First => "first",
        UnknownName::Refuse => "refuse",
    };
    let certificates = listed(certificates.iter().map(certificate));
    let client = client.as_ref().map_or_else(|| "none".to_owned(), of_client);
    let acme = acme.as_ref().map_or_else(|| "none".to_owned(), of_acme);
    let hsts = hsts.as_ref().map_or_else(|| "none".to_owned(), of_hsts);
    format!(
        "{certificates}, acme {acme}, min-version {version}, unknown-name {unknown}, client-certificates {client}, hsts {hsts}"
    )
}

pub(super) fn of_service(tls: &ServiceTls) -> String {
    let ServiceTls { server_name, ca, crl, certificate: own, verify } = tls;
    let name = server_name.as_deref().unwrap_or("of the endpoint");
    let own = own.as_ref().map_or_else(|| "none".to_owned(), certificate);
    let (ca, crl) = (paths(ca), paths(crl));
    format!("server-name {name}, ca {ca}, crl {crl}, certificate {own}, verify {verify}")
}

fn of_hsts(hsts: &Hsts) -> String {
    let Hsts { max_age, include_subdomains, preload } = hsts;
    let age = show_duration(*max_age);
    format!("max-age {age}, include-subdomains {include_subdomains}, preload {preload}")
}

fn of_acme(acme: &Acme) -> String {
    let Acme { directory, contact, names, challenge, storage, ca } = acme;
    let challenge = match challenge {
        Challenge::Http01 => "http-01",
        Challenge::TlsAlpn01 => "tls-alpn-01",
    };
    let names = if names.is_empty() { "of routes".to_owned() } else { listed(names.iter().cloned()) };
    let (contact, ca, storage) = (listed(contact.iter().cloned()), paths(ca), storage.display());
    format!(
        "{directory}, contact {contact}, names {names}, challenge {challenge}, storage {storage}, ca {ca}"
    )
}

fn of_client(client: &ClientCertificates) -> String {
    let ClientCertificates { required, ca, crl, hosts, forward } = client;
    let mode = if *required { "required" } else { "optional" };
    let hosts = listed(hosts.iter().map(host_words));
    format!("{mode}, ca {}, crl {}, hosts {hosts}, forward {forward}", paths(ca), paths(crl))
}

fn certificate(certificate: &Certificate) -> String {
    let Certificate { chain, key, ocsp } = certificate;
    let mut words = chain.display().to_string();
    if key != chain {
        words = format!("{words} with key {}", key.display());
    }
    match ocsp {
        Some(ocsp) => format!("{words} and ocsp {}", ocsp.display()),
        None => words,
    }
}

fn paths(paths: &[PathBuf]) -> String {
    listed(paths.iter().map(|path| path.display().to_string()))
}
