//! The TLS of a listener: certificates by name, who must show one, and all of it anew when a file changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::server::{WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::sign::CertifiedKey;

use crate::certificate::{Certificate, CertificateFacts, LoadError, PairFiles};
use crate::files::Stamps;
use crate::names::NameIndex;
use crate::provider::provider;
use crate::trust;

/// What a listener's TLS is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// Certificates. The first one is for clients that name no host, or an unknown one.
    pub certificates: Vec<PairFiles>,
    /// Those that may not be there yet: they are ordered. They come after the others.
    pub awaited: Vec<PairFiles>,
    /// Whether clients that name no host, or one that no certificate covers, are refused.
    pub refuse_unknown: bool,
    /// Who must, or may, show a certificate of their own.
    pub client: Option<ClientAuthFiles>,
    /// The oldest version of the protocol.
    pub oldest: Oldest,
    /// Protocols above TLS, the preferred one first.
    pub alpn: Vec<Vec<u8>>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oldest {
    /// TLS 1.2, with forward secrecy and AEAD alone.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Whether a client without a certificate is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not.
    Required,
    /// It is; a certificate that is shown must be good all the same.
    Optional,
}

/// Client certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthFiles {
    /// Whether one must be shown.
    pub mode: ClientAuth,
    /// Files with the certificates of the CAs that issue them (PEM).
    pub roots: Vec<PathBuf>,
    /// Revocation lists (PEM or DER). With any, every CA in `roots` needs one.
    pub revocation_lists: Vec<PathBuf>,
    /// Hosts for which this holds, lower case; `*.x` is everything below `x`. Empty is all.
    pub hosts: Vec<String>,
}

impl ClientAuthFiles {
    /// Whether a certificate is asked for where the client names this host, or none.
    fn asks(&self, host: Option<&str>) -> bool {
        if self.hosts.is_empty() {
            return true;
        }
        let Some(host) = host else { return false };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => *pattern == host,
        })
    }
}

impl ServerFiles {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let client =
            self.client.iter().flat_map(|client| client.roots.iter().chain(&client.revocation_lists));
        self.certificates
            .iter()
            .chain(&self.awaited)
            .flat_map(PairFiles::paths)
            .chain(client.map(PathBuf::as_path))
    }
}

/// A listener's TLS, live: [`ServerTls::refresh`] takes in what changed on disk.
pub struct ServerTls {
    files: ServerFiles,
    state: ArcSwap<ServerState>,
    inner: Mutex<Inner>,
}

/// What is kept from one reading to the next.
#[derive(Clone, Default)]
struct Inner {
    stamps: Stamps,
    loaded: BTreeMap<PairFiles, Certificate>,
    verifier: Option<Verifier>,
    tickets: Option<Tickets>,
    problems: Vec<LoadError>,
}

/// A verifier, and the state of its files: sessions that were begun under another one are not resumed.
#[derive(Clone)]
struct Verifier {
    stamps: Stamps,
    verify: Arc<dyn ClientCertVerifier>,
}

/// Keys of session tickets. rustls draws new ones every six hours and takes those before for as long again.
#[derive(Clone)]
struct Tickets {
    open: Arc<dyn ProducesTickets>,
    /// For connections on which a client certificate was asked for. Apart, since a session carries on who the
    /// client is: one begun where nobody asked must never be resumed where somebody does.
    asking: Arc<dyn ProducesTickets>,
}

impl Tickets {
    fn new() -> Result<Self, LoadError> {
        Ok(Self { open: ticketer()?, asking: ticketer()? })
    }
}

fn ticketer() -> Result<Arc<dyn ProducesTickets>, LoadError> {
    Ticketer::new().map_err(|error| LoadError::Setup(error.to_string()))
}

