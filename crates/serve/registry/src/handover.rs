//! The registry's state on its way to the process that takes over: as JSON, because that process may be another
//! version of the program.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use haechi_core::{Generation, InstanceId, Instant, ServiceName, WallTime};
use haechi_eureka::{Encoding, Fragment, fragment, json};
use haechi_lease::{Action, Handover, Instance, KeptInstance, KeptLease, Key, Status};
use serde::{Deserialize, Serialize};

use crate::convert::{self, Fragments, Wire};
use crate::options::Options;
use crate::shared::State;

/// Changes whenever an older reader would misunderstand.
const VERSION: u32 = 1;

/// Why a state can't be taken over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// It can't be read.
    #[error("the registry's state can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It comes from a version that writes it otherwise.
    #[error("the registry's state has the form {0}, and this version reads form {VERSION}")]
    Version(u32),
    /// An instance in it is damaged.
    #[error("the registry's state holds an instance that can't be: {0}")]
    Instance(String),
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    /// Whether readers were answered already.
    ready: bool,
    generation: u64,
    leases: Vec<(InstanceDocument, LeaseDocument)>,
    gone: Vec<InstanceDocument>,
    evictions: Vec<Duration>,
    removed: Vec<(Duration, String, String, bool)>,
}

#[derive(Serialize, Deserialize)]
struct InstanceDocument {
    /// As Eureka writes it, with the dates that it has.
    eureka: String,
    /// What the client said, before overrides.
    sent: [String; 2],
    status: String,
    overridden: String,
    action: String,
    why: String,
    generation: u64,
    changed: Option<Duration>,
}

#[derive(Serialize, Deserialize)]
struct LeaseDocument {
    unheard: Duration,
    restored: bool,
    status_override: Option<String>,
    soft_evidence: u32,
    trusted: Duration,
}

/// The state as text.
pub(crate) fn write(state: &State, ready: bool, now: Instant) -> Result<Vec<u8>, HandoverError> {
    let handover = state.hand_over(now);
    let leases = handover.leases.iter().map(|(kept, lease)| {
        let lease = LeaseDocument {
            unheard: lease.unheard,
            restored: lease.restored,
            status_override: lease.status_override.map(|status| status.as_str().to_owned()),
            soft_evidence: lease.soft_evidence,
            trusted: lease.trusted,
        };
        (InstanceDocument::of(kept), lease)
    });
    let removed = handover.removed.iter();
    let document = Document {
        version: VERSION,
        ready,
        generation: handover.generation.0,
        leases: leases.collect(),
        gone: handover.gone.iter().map(InstanceDocument::of).collect(),
        evictions: handover.evictions,
        removed: removed
            .map(|(ago, key, wrong)| (*ago, key.app.to_string(), key.id.to_string(), *wrong))
            .collect(),
    };
    Ok(serde_json::to_vec(&document)?)
}

/// The state from text, and whether readers may be answered from it.
pub(crate) fn read(bytes: &[u8], options: &Options, now: Instant) -> Result<(State, bool), HandoverError> {
    #[derive(Deserialize)]
    struct Form {
        version: u32,
    }
    let form: Form = serde_json::from_slice(bytes)?;
    if form.version != VERSION {
        return Err(HandoverError::Version(form.version));
    }
    let document: Document = serde_json::from_slice(bytes)?;
    let mut handover = Handover {
        generation: Generation(document.generation),
        leases: Vec::with_capacity(document.leases.len()),
        gone: Vec::with_capacity(document.gone.len()),
        evictions: document.evictions,
        removed: Vec::with_capacity(document.removed.len()),
    };
    for (instance, lease) in document.leases {
        let lease = KeptLease {
            unheard: lease.unheard,
            restored: lease.restored,
            status_override: lease.status_override.as_deref().map(status),
            soft_evidence: lease.soft_evidence,
            trusted: lease.trusted,
        };
        handover.leases.push((instance.kept(options)?, lease));
    }
    for instance in document.gone {
        handover.gone.push(instance.kept(options)?);
    }
    for (ago, app, id, wrong) in document.removed {
        let named = |error: haechi_core::InvalidName| HandoverError::Instance(error.to_string());
        let key =
            Key { app: ServiceName::new(&app).map_err(named)?, id: InstanceId::new(&id).map_err(named)? };
        handover.removed.push((ago, key, wrong));
    }
    Ok((State::going_on(handover, options.limits.clone(), options.policy.clone(), now), document.ready))
}

fn status(word: &str) -> Status {
    Status::parse(word).unwrap_or(Status::Unknown)
}

