//! Following a registry that speaks Eureka alone: all applications once, then the changes, checked by the hash
//! code that Eureka sends along (`DiscoveryClient.fetchRegistry`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Generation, InstanceFact, ServiceName, ServiceSnapshot};
use haechi_eureka::{InstanceInfo, json};
use haechi_web::client::{Client, StatusCode, Url};

use super::listen::{What, bounded, in_words};
use crate::convert;
use crate::options::Options;

/// Who is missing in a full listing may register again for so long: Eureka doesn't tell a restart, after which it
/// knows nobody, from anything else. Three times the usual heartbeat.
const SETTLES: Duration = Duration::from_secs(90);

/// An Eureka server as it was last heard.
pub(super) struct Eureka {
    base: Option<Url>,
    client: Client,
    /// By application and id, as the hash code counts them.
    known: BTreeMap<(String, String), InstanceInfo>,
    /// False until everything was fetched, and when the changes don't lead to what the server has.
    whole: bool,
}

impl Eureka {
    pub fn new(url: &Url, client: Client) -> Self {
        Self { base: base(url), client, known: BTreeMap::new(), whole: false }
    }

    /// Asks once.
    pub async fn ask(&mut self) -> Result<What, String> {
        if self.whole
            && let Some(what) = self.changes().await?
        {
            return Ok(what);
        }
        let body = self.get("apps/").await?.ok_or("404 for apps; is this the address of a registry?")?;
        let listed = json::read::applications(&body).map_err(|error| error.to_string())?;
        self.known = listed.into_iter().filter_map(|info| Some((key(&info)?, info))).collect();
        self.whole = true;
        Ok(What::Whole { services: snapshots(self.known.values()), settles: SETTLES })
    }

    /// The changes. Nothing if they don't lead to what the server has: then everything must be fetched.
    async fn changes(&mut self) -> Result<Option<What>, String> {
        let Some(body) = self.get("apps/delta").await? else {
            // Deltas are switched off.
            return Ok(None);
        };
        let changes = json::read::applications(&body).map_err(|error| error.to_string())?;
        let mut touched = BTreeSet::new();
        for info in changes {
            let Some(key) = key(&info) else { continue };
            let gone = info.action_type.as_deref() == Some("DELETED");
            let changed = if gone {
                self.known.remove(&key).is_some()
            } else {
                let old = self.known.insert(key.clone(), info);
                old.as_ref() != self.known.get(&key)
            };
            if changed {
                touched.insert(key.0);
            }
        }
        if json::read::hash_code(&body).is_some_and(|theirs| theirs != self.hash_code()) {
            self.whole = false;
            return Ok(None);
        }
        if touched.is_empty() {
            return Ok(Some(What::Nothing));
        }
        let of_touched =
            self.known.iter().filter(|((app, _), _)| touched.contains(app)).map(|(_, info)| info);
        let services = snapshots(of_touched);
        let removed = touched
            .iter()
            .filter(|app| !services.iter().any(|service| service.service.as_str() == *app))
            .filter_map(|app| ServiceName::new(app).ok())
            .collect();
        Ok(Some(What::Part { services, removed }))
    }

    /// `Applications.getReconcileHashCode`: statuses with their counts, sorted.
    fn hash_code(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for info in self.known.values() {
            *counts.entry(&info.status).or_default() += 1;
        }
        counts.iter().fold(String::new(), |mut code, (status, count)| {
            // Writing to a String can't fail.
            let _ = write!(code, "{status}_{count}_");
            code
        })
    }

    /// Nothing if the server answers 404.
    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let url = self.base.as_ref().and_then(|base| base.join(path).ok());
        let url = url.ok_or("the address can't be extended by a path")?;
        let answer =
            self.client.get(url).header("accept", "application/json").send().await.map_err(in_words)?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => bounded(answer).await.map(Some),
            status => Err(status.to_string()),
        }
    }
}

/// Where Eureka's paths begin: below the path that is given, or below `/eureka`.
fn base(url: &Url) -> Option<Url> {
    let path = url.path().trim_end_matches('/');
    url.join(&format!("{}/", if path.is_empty() { "/eureka" } else { path })).ok()
}

fn key(info: &InstanceInfo) -> Option<(String, String)> {
    Some((info.app.as_deref()?.to_uppercase(), info.id()?.to_owned()))
}

fn snapshots<'i>(instances: impl Iterator<Item = &'i InstanceInfo>) -> Vec<Arc<ServiceSnapshot>> {
    let mut services: BTreeMap<ServiceName, Vec<InstanceFact>> = BTreeMap::new();
    let (options, why) = (Options::default(), Arc::from("registered with Eureka"));
    for info in instances {
        // One that can't be understood is left out alone.
        let Ok(registration) = convert::registration(info.clone(), None, &options) else { continue };
        if let Some(fact) = registration.fact(registration.status, &why, Generation(0)) {
            services.entry(fact.service.clone()).or_default().push(fact);
        }
    }
    let snapshot =
        |(service, instances)| Arc::new(ServiceSnapshot { service, generation: Generation(0), instances });
    services.into_iter().map(snapshot).collect()
}
