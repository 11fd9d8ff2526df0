//! The certificates of one CA in one storage: ordered one after the other, the one that is due first first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haechi_acme::{Answers, Attempts, Authority, Failure, Kind, Settings, Store};
use haechi_core::Clock;
use haechi_core::rng::Rng;
use haechi_renew::{Fault, Lifetime, Window, due, pause};
use tokio::sync::watch;

use super::wanted::Place;
use super::{Board, LOCKED};

/// For one order, its CA's answers included. What takes longer has failed.
const ORDER: Duration = Duration::from_secs(300);

/// How long is slept at most: the machine's date may be set, and its clock stands still while it is suspended.
const NAP: Duration = Duration::from_secs(600);

/// How often a CA is asked when it wants a certificate to be renewed, at least and at most, whatever it says itself.
const ASK: (u64, u64) = (3600, 86_400);

/// Certificates of one CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub settings: Settings,
    /// Names, and how it is shown that each is ours.
    pub names: BTreeMap<String, Kind>,
}

impl Site {
    /// What an attempt for a name is made with. Whoever changes any of it wants it tried again.
    fn with(&self, kind: Kind) -> String {
        format!("{} {:?}", kind.as_str(), self.settings.roots)
    }
}

/// What a site needs of the rest.
pub(super) struct Around {
    pub board: Arc<Board>,
    pub answers: Arc<Answers>,
    pub clock: Arc<dyn Clock>,
    pub rng: Rng,
}

/// What is known of a name.
struct Name {
    lifetime: Option<Lifetime>,
    /// When there is something to do.
    due: u64,
    attempts: Attempts,
    /// Orders that led to a certificate.
    issued: u32,
    /// When the CA is asked for its window again, and what it said.
    ask: u64,
    window: Option<Window>,
}

struct Keeping {
    place: Place,
    store: Store,
    authority: Option<Authority>,
    names: BTreeMap<String, Name>,
    around: Around,
}

/// Keeps a site's certificates until the task is aborted.
pub(super) async fn keep(place: Place, mut sites: watch::Receiver<Site>, around: Around) {
    let store = lock(&place, &sites, &around).await;
    let mut keeping = Keeping { place, store, authority: None, names: BTreeMap::new(), around };
    let mut settings = None;
    loop {
        let site = sites.borrow_and_update().clone();
        if settings.replace(site.settings.clone()).as_ref() != Some(&site.settings) {
            keeping.authority = None;
        }
        keeping.look(&site);
        let first = keeping.names.iter().min_by_key(|(_, name)| name.due.min(name.ask));
        let Some((name, at)) = first.map(|(name, known)| (name.clone(), known.due.min(known.ask))) else {
            if sites.changed().await.is_err() {
                return;
            }
            continue;
        };
        let now = keeping.now();
        if at > now {
            let nap = Duration::from_secs(at - now).min(NAP);
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                alive = sites.changed() => if alive.is_err() { return },
            }
            continue;
        }
        if let Some(kind) = site.names.get(&name) {
            keeping.act(&site, &name, *kind).await;
        }
    }
}

/// Waits until no other process has the storage.
async fn lock(place: &Place, sites: &watch::Receiver<Site>, around: &Around) -> Store {
    let mut said = String::new();
    // After an upgrade the process of before has it for a moment.
    let mut is_first = true;
    loop {
        let why = match Store::open(&place.storage, &place.directory) {
            Ok(Some(store)) => return store,
            Ok(None) => "another process has the storage".to_owned(),
            Err(error) => format!("the storage {} can't be used: {error}", place.storage.display()),
        };
        if is_first || said != why {
            for (name, kind) in &sites.borrow().names {
                around.board.say(place, name, |status| {
                    status.challenge = kind.as_str();
                    status.state = "waiting";
                    status.why.clone_from(&why);
                });
            }
        }
        if std::mem::take(&mut is_first) {
            tracing::info!(directory = place.directory, "no certificate is ordered here yet: {why}");
        } else if said != why {
            tracing::warn!(directory = place.directory, "no certificate is ordered here now: {why}");
            said = why;
        }
        tokio::time::sleep(LOCKED).await;
    }
}

impl Keeping {
    fn now(&self) -> u64 {
        self.around.clock.wall().0 / 1000
    }

    /// Learns of names that are new, and forgets those that are gone.
    fn look(&mut self, site: &Site) {
        self.names.retain(|name, _| site.names.contains_key(name));
        let now = self.now();
        for (name, kind) in &site.names {
            let with = site.with(*kind);
            let known = self.names.entry(name.clone()).or_insert_with(|| {
                let lifetime = lifetime(&self.store, name);
                let mut attempts = self.store.attempts(name);
                // The machine's date may have been wrong when it was written.
                attempts.next = attempts.next.min(now + MOST);
                let renew = lifetime.map_or(0, |lifetime| due(lifetime, None, &mut self.around.rng));
                let ask = if lifetime.is_some() { now } else { u64::MAX };
                Name { lifetime, due: renew.max(attempts.next), attempts, issued: 0, ask, window: None }
            });
            if known.attempts.failures > 0 && known.attempts.with != with {
                known.attempts = Attempts::default();
                known.due = known.lifetime.map_or(0, |lifetime| due(lifetime, None, &mut self.around.rng));
            }
            show(&self.around.board, &self.place, name, *kind, known);
        }
    }

