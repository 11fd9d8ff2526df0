//! Routes from the Zuul properties of an application: read from the config server in this process or from
//! another one, and lowered.

use std::time::Duration;

use anyhow::{Context as _, bail};
use haechi_config::ConfigServer;
use haechi_core::ServiceName;
use haechi_model::lowered::{ConfigOrigin, ZuulImport};
use haechi_props::IndexMap;
use haechi_stream::Events;
use haechi_web::client;
use serde_json::Value;

/// Warnings of one import that are told as events; all are in the overview.
const WARNINGS_SAID: usize = 20;

/// An application's merged properties, and what they were lowered to.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The application.
    pub application: String,
    /// Its properties, placeholders resolved.
    pub properties: IndexMap<String, String>,
    /// What they say of routing.
    pub import: haechi_zuul::Import,
}

impl Imported {
    /// Reads the properties and lowers them. `discovered` are the services that the registry knows.
    pub async fn read(
        zuul: &ZuulImport,
        config: Option<&ConfigServer>,
        discovered: &[ServiceName],
    ) -> anyhow::Result<Self> {
        let properties = match (&zuul.from, config) {
            (ConfigOrigin::InProcess, Some(config)) => in_process(zuul, config).await?,
            (ConfigOrigin::InProcess, None) => {
                bail!("gateway.import.zuul names no uri and no config server runs here")
            }
            (ConfigOrigin::Remote { .. }, _) => remote(zuul).await?,
        };
        Ok(Self::of(zuul.application.clone(), properties, discovered))
    }

    /// The same properties with other services in the registry.
    pub fn rediscovered(&self, discovered: &[ServiceName]) -> Self {
        Self::of(self.application.clone(), self.properties.clone(), discovered)
    }

    /// Lowers properties.
    pub fn of(application: String, properties: IndexMap<String, String>, discovered: &[ServiceName]) -> Self {
        let import = haechi_zuul::import(&application, &properties, discovered);
        Self { application, properties, import }
    }

    /// What of it can't be honoured as Zuul did.
    pub fn warnings(&self) -> Vec<String> {
        self.import.warnings.iter().map(|warning| format!("{}: {warning}", self.application)).collect()
    }

    /// Tells of the warnings that `old` did not have.
    pub fn say_warnings(&self, old: Option<&Self>, events: &Events) {
        let known = old.map(Self::warnings).unwrap_or_default();
        let new: Vec<String> =
            self.warnings().into_iter().filter(|warning| !known.contains(warning)).collect();
        for warning in new.iter().take(WARNINGS_SAID) {
            events.say("gateway", warning.clone());
        }
        if let Some(more @ 1..) = new.len().checked_sub(WARNINGS_SAID) {
            events.say("gateway", format!("{}: {more} more warnings; see `haechi status`", self.application));
        }
    }

    /// Keys whose values differ from `old`'s, sorted: what Spring's `/refresh` answers.
    pub fn changed_since(&self, old: &Self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .properties
            .iter()
            .filter(|(key, value)| old.properties.get(*key) != Some(value))
            .map(|(key, _)| key.clone())
            .chain(old.properties.keys().filter(|key| !self.properties.contains_key(*key)).cloned())
            .collect();
        keys.sort_unstable();
        keys
    }
}

async fn in_process(zuul: &ZuulImport, config: &ConfigServer) -> anyhow::Result<IndexMap<String, String>> {
    let flat = config
        .flat(&zuul.application, &zuul.profiles.join(","), zuul.label.as_deref())
        .await
        .with_context(|| format!("can't read the configuration of {}", zuul.application))?;
    Ok(flat.into_iter().map(|(key, value)| (key, value.to_string())).collect())
}

/// Asks another config server, as a Spring client does.
async fn remote(zuul: &ZuulImport) -> anyhow::Result<IndexMap<String, String>> {
    let ConfigOrigin::Remote { uri, auth } = &zuul.from else { bail!("no config server is named") };
    let label =
        zuul.label.as_ref().map(|label| format!("/{}", label.replace('/', "(_)"))).unwrap_or_default();
    let url = format!("{uri}/{}/{}{label}", zuul.application, zuul.profiles.join(","));
    let http = client::client(Duration::from_secs(2), Duration::from_secs(10))?;
    let mut request = http.get(&url).header("accept", "application/json");
    if let Some(auth) = auth {
        request = request.basic_auth(&auth.username, Some(auth.password.reveal()));
    }
    let response = request.send().await.with_context(|| format!("can't ask {url}"))?;
    if !response.status().is_success() {
        bail!("{url} answered {}", response.status());
    }
    let document: Value = serde_json::from_slice(&response.bytes().await?)
        .with_context(|| format!("{url} did not answer with JSON"))?;
    let mut flat = IndexMap::new();
    for source in document["propertySources"].as_array().into_iter().flatten().rev() {
        for (key, value) in source["source"].as_object().into_iter().flatten() {
            flat.insert(key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    Ok(flat)
}
