//! The state and the changes that clients and peers ask for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use haechi_core::{Directory, Generation, InstanceId, Instant, ServiceName, WallTime};

use crate::changes::Changes;
use crate::evidence::Tombstones;
use crate::lease::Lease;
use crate::rate::PerMinute;
use crate::status::Counts;
use crate::{Action, Details, Instance, Key, Limits, Policy, Registration, Snapshot, Standing, Status};

/// Who asks for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The instance itself, or a person.
    Client,
    /// Another registry passes it on.
    Peer,
    /// It is read back from the state file.
    StateFile,
}

/// Why a registration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is no room.
    #[error("the registry is full: it holds {0} instances; raise the limit `instances`")]
    Full(usize),
}

/// The registry's state. All changes go through its methods; each makes one generation.
#[derive(Debug)]
pub struct Registry<D: Details> {
    pub(crate) limits: Limits,
    pub(crate) policy: Policy,
    pub(crate) apps: BTreeMap<ServiceName, BTreeMap<InstanceId, Lease<D>>>,
    pub(crate) size: usize,
    /// Each lease once, at a time no later than the next change of its standing. Heartbeats leave it alone.
    pub(crate) timeline: BTreeSet<(Instant, Key)>,
    /// Leases that ran out and are held by self-preservation.
    pub(crate) expired: BTreeSet<Key>,
    /// Leases with [`Standing::Late`], restored ones left out.
    pub(crate) late: usize,
    /// Leases that were restored and not heard of since.
    pub(crate) restored: usize,
    /// When leases were evicted within the silence window.
    pub(crate) evictions: VecDeque<Instant>,
    pub(crate) holding: bool,
    pub(crate) last_tick: Option<Instant>,
    /// Time in which the process stood still. Subtracted from every `now`.
    pub(crate) deaf: Duration,
    pub(crate) renewals: PerMinute,
    /// Sum over all leases, so that a mean needs no walk.
    pub(crate) expected_per_hour: u64,
    pub(crate) generation: Generation,
    pub(crate) counts: Counts,
    pub(crate) changes: Changes<D>,
    pub(crate) tombstones: Tombstones,
    /// Services that changed since the snapshot was built.
    pub(crate) dirty: BTreeSet<ServiceName>,
    pub(crate) snapshot: Arc<Snapshot<D>>,
    pub(crate) directory: Arc<Directory>,
}

impl<D: Details> Registry<D> {
    /// An empty registry.
    pub fn new(limits: Limits, policy: Policy) -> Self {
        Self {
            limits,
            policy,
            apps: BTreeMap::new(),
            size: 0,
            timeline: BTreeSet::new(),
            expired: BTreeSet::new(),
            late: 0,
            restored: 0,
            evictions: VecDeque::new(),
            holding: false,
            last_tick: None,
            deaf: Duration::ZERO,
            renewals: PerMinute::default(),
            expected_per_hour: 0,
            generation: Generation(0),
            counts: Counts::default(),
            changes: Changes::default(),
            tombstones: Tombstones::default(),
            dirty: BTreeSet::new(),
            snapshot: Arc::new(Snapshot::default()),
            directory: Arc::default(),
        }
    }

    /// Replaces the rules' numbers. What is registered stays; leases beyond a smaller limit too.
    pub fn set_rules(&mut self, limits: Limits, policy: Policy) {
        if policy.tick != self.policy.tick {
            // The gap to the last tick is measured by the new length; it must not pass for a standstill.
            self.last_tick = None;
        }
        self.limits = limits;
        self.policy = policy;
    }

    /// The rules' numbers.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes a registration, new or again.
    ///
    /// An instance that is already here with a greater `last_dirty` stays as it is and only gets a new lease
    /// (`AbstractInstanceRegistry.register`).
    pub fn register(
        &mut self,
        incoming: Registration<D>,
        source: Source,
        now: Instant,
        wall: WallTime,
    ) -> Result<Arc<Instance<D>>, RegisterError> {
        let now = self.heard_time(now);
        let key = Key { app: incoming.app.clone(), id: incoming.id.clone() };
        let old = self.unlink(&key);
        if old.is_none() && self.size >= self.limits.instances {
            return Err(RegisterError::Full(self.limits.instances));
        }
        let trusted_until = match &old {
            Some(old) => old.trusted_until,
            None => self.tombstones.trust_after(&key, now, self.policy.trust),
        };
        let instance = self.admit(incoming, old.as_ref(), source, wall);
        let status_override = Some(instance.overridden)
            .filter(|o| *o != Status::Unknown)
            .or(old.and_then(|l| l.status_override));
        let lease = Lease {
            instance: Arc::new(instance),
            renewed: now,
            standing: Standing::OnTime,
            due: now,
            restored: source == Source::StateFile,
            status_override,
            soft_evidence: 0,
            trusted_until,
        };
        Ok(self.link(key, lease, now))
    }

