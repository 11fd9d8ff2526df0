//! A registry's facts as somebody keeps them who hears of them from afar: over lost connections, and over a
//! registry that begins anew.
//!
//! A registry that was just restarted knows nobody, and everybody registers again only with the next heartbeat.
//! So what it doesn't list is *carried over* for as long as a heartbeat may take, unless somebody saw it dead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    Directory, Evidence, Generation, InstanceFact, InstanceId, Instant, ServiceName, ServiceSnapshot,
};

/// Services with their instances, and those that no registry lists at the moment.
#[derive(Debug, Default)]
pub struct Followed {
    generation: Generation,
    heard: BTreeMap<ServiceName, Arc<ServiceSnapshot>>,
    carried: BTreeMap<ServiceName, BTreeMap<InstanceId, Carried>>,
    /// Services that look otherwise than in the last directory.
    dirty: BTreeSet<ServiceName>,
    directory: Arc<Directory>,
}

#[derive(Debug)]
struct Carried {
    fact: InstanceFact,
    until: Instant,
}

impl Followed {
    /// Takes everything that a registry knows. What is missing in it is carried over for `settles`; zero
    /// believes that it is gone.
    pub fn whole(&mut self, services: Vec<Arc<ServiceSnapshot>>, settles: Duration, now: Instant) {
        let services: BTreeMap<_, _> =
            services.into_iter().map(|s| (s.service.clone(), ordered(s))).collect();
        let missing: Vec<InstanceFact> = self
            .heard
            .values()
            .flat_map(|snapshot| &snapshot.instances)
            .filter(|fact| !lists(services.get(&fact.service), &fact.instance))
            .cloned()
            .collect();
        self.dirty.extend(self.heard.keys().chain(services.keys()).cloned());
        self.heard = services;
        if settles.is_zero() {
            self.dirty.extend(std::mem::take(&mut self.carried).into_keys());
            return;
        }
        for fact in missing {
            let of_service = self.carried.entry(fact.service.clone()).or_default();
            of_service.entry(fact.instance.clone()).or_insert(Carried { fact, until: now + settles });
        }
        let heard = std::mem::take(&mut self.heard);
        self.retain(|service, instance, _| !lists(heard.get(service), instance));
        self.heard = heard;
    }

    /// Takes what changed since. Who is missing in a service that is listed is gone: the registry knew it.
    pub fn part(&mut self, services: Vec<Arc<ServiceSnapshot>>, removed: &[ServiceName]) {
        for name in removed {
            if self.heard.remove(name).is_some() {
                self.dirty.insert(name.clone());
            }
        }
        for snapshot in services {
            if let Some(carried) = self.carried.get_mut(&snapshot.service) {
                for fact in &snapshot.instances {
                    carried.remove(&fact.instance);
                }
            }
            self.dirty.insert(snapshot.service.clone());
            self.heard.insert(snapshot.service.clone(), ordered(snapshot));
        }
    }

    /// Keeps those who are carried over for whom `stays` says so.
    fn retain(&mut self, mut stays: impl FnMut(&ServiceName, &InstanceId, &Carried) -> bool) {
        let dirty = &mut self.dirty;
        self.carried.retain(|service, instances| {
            let before = instances.len();
            instances.retain(|instance, carried| stays(service, instance, carried));
            if instances.len() != before {
                dirty.insert(service.clone());
            }
            !instances.is_empty()
        });
    }

    /// Somebody saw a failure. One who is carried over has no registry to weigh it: proof of death is enough.
    pub fn evidence(&mut self, seen: &Evidence) {
        if !seen.witness.is_hard() {
            return;
        }
        self.retain(|service, _, carried| *service != seen.service || carried.fact.address != seen.address);
    }

    /// Lets go of those who had their time to register again. Answers how many.
    pub fn expire(&mut self, now: Instant) -> usize {
        let before = self.carried();
        self.retain(|_, _, carried| now < carried.until);
        before - self.carried()
    }

    /// When [`Followed::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.carried.values().flat_map(BTreeMap::values).map(|carried| carried.until).min()
    }

    /// Those whom no registry lists at the moment.
    pub fn carried(&self) -> usize {
        self.carried.values().map(BTreeMap::len).sum()
    }

    /// Everybody, as consumers see them. The same `Arc` while nothing changes; a service that did not change is
    /// the same `Arc` in the next.
    pub fn directory(&mut self) -> Arc<Directory> {
        let mut services = self.directory.services.clone();
        let mut changed = false;
        for name in std::mem::take(&mut self.dirty) {
            let new = self.merged(&name);
            if services.get(&name).map(|old| &old.instances) == new.as_ref().map(|new| &new.instances) {
                continue;
            }
            changed = true;
            match new {
                Some(new) => drop(services.insert(name, new)),
                None => drop(services.remove(&name)),
            }
        }
        if changed {
            self.generation = self.generation.next();
            self.directory = Arc::new(Directory { generation: self.generation, services });
        }
        Arc::clone(&self.directory)
    }

    fn merged(&self, name: &ServiceName) -> Option<Arc<ServiceSnapshot>> {
        let heard = self.heard.get(name);
        let Some(carried) = self.carried.get(name).filter(|carried| !carried.is_empty()) else {
            return heard.filter(|snapshot| !snapshot.instances.is_empty()).cloned();
        };
        let mut instances: Vec<InstanceFact> =
            heard.into_iter().flat_map(|snapshot| snapshot.instances.iter().cloned()).collect();
        instances.extend(carried.values().map(|carried| InstanceFact {
            why: "carried over: the registry began anew and has not heard of it yet".into(),
            ..carried.fact.clone()
        }));
        instances.sort_by(|a, b| a.instance.cmp(&b.instance));
        let generation = heard.map_or(self.generation, |snapshot| snapshot.generation);
        Some(Arc::new(ServiceSnapshot { service: name.clone(), generation, instances }))
    }
}

fn lists(service: Option<&Arc<ServiceSnapshot>>, instance: &InstanceId) -> bool {
    let find = |snapshot: &Arc<ServiceSnapshot>| {
        snapshot.instances.binary_search_by(|fact| fact.instance.cmp(instance)).is_ok()
    };
    service.is_some_and(find)
}

/// With its instances in order, as a registry's are anyway.
fn ordered(mut snapshot: Arc<ServiceSnapshot>) -> Arc<ServiceSnapshot> {
    if !snapshot.instances.is_sorted_by(|a, b| a.instance <= b.instance) {
        Arc::make_mut(&mut snapshot).instances.sort_by(|a, b| a.instance.cmp(&b.instance));
    }
    snapshot
}
