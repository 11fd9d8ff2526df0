//! A registry with a clock of its own.
#![allow(dead_code, missing_docs, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Evidence, InstanceId, Instant, ServiceName, WallTime, Witness};
use haechi_lease::{
    Endpoint, Heartbeat, Instance, Limits, Policy, Registration, Registry, Renewal, Source, Status, Tick,
    Verdict,
};

pub const EPOCH: u64 = 1_795_289_986_000;

pub struct World {
    pub registry: Registry<()>,
    pub now: Instant,
}

impl Default for World {
    fn default() -> Self {
        Self::with(Policy::default())
    }
}

impl World {
    pub fn with(policy: Policy) -> Self {
        let mut world = Self { registry: Registry::new(Limits::default(), policy), now: Instant::ZERO };
        world.tick();
        world
    }

    pub fn wall(&self) -> WallTime {
        WallTime(EPOCH + self.now.as_nanos() / 1_000_000)
    }

    pub fn tick(&mut self) -> Tick<()> {
        self.registry.tick(self.now, self.wall())
    }

    /// Moves time on second by second; answers who was evicted.
    pub fn pass(&mut self, secs: u64) -> Vec<String> {
        self.pass_with(secs, &[])
    }

    /// The same, while the given instances send heartbeats every 30 s.
    pub fn pass_with(&mut self, secs: u64, alive: &[&str]) -> Vec<String> {
        let mut evicted = Vec::new();
        for _ in 0..secs {
            self.now = self.now + Duration::from_secs(1);
            if (self.now.as_nanos() / 1_000_000_000).is_multiple_of(30) {
                for id in alive {
                    self.renew("A", id, None, Source::Client);
                }
            }
            evicted.extend(self.tick().evicted.into_iter().map(|e| e.instance.registration.id.to_string()));
        }
        evicted
    }

    pub fn register(&mut self, registration: Registration<()>, source: Source) -> Arc<Instance<()>> {
        self.registry.register(registration, source, self.now, self.wall()).unwrap()
    }

    pub fn register_all(&mut self, ids: &[&str]) {
        for id in ids {
            self.register(registration("A", id), Source::Client);
        }
    }

    pub fn renew(&mut self, app: &str, id: &str, dirty: Option<u64>, source: Source) -> Renewal<()> {
        let heartbeat = Heartbeat { last_dirty: dirty.map(WallTime), overridden: None };
        self.registry.renew((app, id), heartbeat, source, self.now, self.wall())
    }

    pub fn get(&self, id: &str) -> Option<Arc<Instance<()>>> {
        self.registry.get("A", id, self.now)
    }

    pub fn status(&self, id: &str) -> Option<Status> {
        self.get(id).map(|i| i.status)
    }

    pub fn refused(&mut self, id: &str, at: Instant) -> Verdict<()> {
        self.evidence(id, Witness::Refused, at)
    }

    pub fn evidence(&mut self, id: &str, witness: Witness, at: Instant) -> Verdict<()> {
        let seen = Evidence {
            service: ServiceName::new("A").unwrap(),
            address: registration("A", id).endpoint.unwrap().address,
            witness,
            at,
        };
        self.registry.evidence(&seen, self.now, self.wall())
    }
}

/// An instance that is up, with a port made of its id's bytes.
pub fn registration(app: &str, id: &str) -> Registration<()> {
    let port = id.bytes().fold(1_000u16, |sum, b| sum.wrapping_mul(7).wrapping_add(u16::from(b)));
    Registration {
        app: ServiceName::new(app).unwrap(),
        id: InstanceId::new(id).unwrap(),
        status: Status::Up,
        overridden: Status::Unknown,
        last_dirty: Some(WallTime(EPOCH)),
        renewal_interval: Duration::from_secs(30),
        duration: Duration::from_secs(90),
        endpoint: Some(Endpoint { address: ([127, 0, 0, 1], port).into(), secure: false }),
        vips: vec![],
        secure_vips: vec![],
        metadata: Arc::new(BTreeMap::new()),
        details: Arc::new(()),
    }
}
