//! The TLS of listeners and services: made when a configuration is applied, kept live by a thread that looks at
//! the files.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_acme::{Answers, certificate_file};
use haechi_core::ServiceName;
use haechi_route::GatewayConfig;
use haechi_route::config::{
    Certificate, ClientCertificates, HostPattern, Protocol, ServiceTls, Tls, TlsVersion, UnknownName,
};
use haechi_tls::{
    ClientAuth, ClientAuthFiles, ClientFiles, ClientTls, LoadError, Oldest, PairFiles, ServerFiles, ServerTls,
};

use crate::acme;
use crate::status::CertificateStatus;

/// How often files are looked at. Soon enough for people who wait for a new certificate; a look costs some
/// microseconds for each file.
const EVERY: Duration = Duration::from_secs(1);

/// The TLS of one configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    listeners: BTreeMap<String, Arc<ServerTls>>,
    services: BTreeMap<ServiceName, Arc<ClientTls>>,
    /// Answers to CAs, where certificates are ordered.
    answers: Option<Arc<Answers>>,
}

impl Live {
    /// Reads the files of a configuration. What did not change is taken over from `before`. Blocks for as long as
    /// the disk does.
    pub fn of(
        config: &GatewayConfig,
        before: &Self,
        answers: &Arc<Answers>,
    ) -> Result<Self, (String, LoadError)> {
        let orders = config.listeners.values().any(|l| l.tls.as_ref().is_some_and(|tls| tls.acme.is_some()));
        let mut live = Self { answers: orders.then(|| answers.clone()), ..Self::default() };
        for (name, listener) in &config.listeners {
            let Some(files) = listener.tls.as_ref().map(|tls| server_files(tls, listener.http2, config))
            else {
                continue;
            };
            // A listener that was renamed goes on with its tickets.
            let renamed = || {
                let gone = |known: &&String| !config.listeners.contains_key(*known);
                let same = before.listeners.iter().find(|(known, old)| gone(known) && *old.files() == files);
                same.map(|(_, old)| old)
            };
            let old = before.listeners.get(name).or_else(renamed);
            let tls = if let Some(same) = old.filter(|old| *old.files() == files) {
                same.clone()
            } else {
                let loaded = ServerTls::load(files, old.map(|old| &**old));
                Arc::new(loaded.map_err(|error| (name.clone(), error))?)
            };
            say("listener", name, &tls.problems());
            live.listeners.insert(name.clone(), tls);
        }
        for (name, service) in &config.services {
            let Some(files) = service.tls.as_ref().map(|tls| client_files(tls, service.protocol)) else {
                continue;
            };
            let old = before.services.get(name).filter(|old| *old.files() == files);
            let tls = old.cloned().unwrap_or_else(|| Arc::new(ClientTls::load(files)));
            say("service", name.as_str(), &tls.problems());
            live.services.insert(name.clone(), tls);
        }
        Ok(live)
    }

    /// Answers to a CA's challenges, where certificates are ordered.
    pub fn answers(&self) -> Option<&Arc<Answers>> {
        self.answers.as_ref()
    }

    /// The TLS of a listener, if it speaks TLS.
    pub fn listener(&self, name: &str) -> Option<&Arc<ServerTls>> {
        self.listeners.get(name)
    }

    /// The TLS to a service, if TLS is spoken to it.
    pub fn service(&self, name: &ServiceName) -> Option<&Arc<ClientTls>> {
        self.services.get(name)
    }

    /// Every certificate that is served, and what is wrong with the files.
    pub fn status(&self) -> (Vec<CertificateStatus>, Vec<String>) {
        let mut certificates = Vec::new();
        let mut problems = Vec::new();
        for (name, tls) in &self.listeners {
            certificates.extend(tls.certificates().into_iter().map(|facts| CertificateStatus {
                listener: name.clone(),
                file: facts.file.display().to_string(),
                names: facts.names.clone(),
                issuer: facts.issuer.clone(),
                serial: facts.serial.clone(),
                not_before: facts.not_before,
                not_after: facts.not_after,
            }));
            problems.extend(tls.problems().into_iter().map(|problem| format!("listener {name}: {problem}")));
        }
        for (name, tls) in &self.services {
            problems.extend(tls.problems().into_iter().map(|problem| format!("service {name}: {problem}")));
        }
        (certificates, problems)
    }