impl InstanceDocument {
    fn of(kept: &KeptInstance<Wire>) -> Self {
        let instance = &kept.instance;
        let document = Fragment::new(&convert::info(instance), Encoding::Json);
        let eureka = fragment::instance(Encoding::Json, &document, instance.last_renewal().0);
        let registration = &instance.registration;
        Self {
            eureka: String::from_utf8_lossy(&eureka).into_owned(),
            sent: [registration.status, registration.overridden].map(|s| s.as_str().to_owned()),
            status: instance.status.as_str().to_owned(),
            overridden: instance.overridden.as_str().to_owned(),
            action: instance.action.as_str().to_owned(),
            why: instance.why.to_string(),
            generation: instance.generation.0,
            changed: kept.changed,
        }
    }

    fn kept(self, options: &Options) -> Result<KeptInstance<Wire>, HandoverError> {
        let wrong = |why: String| HandoverError::Instance(why);
        let info = json::read::instance(self.eureka.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let lease = info.lease_info.unwrap_or_default();
        let (last_dirty, last_updated) = (info.last_dirty, info.last_updated);
        let mut registration =
            convert::registration(info, None, options).map_err(|error| wrong(error.to_string()))?;
        let [sent, overridden] = self.sent.each_ref().map(|word| status(word));
        (registration.status, registration.overridden) = (sent, overridden);
        let date = |millis: Option<u64>| WallTime(millis.unwrap_or_default());
        let instance = Instance {
            status: status(&self.status),
            overridden: status(&self.overridden),
            last_dirty: date(last_dirty),
            last_updated: date(last_updated),
            registered: WallTime(lease.registered),
            service_up: WallTime(lease.service_up),
            evicted: WallTime(lease.evicted),
            action: action(&self.action),
            why: Arc::from(self.why),
            generation: Generation(self.generation),
            memo: Fragments::default(),
            renewed: AtomicU64::new(lease.last_renewal),
            registration,
        };
        Ok(KeptInstance { instance: Arc::new(instance), changed: self.changed })
    }
}

fn action(word: &str) -> Action {
    [Action::Modified, Action::Deleted].into_iter().find(|a| a.as_str() == word).unwrap_or(Action::Added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_lease::{Limits, Policy, Source};

    const INSTANCE: &str = r#"{"instance":{"instanceId":"one","hostName":"h","app":"APP","ipAddr":"127.0.0.1",
        "status":"UP","port":{"$":80,"@enabled":"true"},"metadata":{"a":"b"},"vipAddress":"app",
        "dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},
        "leaseInfo":{"renewalIntervalInSecs":7,"durationInSecs":21},"lastDirtyTimestamp":"5"}}"#;

    fn shown(state: &mut State, now: Instant) -> String {
        let snapshot = state.snapshot();
        let instances = snapshot.apps.values().flat_map(|app| &app.instances);
        let instances: Vec<_> =
            instances.map(|i: &Arc<Instance<Wire>>| format!("{:?} {:?}", convert::info(i), i.why)).collect();
        let left: Vec<_> = state.leases(now).map(|lease| lease.remaining).collect();
        let delta: Vec<_> = state.delta().apps.values().flatten().map(|i| convert::info(i)).collect();
        format!("{} {instances:?} {left:?} {delta:?}", snapshot.hash_code)
    }

    #[test]
    fn the_state_reads_back_as_it_was_and_another_form_is_refused() {
        let options = Options::default();
        let now = Instant::from_nanos(3_600_000_000_000);
        let mut state = State::new(Limits::default(), Policy::default());
        for (id, at) in [("one", now), ("two", now)] {
            let info = json::read::instance(INSTANCE.replace("one", id).as_bytes()).unwrap();
            let registration = convert::registration(info, None, &options).unwrap();
            state.register(registration, Source::Client, at, WallTime(9_000)).unwrap();
        }
        state.set_status(("APP", "one"), Status::OutOfService, None, now, WallTime(9_500));
        state.cancel("APP", "two", now, WallTime(9_600));
        let later = now + Duration::from_secs(5);
        let bytes = write(&state, true, later).unwrap();
        let (mut again, ready) = read(&bytes, &options, later).unwrap();
        assert!(ready);
        assert_eq!(shown(&mut again, later), shown(&mut state, later));
        let other = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":2");
        assert!(matches!(read(other.as_bytes(), &options, later), Err(HandoverError::Version(2))));
        assert!(read(b"{}", &options, later).is_err());
    }
}