/// What handshakes use at one moment. Connections keep the one they began with.
#[derive(Debug)]
pub struct ServerState {
    resolver: Arc<Resolver>,
    client: Option<ClientAuthFiles>,
    open: Arc<ServerConfig>,
    /// Where a client certificate is asked for. Nothing while its CAs can't be read: such handshakes fail.
    asking: Option<Arc<ServerConfig>>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the files. A certificate that can't be read is taken from `before`, the listener's TLS until now, or
    /// left out; [`Self::problems`] tells. Fails only if TLS can't be set up at all.
    pub fn load(files: ServerFiles, before: Option<&Self>) -> Result<Self, LoadError> {
        let mut inner = before.map(|before| before.lock().clone()).unwrap_or_default();
        if before.is_none_or(|before| before.files.client != files.client) {
            inner.verifier = None;
        }
        let state = inner.read(&files)?;
        Ok(Self { files, state: ArcSwap::from_pointee(state), inner: Mutex::new(inner) })
    }

    /// What it was made of.
    pub const fn files(&self) -> &ServerFiles {
        &self.files
    }

    /// What handshakes use now.
    pub fn state(&self) -> Arc<ServerState> {
        self.state.load_full()
    }

    /// Reads again what changed on disk; true if anything did. Blocks for as long as the disk does.
    pub fn refresh(&self) -> bool {
        let mut inner = self.lock();
        if !inner.stamps.changed() {
            return false;
        }
        match inner.read(&self.files) {
            Ok(state) => self.state.store(Arc::new(state)),
            Err(error) => inner.problems.push(error),
        }
        true
    }

    /// The certificates that are served.
    pub fn certificates(&self) -> Vec<Arc<CertificateFacts>> {
        self.state.load().resolver.certificates.iter().map(|known| known.facts.clone()).collect()
    }

    /// What can't be used as it is on disk now. Where there was a good one before, that is still served.
    pub fn problems(&self) -> Vec<String> {
        self.lock().problems.iter().map(ToString::to_string).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // What a panic left behind is read anew with the next change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn read(&mut self, files: &ServerFiles) -> Result<ServerState, LoadError> {
        self.stamps = Stamps::take(files.paths());
        self.problems.clear();
        let mut loaded = BTreeMap::new();
        let mut certificates = Vec::new();
        let before = std::mem::take(&mut self.loaded);
        let awaited = files.awaited.iter().filter(|pair| before.contains_key(*pair) || pair.chain.exists());
        for pair in files.certificates.iter().chain(awaited) {
            let certificate = match Certificate::load(pair) {
                Ok(certificate) => certificate,
                Err(problem) => {
                    self.problems.push(problem);
                    let Some(old) = before.get(pair) else { continue };
                    old.clone()
                }
            };
            loaded.insert(pair.clone(), certificate.clone());
            certificates.push(certificate);
        }
        self.loaded = loaded;
        let resolver = Arc::new(Resolver::new(certificates, files.refuse_unknown));
        let asks_anew = self.verifier(files.client.as_ref());
        let mut tickets = match self.tickets.take() {
            Some(tickets) => tickets,
            None => Tickets::new()?,
        };
        if asks_anew {
            tickets.asking = ticketer()?;
        }
        let open = config(files, &resolver, None, &tickets.open)?;
        let asking = self
            .verifier
            .as_ref()
            .map(|verifier| config(files, &resolver, Some(verifier.verify.clone()), &tickets.asking));
        self.tickets = Some(tickets);
        Ok(ServerState { resolver, client: files.client.clone(), open, asking: asking.transpose()? })
    }

    /// Reads who is trusted to issue client certificates. True if that changed.
    fn verifier(&mut self, files: Option<&ClientAuthFiles>) -> bool {
        let Some(files) = files else { return self.verifier.take().is_some() };
        let paths = files.roots.iter().chain(&files.revocation_lists).map(PathBuf::as_path);
        let stamps = Stamps::take(paths);
        if self.verifier.as_ref().is_some_and(|known| known.stamps == stamps) {
            return false;
        }
        match verifier(files) {
            Ok(verify) => {
                self.verifier = Some(Verifier { stamps, verify });
                true
            }
            Err(problem) => {
                self.problems.push(problem);
                false
            }
        }
    }
}

fn verifier(files: &ClientAuthFiles) -> Result<Arc<dyn ClientCertVerifier>, LoadError> {
    let roots = trust::roots(&files.roots)?;
    let lists = trust::revocation_lists(&files.revocation_lists)?;
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    if !lists.is_empty() {
        // CAs publish lists for what they issue to clients, seldom for themselves.
        builder = builder.with_crls(lists).only_check_end_entity_revocation();
    }
    if files.mode == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| LoadError::Setup(error.to_string()))
}

