//! A service as one worker runs it: its endpoints, who is picked, and what failures lead to.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Instant, ServiceName, Witness};
use haechi_guard::RetryBudget;
use haechi_route::config;
use tokio::net::TcpStream;

use crate::discover::Target;
use crate::endpoint::Endpoint;
use crate::stats::{EndpointStats, ServiceStats};

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    pub name: ServiceName,
    pub config: config::Service,
    endpoints: RefCell<Vec<Rc<Endpoint>>>,
    next: Cell<usize>,
    pub budget: RefCell<RetryBudget>,
    pub stats: Arc<ServiceStats>,
}

/// A picked endpoint; counts as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct Picked {
    pub endpoint: Rc<Endpoint>,
}

impl Picked {
    fn new(endpoint: Rc<Endpoint>) -> Self {
        endpoint.stats.in_flight.one();
        endpoint.stats.requests.one();
        Self { endpoint }
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.endpoint.stats.in_flight.less_one();
    }
}

impl Service {
    pub fn new(name: ServiceName, config: config::Service, stats: Arc<ServiceStats>, now: Instant) -> Self {
        let budget = RefCell::new(RetryBudget::new(config.retry_budget.clone(), now));
        Self { name, config, endpoints: RefCell::default(), next: Cell::new(0), budget, stats }
    }

    /// Replaces the set of endpoints. One that stays keeps its connections and what was seen of it.
    pub fn update(&self, targets: &[Target], mut stats: impl FnMut(SocketAddr) -> Arc<EndpointStats>) {
        let mut old = std::mem::take(&mut *self.endpoints.borrow_mut());
        let mut new = Vec::with_capacity(targets.len());
        for target in targets {
            let known =
                old.iter().position(|e| e.address == target.address && e.authority == target.authority);
            new.push(match known {
                Some(index) => old.swap_remove(index),
                None => {
                    Rc::new(Endpoint::new(target.address, target.authority.clone(), stats(target.address)))
                }
            });
        }
        for gone in old {
            gone.retired.set(true);
            gone.close_idle(&self.stats);
        }
        *self.endpoints.borrow_mut() = new;
    }

    /// An endpoint that was not tried yet.
    pub fn pick(&self, now: Instant, tried: &[SocketAddr]) -> Option<Picked> {
        let endpoints = self.endpoints.borrow();
        let count = endpoints.len();
        for step in 0..count {
            let index = (self.next.get() + step) % count;
            let endpoint = &endpoints[index];
            let out = endpoint.stats.ejected_until.get() > now.as_nanos();
            if !out && !tried.contains(&endpoint.address) {
                self.next.set(index + 1);
                return Some(Picked::new(endpoint.clone()));
            }
        }
        let last = endpoints.iter().find(|endpoint| !tried.contains(&endpoint.address))?;
        Some(Picked::new(last.clone()))
    }

    /// Takes over the endpoints of the service that this one replaces, their connections with them.
    pub fn inherit(&self, old: &Self) {
        *self.endpoints.borrow_mut() = std::mem::take(&mut *old.endpoints.borrow_mut());
    }

    /// Its name in the registry, if its endpoints come from there.
    pub const fn registered_name(&self) -> Option<&ServiceName> {
        match &self.config.endpoints {
            config::Endpoints::Registry(name) => Some(name),
            _ => None,
        }
    }

    /// Takes the token for one retry, and counts it.
    pub fn take_retry(&self, now: Instant) -> bool {
        let granted = self.budget.borrow_mut().try_take(now);
        let counter = if granted { &self.stats.retries } else { &self.stats.budget_exhausted };
        counter.one();
        granted
    }

    /// The endpoint answered.
    pub fn succeeded(&self, picked: &Picked, now: Instant, took: Duration, status: u16) {
        if let Some(class) = self.stats.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            class.one();
        }
        let endpoint = &picked.endpoint;
        endpoint.last_answer.set(now);
        endpoint.stats.ejected_until.set(0);
        endpoint.stats.ewma_us.set((endpoint.stats.ewma_us.get() * 7 + took.as_micros() as u64) / 8);
        self.budget.borrow_mut().succeeded();
    }

    /// The endpoint failed. `silent` says that it answered nobody since the attempt was sent.
    pub fn failed(&self, picked: &Picked, now: Instant, witness: Witness, silent: bool) {
        let endpoint = &picked.endpoint;
        endpoint.stats.failures.one();
        if self.config.ejection.enabled && (witness.is_hard() || silent) {
            endpoint.stats.ejected_until.set((now + self.config.ejection.base).as_nanos());
            self.stats.ejections.one();
            endpoint.close_idle(&self.stats);
        }
    }

    /// Keeps a connection for the next request.
    pub fn check_in(&self, picked: &Picked, stream: TcpStream, now: Instant) {
        let most = self.config.connections.idle_per_endpoint as usize;
        picked.endpoint.check_in(stream, now, most, &self.stats);
    }

    /// Closes what was idle too long.
    pub fn sweep(&self, now: Instant) {
        for endpoint in self.endpoints.borrow().iter() {
            endpoint.sweep_idle(now, self.config.connections.idle_timeout, &self.stats);
        }
    }
}