    /// Does what is due for a name: asks when it is to be renewed, or orders.
    async fn act(&mut self, site: &Site, name: &str, kind: Kind) {
        let Some(known) = self.names.get(name) else { return };
        let now = self.now();
        if known.due > now {
            return self.ask(site, name).await;
        }
        self.around.board.say(&self.place, name, |status| status.state = "ordering");
        let ordered = tokio::time::timeout(ORDER, self.order(site, name, kind)).await;
        let ordered = ordered.unwrap_or_else(|_| {
            let why = format!("the order was not done within {} seconds", ORDER.as_secs());
            Err((Fault::Refused, None, why))
        });
        let now = self.now();
        self.around.board.count(ordered.is_ok());
        let Some(known) = self.names.get_mut(name) else { return };
        match ordered {
            Ok(()) => {
                known.lifetime = lifetime(&self.store, name);
                known.issued = known.issued.saturating_add(1);
                known.attempts = Attempts::default();
                known.window = None;
                known.ask = now;
                // What can't be read was not a certificate; to be ordered again, but not at once.
                let rng = &mut self.around.rng;
                known.due = known.lifetime.map_or(now + MOST, |lifetime| due(lifetime, None, rng));
                tracing::info!(
                    name,
                    until = known.lifetime.map(|l| l.not_after),
                    "there is a new certificate"
                );
            }
            Err((fault, asked, why)) => {
                let failures = known.attempts.failures.saturating_add(1);
                let pause = pause(fault, failures, asked, &mut self.around.rng);
                tracing::error!(name, failures, again_in_s = pause.as_secs(), "no certificate: {why}");
                let next = now + pause.as_secs().max(1);
                known.attempts = Attempts { failures, next, why, with: site.with(kind) };
                known.due = next;
            }
        }
        if let Err(error) = self.store.keep_attempts(name, &known.attempts) {
            tracing::warn!(name, %error, "attempts can't be kept; a restart forgets them");
        }
        show(&self.around.board, &self.place, name, kind, known);
    }

    async fn order(&mut self, site: &Site, name: &str, kind: Kind) -> Result<(), Failed> {
        let before = self.store.certificate(name);
        self.connect(site).await?;
        let Some(authority) = &self.authority else { return Ok(()) };
        let obtained =
            authority.obtain(name, kind, before.as_deref(), &self.around.answers, &self.store).await;
        obtained.map_err(|failure| {
            // What was wrong may have been the account; a new connection finds out.
            self.authority = None;
            of(failure)
        })
    }

    /// Asks the CA when it wants a certificate to be renewed: earlier, where it must be revoked.
    async fn ask(&mut self, site: &Site, name: &str) {
        let mut seen = None;
        if self.connect(site).await.is_ok()
            && let (Some(authority), Some(pem)) = (&self.authority, self.store.certificate(name))
        {
            seen = authority.window(&pem).await;
        }
        let now = self.now();
        let Some(known) = self.names.get_mut(name) else { return };
        let again = seen.map_or(ASK.1, |window| window.again.as_secs()).clamp(ASK.0, ASK.1);
        known.ask = now + again;
        let window = seen.map(|window| Window { start: window.start, end: window.end });
        // A date is drawn once for each window, else the earliest would win.
        if let (Some(window), Some(lifetime)) = (window, known.lifetime)
            && known.window != Some(window)
        {
            known.window = Some(window);
            known.due = due(lifetime, Some(window), &mut self.around.rng).max(known.attempts.next);
        }
    }

    async fn connect(&mut self, site: &Site) -> Result<(), Failed> {
        if self.authority.is_none() {
            self.authority = Some(Authority::connect(&site.settings, &self.store).await.map_err(of)?);
        }
        Ok(())
    }
}

/// A pause is never longer than this, even if the machine's date was wrong when it was kept.
const MOST: u64 = 9 * 86_400;

type Failed = (Fault, Option<Duration>, String);

fn of(failure: Failure) -> Failed {
    let fault = match failure.fault {
        haechi_acme::Fault::Unreachable => Fault::Unreachable,
        haechi_acme::Fault::Refused => Fault::Refused,
    };
    (fault, failure.retry_after, failure.why)
}

fn lifetime(store: &Store, name: &str) -> Option<Lifetime> {
    let facts = haechi_tls::facts_of(&store.certificate(name)?).ok()?;
    // A certificate for another name was put there by hand, or by a mistake.
    let covers = facts.names.iter().any(|covered| covered.eq_ignore_ascii_case(name));
    covers.then_some(Lifetime { not_before: facts.not_before, not_after: facts.not_after })
}

fn show(board: &Board, place: &Place, name: &str, kind: Kind, known: &Name) {
    board.say(place, name, |status| {
        status.challenge = kind.as_str();
        status.state = match (known.attempts.failures, known.lifetime) {
            (0, Some(_)) => "valid",
            (0, None) => "wanted",
            (_, _) => "failing",
        };
        status.not_after = known.lifetime.map(|lifetime| lifetime.not_after);
        status.next = known.due;
        status.issued = known.issued;
        status.failures = known.attempts.failures;
        status.why.clone_from(&known.attempts.why);
    });
}