fn config(
    files: &ServerFiles,
    resolver: &Arc<Resolver>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, LoadError> {
    let versions: &[_] = match files.oldest {
        Oldest::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        Oldest::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| LoadError::Setup(error.to_string()))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver.clone());
    // Tickets need no memory here, and no lock that all workers share.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets.clone();
    config.alpn_protocols.clone_from(&files.alpn);
    Ok(Arc::new(config))
}

impl ServerState {
    /// The configuration for a client that names this host, and whether it asks for a certificate. Nothing while
    /// the CAs of client certificates can't be read.
    pub(crate) fn choose(&self, sni: Option<&str>) -> (Option<Arc<ServerConfig>>, bool) {
        if self.client.as_ref().is_some_and(|client| client.asks(sni)) {
            (self.asking.clone(), true)
        } else {
            (Some(self.open.clone()), false)
        }
    }

    /// The configuration for QUIC (RFC 9001) with this protocol above it, and whether it asks for a client certificate.
    /// Nothing while the CAs of client certificates can't be read.
    ///
    /// What a client names comes too late to choose by it. So where some hosts ask for a certificate and others don't,
    /// nobody is asked, and [`Session::may_serve`](crate::Session::may_serve) refuses those that do.
    pub fn quic(&self, protocol: &[u8]) -> Option<(Arc<ServerConfig>, bool)> {
        let asks = self.client.as_ref().is_some_and(|client| client.hosts.is_empty());
        let config = if asks { self.asking.as_ref()? } else { &self.open };
        Some((for_quic(config, protocol), asks))
    }

    /// Settings to open a QUIC socket with, before anybody connects. Who does gets those of [`Self::quic`].
    pub fn quic_to_open(&self, protocol: &[u8]) -> Arc<ServerConfig> {
        for_quic(&self.open, protocol)
    }

    /// Whether any certificate serves this name.
    pub(crate) fn covers(&self, sni: Option<&str>) -> bool {
        self.resolver.find(sni).is_some()
    }

    /// Whether a client certificate is asked for where this host is named.
    pub(crate) fn asks(&self, host: &str) -> bool {
        self.client.as_ref().is_some_and(|client| client.asks(Some(host)))
    }

    /// Whether both hosts are served with the same certificates.
    pub(crate) fn same_certificate(&self, one: &str, other: &str) -> bool {
        self.resolver.find(Some(one)) == self.resolver.find(Some(other))
    }
}

fn for_quic(config: &ServerConfig, protocol: &[u8]) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![protocol.to_vec()];
    // What comes with 0-RTT can be sent again by anybody who saw it.
    config.max_early_data_size = 0;
    Arc::new(config)
}

/// Certificates by name.
#[derive(Debug)]
struct Resolver {
    certificates: Vec<Certificate>,
    names: NameIndex,
    /// For clients that name no host, or an unknown one.
    default: Option<Vec<usize>>,
}

impl Resolver {
    fn new(certificates: Vec<Certificate>, refuse_unknown: bool) -> Self {
        let mut names = NameIndex::default();
        for (index, certificate) in certificates.iter().enumerate() {
            for name in &certificate.facts.names {
                names.add(name, index);
            }
        }
        let mut default = None;
        if let Some(first) = certificates.first().filter(|_| !refuse_unknown) {
            // With all that cover the same name: an RSA and an ECDSA certificate often come as a pair.
            let twins = first.facts.names.first().and_then(|name| names.find(name));
            default = Some(twins.map_or_else(|| vec![0], <[usize]>::to_vec));
        }
        Self { certificates, names, default }
    }

    fn find(&self, sni: Option<&str>) -> Option<&[usize]> {
        sni.and_then(|name| self.names.find(name)).or(self.default.as_deref())
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.find(hello.server_name())?;
        let keys = || candidates.iter().filter_map(|index| self.certificates.get(*index)).map(|c| &c.key);
        let usable = keys().find(|known| known.key.choose_scheme(hello.signature_schemes()).is_some());
        usable.or_else(|| keys().next()).cloned()
    }
}
