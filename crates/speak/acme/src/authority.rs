//! A CA, and our account there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haechi_web::client;
use instant_acme::{Account, AccountCredentials, CertificateIdentifier, NewAccount};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::answers::Answers;
use crate::failure::{Failure, Fault};
use crate::http::Http;
use crate::order::{self, Kind};
use crate::store::Store;

/// For a connection to the CA.
const CONNECT: Duration = Duration::from_secs(10);

/// For one of its answers.
const ANSWER: Duration = Duration::from_secs(30);

/// A CA, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The URL of its directory.
    pub directory: String,
    /// How it may reach us: `mailto:` URLs.
    pub contact: Vec<String>,
    /// Files with the roots that its own certificate comes from (PEM). Empty: those of this machine.
    pub roots: Vec<PathBuf>,
}

/// When the CA wants a certificate to be renewed, in seconds since 1970 (RFC 9773).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// How soon it is worth asking again.
    pub again: Duration,
}

/// What is kept of an account.
#[derive(Serialize, Deserialize)]
struct Kept {
    contact: Vec<String>,
    credentials: AccountCredentials,
}

/// A CA, with our account there.
pub struct Authority {
    account: Account,
    http: Http,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("account", &self.account.id()).finish_non_exhaustive()
    }
}

impl Authority {
    /// Finds the CA and our account there. Whoever has none yet agrees to the CA's terms by making one.
    pub async fn connect(settings: &Settings, store: &Store) -> Result<Self, Failure> {
        let mut roots = Vec::with_capacity(settings.roots.len());
        for file in &settings.roots {
            let read = std::fs::read(file);
            roots.push(read.map_err(|error| Failure::here(&file.display().to_string(), &error))?);
        }
        let client = client::trusting(CONNECT, ANSWER, &roots)
            .map_err(|error| Failure::here("the roots in `ca` can't be used", &error))?;
        let http = Http::new(client);
        let account = Self::account(settings, store, &http).await;
        let account = account.map_err(|failure| with_asked(failure, &http))?;
        Ok(Self { account, http })
    }

    async fn account(settings: &Settings, store: &Store, http: &Http) -> Result<Account, Failure> {
        let of = |error: instant_acme::Error| Failure::of(&error);
        let builder = || Account::builder_with_http(Box::new(http.clone()));
        let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
        let kept = store.account().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        if let Some(kept) = kept {
            let account = builder().from_credentials(kept.credentials).await.map_err(of)?;
            if kept.contact == settings.contact {
                return Ok(account);
            }
            match account.update_contacts(&contact).await.map_err(of) {
                Ok(()) => {
                    // Credentials can't be cloned, so that no key is left about.
                    let text = store.account().unwrap_or_default();
                    if let Ok(mut kept) = serde_json::from_slice::<Kept>(&text) {
                        kept.contact.clone_from(&settings.contact);
                        keep(store, &kept)?;
                    }
                    return Ok(account);
                }
                Err(failure) if failure.no_account => {}
                Err(failure) => return Err(failure),
            }
        }
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) =
            builder().create(&new, settings.directory.clone(), None).await.map_err(of)?;
        keep(store, &Kept { contact: settings.contact.clone(), credentials })?;
        Ok(account)
    }

    /// Gets a certificate for a name and keeps it in the store. `before` is the one that it replaces (PEM).
    pub async fn obtain(
        &self,
        name: &str,
        kind: Kind,
        before: Option<&[u8]>,
        answers: &Arc<Answers>,
        store: &Store,
    ) -> Result<(), Failure> {
        let replaces = before.and_then(identifier);
        let issued = order::obtain(&self.account, name, kind, replaces, answers).await;
        let issued = issued.map_err(|failure| {
            if failure.no_account {
                // The next attempt makes a new one.
                store.forget_account();
            }
            with_asked(failure, &self.http)
        })?;
        let pem = format!("{}\n{}", issued.chain.trim_end(), issued.key);
        store.keep_certificate(name, pem.as_bytes()).map_err(|error| Failure::here("can't keep it", &error))
    }

    /// When the CA wants this certificate (PEM) to be renewed. Nothing if it doesn't say.
    pub async fn window(&self, certificate: &[u8]) -> Option<Window> {
        let (info, again) = self.account.renewal_info(&identifier(certificate)?).await.ok()?;
        let seconds = |time: i64| u64::try_from(time).ok();
        let window = info.suggested_window;
        Some(Window {
            start: seconds(window.start.unix_timestamp())?,
            end: seconds(window.end.unix_timestamp())?,
            again,
        })
    }
}

fn keep(store: &Store, kept: &Kept) -> Result<(), Failure> {
    let text = serde_json::to_vec(kept).map_err(|error| Failure::here("can't keep the account", &error))?;
    store.keep_account(&text).map_err(|error| Failure::here("can't keep the account", &error))
}

fn with_asked(mut failure: Failure, http: &Http) -> Failure {
    failure.retry_after = http.take_asked();
    if failure.retry_after.is_some() {
        failure.fault = Fault::Refused;
    }
    failure
}

/// What a CA calls the first certificate of a PEM file.
fn identifier(pem: &[u8]) -> Option<CertificateIdentifier<'static>> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    CertificateIdentifier::try_from(&der).ok().map(CertificateIdentifier::into_owned)
}
