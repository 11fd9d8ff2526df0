//! `gateway.listeners[].tls` and `services.*.tls`.
//!
//! A certificate that can't be used costs neither its listener nor its service: the gateway serves the others, and
//! takes it in once it is mended on disk. So its mistakes are errors that cost nothing.

use std::path::PathBuf;
use std::time::Duration;

use haechi_route::config::{Certificate, ClientCertificates, Hsts, ServiceTls, Tls, TlsVersion, UnknownName};

use super::route::host_pattern;
use super::{At, Lower};
use crate::diagnostic::{Cost, Diagnostic};
use crate::raw;

impl Lower<'_> {
    pub(super) fn tls(&mut self, raw: &raw::Tls, at: At<'_>) -> Tls {
        let certificates = raw.certificates.iter().enumerate().map(|(i, certificate)| {
            let at = at.key("certificates").item(i);
            self.certificate(certificate, at)
        });
        let certificates = certificates.collect();
        let acme = raw.acme.as_ref().and_then(|raw| self.acme(raw, at.key("acme")));
        if raw.certificates.is_empty() && raw.acme.is_none() {
            let message = "there is no certificate, so no handshake can succeed";
            let diagnostic = Diagnostic::error("no-certificate", at.key_span(), message).harmless();
            self.report(diagnostic.help("name files in `certificates`, or have them ordered: `acme`"));
        }
        Tls {
            certificates,
            acme,
            unknown_name: match raw.unknown_name.unwrap_or_default() {
                raw::UnknownName::First => UnknownName::First,
                raw::UnknownName::Refuse => UnknownName::Refuse,
            },
            min_version: match raw.min_version.unwrap_or_default() {
                raw::TlsVersion::Tls12 => TlsVersion::Tls12,
                raw::TlsVersion::Tls13 => TlsVersion::Tls13,
            },
            client: raw.client_certificates.as_ref().map(|raw| {
                let at = at.key("client-certificates");
                ClientCertificates {
                    required: raw.mode.unwrap_or_default() == raw::ClientCertificateMode::Required,
                    ca: self.cas(&raw.ca, at.key("ca")),
                    crl: self.revocation_lists(&raw.crl, at.key("crl")),
                    hosts: raw.hosts.iter().map(|host| host_pattern(&host.0)).collect(),
                    forward: raw.forward.unwrap_or(false),
                }
            }),
            hsts: raw.hsts.as_ref().map(|raw| self.hsts(raw, at.key("hsts"))),
        }
    }

    fn hsts(&mut self, raw: &raw::Hsts, at: At<'_>) -> Hsts {
        let hsts = Hsts {
            max_age: self.duration(raw.max_age.as_ref(), YEAR, at.key("max-age")),
            include_subdomains: raw.include_subdomains.unwrap_or(false),
            preload: raw.preload.unwrap_or(false),
        };
        if hsts.preload && (hsts.max_age < YEAR || !hsts.include_subdomains) {
            let message =
                "browsers' lists take no host without `include-subdomains`, or for less than a year";
            let diagnostic = Diagnostic::error("contradiction", at.key("preload").span(), message);
            let help =
                "write { max-age: 365d, include-subdomains: true, preload: true }, or remove `preload`";
            self.report(diagnostic.help(help).harmless());
        }
        hsts
    }

    pub(super) fn service_tls(&mut self, raw: &raw::ServiceTls, at: At<'_>) -> ServiceTls {
        let verify = raw.verify.unwrap_or(true);
        if !verify {
            let message = "the certificates of this service are not verified";
            let help = "whoever is on the way can read and change everything; name the CA in `ca` instead";
            self.report(Diagnostic::warning("unsafe", at.key("verify").span(), message).help(help));
            for key in ["ca", "crl"].into_iter().filter(|key| at.key(key).is_written()) {
                let message = format!("`{key}` has no effect without `verify`");
                let diagnostic = Diagnostic::error("contradiction", at.key(key).span(), message);
                self.report(diagnostic.help("remove it, or remove `verify: false`"));
            }
        }
        ServiceTls {
            server_name: raw.server_name.as_ref().map(|name| name.0.to_ascii_lowercase()),
            ca: self.cas(&raw.ca, at.key("ca")),
            crl: self.revocation_lists(&raw.crl, at.key("crl")),
            certificate: raw
                .certificate
                .as_ref()
                .map(|certificate| self.certificate(certificate, at.key("certificate"))),
            verify,
        }
    }

    fn certificate(&mut self, raw: &raw::Certificate, at: At<'_>) -> Certificate {
        let before = self.diagnostics.len();
        let certificate = match raw {
            raw::Certificate::File(file) => {
                let path = self.path(file);
                self.pem(&path, "the certificate file", &[CHAIN, KEY], at);
                Certificate { chain: path.clone(), key: path, ocsp: None }
            }
            raw::Certificate::Files(files) => {
                let (chain, key) = (self.path(&files.chain), self.path(&files.key));
                self.pem(&chain, "the certificate file", &[CHAIN], at.key("chain"));
                self.pem(&key, "the key file", &[KEY], at.key("key"));
                let ocsp = files.ocsp.as_ref().map(|file| self.path(file));
                if let Some(path) = &ocsp {
                    self.exists(path, "the OCSP response", at.key("ocsp"));
                }
                Certificate { chain, key, ocsp }
            }
        };
        if self.diagnostics.len() == before {
            self.look_into(&certificate, at);
        }
        self.cost_nothing(before);
        certificate
    }

    /// Whether certificate and key are a pair, and for how long.
    fn look_into(&mut self, certificate: &Certificate, at: At<'_>) {
        let Some(seen) = self.files.certificate(&certificate.chain, &certificate.key) else { return };
        let file = certificate.chain.display();
        match seen.map(|seen| seen.seconds_left) {
            Err(why) => {
                let diagnostic = Diagnostic::error("bad-certificate", at.span(), why);
                self.report(diagnostic.help("it is taken in as soon as it is mended on disk"));
            }
            Ok(left) if left <= 0 => {
                let message = format!("{file} expired {} ago", days(left.unsigned_abs()));
                let diagnostic = Diagnostic::warning("expired", at.span(), message);
                self.report(diagnostic.help("clients refuse it; put a new one in its place"));
            }
            Ok(left) if left < SOON => {
                let message = format!("{file} expires in {}", days(left.unsigned_abs()));
                let diagnostic = Diagnostic::warning("expires-soon", at.span(), message);
                self.report(diagnostic.help("a new one in its place is taken in without a reload"));
            }
            Ok(_) => {}
        }
    }

    pub(super) fn cas(&mut self, raw: &[raw::FilePath], at: At<'_>) -> Vec<PathBuf> {
        let before = self.diagnostics.len();
        let mut paths = Vec::with_capacity(raw.len());
        for (i, file) in raw.iter().enumerate() {
            let path = self.path(file);
            self.pem(&path, "the CA file", &[CHAIN], at.item(i));
            paths.push(path);
        }
        self.cost_nothing(before);
        paths
    }

    fn revocation_lists(&mut self, raw: &[raw::FilePath], at: At<'_>) -> Vec<PathBuf> {
        let before = self.diagnostics.len();
        let mut paths = Vec::with_capacity(raw.len());
        for (i, file) in raw.iter().enumerate() {
            let path = self.path(file);
            self.exists(&path, "the revocation list", at.item(i));
            paths.push(path);
        }
        self.cost_nothing(before);
        paths
    }

    /// What was said since then is an error, and costs nothing else.
    pub(super) fn cost_nothing(&mut self, since: usize) {
        for diagnostic in &mut self.diagnostics[since..] {
            diagnostic.cost = Cost::Nothing;
        }
    }

    /// Checks that a file holds these things, as far as can be seen without reading them.
    fn pem(&mut self, path: &std::path::Path, what: &str, wanted: &[&Label], at: At<'_>) {
        let Some(text) = self.readable(path, what, at) else { return };
        let has = |label: &&str| {
            text.contains(&format!("-----BEGIN {label}-----"))
                && text.contains(&format!("-----END {label}-----"))
        };
        let missing = wanted.iter().find(|label| !label.names.iter().any(has));
        let (message, help) = if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            ("has a private key with a passphrase", "decrypt it: openssl pkey -in FILE -out FILE")
        } else if !text.contains("-----BEGIN ") {
            ("is not a PEM file", "a PEM file begins with -----BEGIN CERTIFICATE-----")
        } else if let Some(label) = missing {
            (label.missing, if wanted.len() > 1 { label.help_for_one_file } else { label.help })
        } else {
            return;
        };
        let message = format!("{} {message}", path.display());
        self.report(Diagnostic::error("bad-certificate", at.span(), message).help(help));
    }
}

/// What is promised by HSTS without `max-age`, and what browsers' lists want at least.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Seconds before its end at which a certificate is warned of: two weeks, by when every automatic renewal is done.
const SOON: i64 = 14 * 86_400;

fn days(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}

/// Something that a PEM file holds.
struct Label {
    names: &'static [&'static str],
    missing: &'static str,
    help: &'static str,
    /// Where certificate and key are in one file.
    help_for_one_file: &'static str,
}

const CHAIN: &Label = &Label {
    names: &["CERTIFICATE"],
    missing: "holds no certificate",
    help: "name a file with -----BEGIN CERTIFICATE-----",
    help_for_one_file: "put the certificate chain in front of the key: cat chain.pem key.pem; or write { chain: …, key: … }",
};

const KEY: &Label = &Label {
    names: &["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"],
    missing: "holds no private key",
    help: "name a file with -----BEGIN PRIVATE KEY-----",
    help_for_one_file: "put the key behind the certificates: cat chain.pem key.pem; or write { chain: …, key: … }",
};
