//! The whole registry at one generation, immutable. Only services that changed are built anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use haechi_core::{Directory, Generation, ServiceName, ServiceSnapshot};

use crate::{Delta, Details, Instance, Registry};

/// The instances of one application.
#[derive(Debug)]
pub struct AppSnapshot<D: Details> {
    /// The application.
    pub app: ServiceName,
    /// Its instances, by id.
    pub instances: Vec<Arc<Instance<D>>>,
}

/// Every application at one generation.
#[derive(Debug)]
pub struct Snapshot<D: Details> {
    /// The generation.
    pub generation: Generation,
    /// The reconcile hash code.
    pub hash_code: String,
    /// The applications by name; none is empty. An unchanged one is the same `Arc` as before.
    pub apps: BTreeMap<ServiceName, Arc<AppSnapshot<D>>>,
}

impl<D: Details> Default for Snapshot<D> {
    fn default() -> Self {
        Self { generation: Generation(0), hash_code: String::new(), apps: BTreeMap::new() }
    }
}

impl<D: Details> Registry<D> {
    /// The registry now. Costs something only after a change, and then only for the services that changed
    /// and one pointer for each other.
    pub fn snapshot(&mut self) -> Arc<Snapshot<D>> {
        self.refresh();
        Arc::clone(&self.snapshot)
    }

    /// The same as facts for consumers. Instances without an address to send requests to are left out.
    pub fn directory(&mut self) -> Arc<Directory> {
        self.refresh();
        Arc::clone(&self.directory)
    }

    /// The recent changes.
    pub fn delta(&self) -> Delta<D> {
        self.changes.delta(self.generation, self.counts.hash_code())
    }

    /// Tells whether a delta taken earlier is still the newest.
    pub fn delta_revision(&self) -> u64 {
        self.changes.revision()
    }

    fn refresh(&mut self) {
        if self.snapshot.generation == self.generation {
            return;
        }
        let mut apps = self.snapshot.apps.clone();
        let mut services = self.directory.services.clone();
        for app in std::mem::take(&mut self.dirty) {
            let Some(leases) = self.apps.get(&app) else {
                apps.remove(&app);
                services.remove(&app);
                continue;
            };
            let instances: Vec<_> = leases.values().map(|lease| Arc::clone(&lease.instance)).collect();
            let facts: Vec<_> = instances.iter().filter_map(|i| i.fact()).collect();
            if facts.is_empty() {
                services.remove(&app);
            } else {
                let service =
                    ServiceSnapshot { service: app.clone(), generation: self.generation, instances: facts };
                services.insert(app.clone(), Arc::new(service));
            }
            apps.insert(app.clone(), Arc::new(AppSnapshot { app, instances }));
        }
        self.directory = Arc::new(Directory { generation: self.generation, services });
        self.snapshot =
            Arc::new(Snapshot { generation: self.generation, hash_code: self.counts.hash_code(), apps });
    }
}