    /// Takes in what changed on disk.
    fn refresh(&self) {
        for (name, tls) in &self.listeners {
            if tls.refresh() {
                tracing::info!(listener = name, "certificate files changed; read again");
                say("listener", name, &tls.problems());
            }
        }
        for (name, tls) in &self.services {
            if tls.refresh() {
                tracing::info!(service = %name, "certificate files changed; read again");
                say("service", name.as_str(), &tls.problems());
            }
        }
    }
}

fn say(kind: &str, name: &str, problems: &[String]) {
    for problem in problems {
        tracing::error!("{kind} {name}: {problem}");
    }
}

/// Looks at the files of the configuration that runs, on a thread of its own: disks may be slow.
#[derive(Debug)]
pub(crate) struct Watch {
    live: mpsc::Sender<Live>,
    _thread: JoinHandle<()>,
}

impl Watch {
    pub fn start() -> io::Result<Self> {
        let (live, changes) = mpsc::channel::<Live>();
        let thread = std::thread::Builder::new().name("certificates".into()).spawn(move || {
            let mut live = Live::default();
            loop {
                match changes.recv_timeout(EVERY) {
                    Ok(new) => live = new,
                    Err(mpsc::RecvTimeoutError::Timeout) => live.refresh(),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Self { live, _thread: thread })
    }

    /// Looks at these from now on.
    pub fn follow(&self, live: Live) {
        if self.live.send(live).is_err() {
            tracing::error!("certificate files are not looked at any more");
        }
    }
}

fn server_files(tls: &Tls, http2: bool, config: &GatewayConfig) -> ServerFiles {
    let spoken: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    let awaited = tls.acme.iter().flat_map(|acme| {
        acme::names(acme, config).into_iter().map(|name| {
            let file = certificate_file(&acme.storage, &acme.directory, &name);
            PairFiles { chain: file.clone(), key: file, ocsp: None }
        })
    });
    ServerFiles {
        awaited: awaited.collect(),
        certificates: tls.certificates.iter().map(pair).collect(),
        refuse_unknown: tls.unknown_name == UnknownName::Refuse,
        client: tls.client.as_ref().map(client_auth),
        oldest: match tls.min_version {
            TlsVersion::Tls12 => Oldest::Tls12,
            TlsVersion::Tls13 => Oldest::Tls13,
        },
        alpn: spoken.iter().map(|protocol| protocol.to_vec()).collect(),
    }
}

fn client_auth(client: &ClientCertificates) -> ClientAuthFiles {
    ClientAuthFiles {
        mode: if client.required { ClientAuth::Required } else { ClientAuth::Optional },
        roots: client.ca.clone(),
        revocation_lists: client.crl.clone(),
        hosts: client
            .hosts
            .iter()
            .map(|host| match host {
                HostPattern::Exact(host) => host.clone(),
                HostPattern::Suffix(suffix) => format!("*{suffix}"),
            })
            .collect(),
    }
}

fn client_files(tls: &ServiceTls, protocol: Protocol) -> ClientFiles {
    let spoken: &[u8] = if protocol == Protocol::Http2 { b"h2" } else { b"http/1.1" };
    ClientFiles {
        roots: tls.ca.clone(),
        revocation_lists: tls.crl.clone(),
        certificate: tls.certificate.as_ref().map(pair),
        verify: tls.verify,
        alpn: vec![spoken.to_vec()],
    }
}

fn pair(certificate: &Certificate) -> PairFiles {
    let Certificate { chain, key, ocsp } = certificate;
    PairFiles { chain: chain.clone(), key: key.clone(), ocsp: ocsp.clone() }
}
