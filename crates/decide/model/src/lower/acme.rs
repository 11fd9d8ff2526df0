//! `gateway.listeners[].tls.acme`.
//!
//! As with certificates from files, a mistake here costs its certificate, never the listener.

use std::collections::BTreeMap;
use std::net::IpAddr;

use haechi_route::config::{Acme, Challenge, GatewayConfig, HostPattern, Listener, ListenerProtocol};

use super::{At, Lower};
use crate::diagnostic::Diagnostic;
use crate::raw;

/// Let's Encrypt's.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Beside what else is kept over restarts.
const STORAGE: &str = ".haechi/acme";

impl Lower<'_> {
    pub(super) fn acme(&mut self, raw: &raw::Acme, at: At<'_>) -> Option<Acme> {
        let before = self.diagnostics.len();
        let directory = raw.directory.as_ref().map_or(DIRECTORY, |url| url.0.as_str());
        if !directory.starts_with("https://") {
            let message = "ACME is spoken over https alone (RFC 8555 §6.1)";
            let diagnostic = Diagnostic::error("bad-value", at.key("directory").span(), message);
            self.report(diagnostic.help("write https://; name the roots of a CA in the house in `ca`"));
        }
        let agreed = raw.agree_to_terms == Some(true);
        if !agreed {
            let message = "the CA's terms of service are not agreed to, so there are no certificates";
            let key = at.key("agree-to-terms");
            let span = if key.is_written() { key.span() } else { at.span() };
            let help =
                format!("read them (the CA names them in {directory}), then write `agree-to-terms: true`");
            self.report(Diagnostic::error("terms", span, message).help(help));
        }
        // From here on what is wrong is left out alone: certificates that are there must be served on.
        let refused = self.diagnostics.len() > before;
        let names = self.acme_names(&raw.names, at.key("names"));
        let nothing_left = names.is_empty() && !raw.names.is_empty();
        let contact = self.contact(&raw.contact, at.key("contact"));
        let acme = Acme {
            directory: directory.to_owned(),
            contact,
            names,
            challenge: match raw.challenge.unwrap_or_default() {
                raw::AcmeChallenge::Http01 => Challenge::Http01,
                raw::AcmeChallenge::TlsAlpn01 => Challenge::TlsAlpn01,
            },
            storage: self.path(&raw.storage.clone().unwrap_or_else(|| STORAGE.into())),
            ca: self.cas(&raw.ca, at.key("ca")),
        };
        self.cost_nothing(before);
        (!refused && !nothing_left).then_some(acme)
    }

    fn acme_names(&mut self, raw: &[raw::HostPattern], at: At<'_>) -> Vec<String> {
        let mut names = Vec::with_capacity(raw.len());
        for (i, name) in raw.iter().enumerate() {
            let name = name.0.trim_end_matches('.').to_ascii_lowercase();
            let (message, help) = if name.contains('*') {
                let help =
                    "name the hosts one by one, or put a certificate with a wildcard into `certificates`";
                ("a wildcard needs the challenge dns-01, which is not supported", help)
            } else if name.parse::<IpAddr>().is_ok() {
                ("certificates for addresses are not supported", "write the host's name")
            } else {
                names.push(name);
                continue;
            };
            self.report(Diagnostic::error("bad-value", at.item(i).span(), message).help(help));
        }
        names.sort_unstable();
        names.dedup();
        if names.len() > Acme::NAMES {
            let message = format!("a listener gets certificates for {} names at most", Acme::NAMES);
            let diagnostic = Diagnostic::error("out-of-range", at.span(), message);
            self.report(diagnostic.help("spread them over listeners with a `storage` each"));
            names.truncate(Acme::NAMES);
        }
        names
    }

    fn contact(&mut self, raw: &[String], at: At<'_>) -> Vec<String> {
        let mut contact = Vec::with_capacity(raw.len());
        for (i, address) in raw.iter().enumerate() {
            let address = address.strip_prefix("mailto:").unwrap_or(address);
            let fits = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | '?' | '/');
            match address.split_once('@') {
                Some((who, host)) if !who.is_empty() && host.contains('.') && address.chars().all(fits) => {
                    contact.push(format!("mailto:{address}"));
                }
                _ => {
                    let message = format!("{address:?} is no mail address");
                    let diagnostic = Diagnostic::error("bad-value", at.item(i).span(), message);
                    self.report(diagnostic.help("write one, for example ops@shop.example"));
                }
            }
        }
        contact
    }

    /// What can be told only of all listeners and routes together.
    pub(super) fn acme_together(
        &mut self,
        raw: &[raw::Listener],
        config: &GatewayConfig,
        imports: bool,
        at: At<'_>,
    ) {
        let before = self.diagnostics.len();
        for (i, raw) in raw.iter().enumerate() {
            let listener = config.listeners.get(&raw.name.0);
            let Some(acme) = listener.and_then(|listener| listener.tls.as_ref()?.acme.as_ref()) else {
                continue;
            };
            let at = at.item(i).key("tls").key("acme");
            if acme.challenge == Challenge::Http01 && !speaks_plain_http(&config.listeners) {
                let message = "http-01 is answered over plain HTTP, and no listener speaks it";
                let diagnostic = Diagnostic::error("contradiction", at.key("challenge").span(), message);
                let help = "add a listener without `tls` that port 80 leads to, or take `tls-alpn-01`";
                self.report(diagnostic.help(help));
            }
        }
        // Routes that are imported may name hosts.
        if self.whole && !imports {
            for name in nameless(config) {
                let Some(i) = raw.iter().position(|raw| raw.name.0 == name) else { continue };
                let at = at.item(i).key("tls").key("acme");
                let message = "there is no name to get a certificate for: no route names a host";
                let diagnostic = Diagnostic::error("no-names", at.key_span(), message);
                self.report(diagnostic.help("write `names: [shop.example]`, or give routes a `match.host`"));
            }
        }
        self.cost_nothing(before);
    }
}

fn speaks_plain_http(listeners: &BTreeMap<String, Listener>) -> bool {
    listeners.values().any(|listener| listener.tls.is_none() && listener.protocol == ListenerProtocol::Http)
}

/// Listeners with `acme` that have no name to get a certificate for.
pub(crate) fn nameless(config: &GatewayConfig) -> Vec<&str> {
    let no_names = |listener: &Listener| {
        listener.tls.as_ref().and_then(|tls| tls.acme.as_ref()).is_some_and(|acme| acme.names.is_empty())
    };
    let listeners: Vec<&str> = config
        .listeners
        .iter()
        .filter(|(_, listener)| no_names(listener))
        .map(|(name, _)| name.as_str())
        .collect();
    let is_name =
        |host: &HostPattern| matches!(host, HostPattern::Exact(host) if host.parse::<IpAddr>().is_err());
    if listeners.is_empty()
        || config.routes.iter().any(|route| route.matches.host.as_ref().is_some_and(is_name))
    {
        return Vec::new();
    }
    listeners
}
