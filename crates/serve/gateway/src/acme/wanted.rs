//! Which certificates a configuration wants.

use std::collections::BTreeMap;
use std::path::PathBuf;

use haechi_acme::{Kind, Settings};
use haechi_route::GatewayConfig;
use haechi_route::config::{Acme, Challenge, HostPattern};

use super::Site;

/// Certificates, by where they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub sites: BTreeMap<Place, Site>,
}

/// A CA and where its certificates are kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub storage: PathBuf,
    pub directory: String,
}

impl Wanted {
    /// What the listeners of a configuration want. Where two want the same name of the same CA it is ordered once, as
    /// the first of them says.
    pub fn of(config: &GatewayConfig) -> Self {
        let mut wanted = Self::default();
        let acmes = config.listeners.values().filter_map(|listener| listener.tls.as_ref()?.acme.as_ref());
        for acme in acmes {
            let place = Place { storage: acme.storage.clone(), directory: acme.directory.clone() };
            let site = wanted.sites.entry(place).or_insert_with(|| Site {
                settings: Settings {
                    directory: acme.directory.clone(),
                    contact: acme.contact.clone(),
                    roots: acme.ca.clone(),
                },
                names: BTreeMap::new(),
            });
            let kind = match acme.challenge {
                Challenge::Http01 => Kind::Http01,
                Challenge::TlsAlpn01 => Kind::TlsAlpn01,
            };
            for name in names(acme, config) {
                site.names.entry(name).or_insert(kind);
            }
        }
        wanted
    }
}

/// The names that a listener gets certificates for: those given, else the hosts that routes name exactly.
pub(crate) fn names(acme: &Acme, config: &GatewayConfig) -> Vec<String> {
    if !acme.names.is_empty() {
        return acme.names.clone();
    }
    let hosts = config.routes.iter().filter_map(|route| match &route.matches.host {
        // CAs make certificates for names; few do for addresses.
        Some(HostPattern::Exact(host)) if host.parse::<std::net::IpAddr>().is_err() => Some(host.clone()),
        _ => None,
    });
    let mut names: Vec<String> = hosts.collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(Acme::NAMES);
    names
}