    /// The instance that a registration makes, given the lease it replaces.
    fn admit(
        &self,
        incoming: Registration<D>,
        old: Option<&Lease<D>>,
        source: Source,
        wall: WallTime,
    ) -> Instance<D> {
        let known = old.map(|l| &l.instance);
        let incoming_dirty = incoming.last_dirty.unwrap_or(wall);
        let newer = known.filter(|k| k.last_dirty > incoming_dirty);
        let (sent_status, sent_override, last_dirty) = match newer {
            Some(kept) => (kept.status, kept.overridden, kept.last_dirty),
            None => (incoming.status, incoming.overridden, incoming_dirty),
        };
        let registration = match newer {
            // The lease is the new one's all the same.
            Some(kept) => Registration { duration: incoming.duration, ..kept.registration.clone() },
            None => incoming,
        };
        let status_override =
            old.and_then(|l| l.status_override).or(Some(sent_override).filter(|s| *s != Status::Unknown));
        let status = effective(sent_status, status_override, known.map(|k| k.status), source);
        let service_up = known.map(|k| k.service_up).filter(|at| *at != WallTime::default());
        Instance {
            status,
            overridden: status_override.unwrap_or(Status::Unknown),
            last_dirty,
            last_updated: wall,
            registered: wall,
            service_up: service_up.unwrap_or(if status == Status::Up { wall } else { WallTime::default() }),
            evicted: WallTime::default(),
            action: Action::Added,
            why: match source {
                Source::Client => "registered".into(),
                Source::Peer => "registered with a peer".into(),
                Source::StateFile => "restored from the state file; must renew within its lease".into(),
            },
            generation: self.generation.next(),
            memo: D::Memo::default(),
            renewed: AtomicU64::new(wall.0),
            registration,
        }
    }

    /// Drops an instance that says goodbye. Nothing if it isn't here.
    pub fn cancel(&mut self, app: &str, id: &str, now: Instant, wall: WallTime) -> Option<Arc<Instance<D>>> {
        let now = self.heard_time(now);
        let key = self.key_of(app, id)?;
        self.remove(&key, "said goodbye", now, wall)
    }

    /// Sets a status from outside, and counts as a heartbeat. False if the instance isn't here.
    pub fn set_status(
        &mut self,
        (app, id): (&str, &str),
        status: Status,
        dirty: Option<WallTime>,
        now: Instant,
        wall: WallTime,
    ) -> bool {
        let now = self.heard_time(now);
        let Some(key) = self.key_of(app, id) else { return false };
        self.note_life(&key, now, wall);
        let Some(lease) = self.lease_mut(&key) else { return false };
        if lease.instance.status == status {
            return true;
        }
        lease.status_override = Some(status);
        let mut next = lease.instance.successor();
        next.overridden = status;
        next.why = format!("status set to {}", status.as_str()).into();
        self.modify(&key, next, status, dirty, now, wall);
        true
    }

    /// Removes an override and sets the status to `status` (`UNKNOWN` when none is given, so that the next
    /// heartbeat makes the client register again). False if the instance isn't here.
    pub fn delete_status(
        &mut self,
        (app, id): (&str, &str),
        status: Option<Status>,
        dirty: Option<WallTime>,
        now: Instant,
        wall: WallTime,
    ) -> bool {
        let now = self.heard_time(now);
        let Some(key) = self.key_of(app, id) else { return false };
        self.note_life(&key, now, wall);
        let Some(lease) = self.lease_mut(&key) else { return false };
        if lease.status_override.take().is_none() {
            return true;
        }
        let mut next = lease.instance.successor();
        next.overridden = Status::Unknown;
        next.why = "override removed".into();
        self.modify(&key, next, status.unwrap_or(Status::Unknown), dirty, now, wall);
        true
    }

    /// Replaces an instance's metadata and registers it anew, as Eureka does. Nothing if it isn't here.
    pub fn set_metadata(
        &mut self,
        (app, id): (&str, &str),
        metadata: Arc<BTreeMap<String, String>>,
        now: Instant,
        wall: WallTime,
    ) -> Option<Arc<Instance<D>>> {
        let key = self.key_of(app, id)?;
        let known = &self.lease_mut(&key)?.instance;
        let again = Registration {
            metadata,
            status: known.status,
            overridden: known.overridden,
            last_dirty: Some(known.last_dirty),
            ..known.registration.clone()
        };
        self.register(again, Source::Client, now, wall).ok()
    }

    pub(crate) fn modify(
        &mut self,
        key: &Key,
        mut next: Instance<D>,
        status: Status,
        dirty: Option<WallTime>,
        now: Instant,
        wall: WallTime,
    ) {
        next.status = status;
        if status == Status::Up && next.service_up == WallTime::default() {
            next.service_up = wall;
        }
        next.last_dirty = dirty.map_or(next.last_dirty, |d| d.max(next.last_dirty));
        next.last_updated = wall;
        next.action = Action::Modified;
        self.replace(key, next, now);
    }

    /// Eureka's clients find their instance by application and id in any case of the former.
    pub(crate) fn key_of(&self, app: &str, id: &str) -> Option<Key> {
        let upper;
        let app = if app.chars().any(char::is_lowercase) {
            upper = app.to_uppercase();
            &upper
        } else {
            app
        };
        let (app, instances) = self.apps.get_key_value(app)?;
        let (id, _) = instances.get_key_value(id)?;
        Some(Key { app: app.clone(), id: id.clone() })
    }

    pub(crate) fn lease_mut(&mut self, key: &Key) -> Option<&mut Lease<D>> {
        self.apps.get_mut(&key.app)?.get_mut(&key.id)
    }

    pub(crate) fn lease(&self, key: &Key) -> Option<&Lease<D>> {
        self.apps.get(&key.app)?.get(&key.id)
    }

    /// `now` without the time in which the process stood still.
    pub(crate) fn heard_time(&self, now: Instant) -> Instant {
        now - self.deaf
    }
}

/// The status that counts: the first rule of `registry/rule/*` that matches.
pub(crate) fn effective(
    sent: Status,
    status_override: Option<Status>,
    known: Option<Status>,
    source: Source,
) -> Status {
    if !sent.obeys_overrides() {
        return sent;
    }
    if let Some(status) = status_override {
        return status;
    }
    match known {
        Some(known) if source == Source::Client && known.obeys_overrides() => known,
        _ => sent,
    }
}
