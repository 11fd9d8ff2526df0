//! Where a worker's counters hang, so that others can read them. Locked when a plan is made or read out, never
//! on the way of a request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_core::{RouteName, ServiceName};

use crate::layer4::Layer4Stats;
use crate::stats::{RouteStats, ServiceStats, WorkerStats};
use crate::udp::UdpStats;

/// The counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub worker: WorkerStats,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    routes: BTreeMap<RouteName, Arc<RouteStats>>,
    services: BTreeMap<ServiceName, Arc<ServiceStats>>,
    layer4: BTreeMap<RouteName, Arc<Layer4Stats>>,
    udp: BTreeMap<RouteName, Arc<UdpStats>>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this lock; if something did, the counts are still good.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A route's counters, kept from one configuration to the next.
    pub fn route(&self, name: &RouteName) -> Arc<RouteStats> {
        self.lock().routes.entry(name.clone()).or_default().clone()
    }

    /// A service's counters.
    pub fn service(&self, name: &ServiceName) -> Arc<ServiceStats> {
        self.lock().services.entry(name.clone()).or_default().clone()
    }

    /// The counters of a route of layer 4.
    pub fn layer4(&self, name: &RouteName) -> Arc<Layer4Stats> {
        self.lock().layer4.entry(name.clone()).or_default().clone()
    }

    /// The counters of a route of UDP.
    pub fn udp(&self, name: &RouteName) -> Arc<UdpStats> {
        self.lock().udp.entry(name.clone()).or_default().clone()
    }

    /// Forgets routes and services that are no longer configured.
    pub fn keep(
        &self,
        route: impl Fn(&RouteName) -> bool,
        service: impl Fn(&ServiceName) -> bool,
        layer4: impl Fn(&RouteName, bool) -> bool,
    ) {
        let mut inner = self.lock();
        inner.routes.retain(|name, _| route(name));
        inner.services.retain(|name, _| service(name));
        inner.layer4.retain(|name, _| layer4(name, false));
        inner.udp.retain(|name, _| layer4(name, true));
    }

    /// All routes' counters.
    pub fn routes(&self) -> BTreeMap<RouteName, Arc<RouteStats>> {
        self.lock().routes.clone()
    }

    /// All counters of routes of layer 4.
    pub fn layer4_routes(&self) -> BTreeMap<RouteName, Arc<Layer4Stats>> {
        self.lock().layer4.clone()
    }

    /// All counters of routes of UDP.
    pub fn udp_routes(&self) -> BTreeMap<RouteName, Arc<UdpStats>> {
        self.lock().udp.clone()
    }

    /// All services' counters.
    pub fn services(&self) -> BTreeMap<ServiceName, Arc<ServiceStats>> {
        self.lock().services.clone()
    }
}
