//! A service as one worker runs it: its endpoints, who is picked, and what failures lead to.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use haechi_balance::{Attempt, Change, EndpointKey, EndpointSpec, EndpointStatus, Picker};
use haechi_core::rng::Rng;
use haechi_core::{Address, Instant, ServiceName, Witness};
use haechi_guard::RetryBudget;
use haechi_route::config;
use haechi_tls::ClientTls;

use crate::conn::Conn;
use crate::discover::Target;
use crate::endpoint::{Endpoint, Life};
use crate::stats::{ServiceStats, count_class};

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    pub name: ServiceName,
    pub config: config::Service,
    /// How TLS is spoken to its endpoints, if it is.
    pub tls: Option<Arc<ClientTls>>,
    /// These three are shared with the service that this one replaced: requests on their way still count, and may
    /// still need another endpoint.
    picker: Rc<RefCell<Picker>>,
    /// Ordered by address.
    endpoints: Rc<RefCell<Vec<Rc<Endpoint>>>>,
    budget: Rc<RefCell<RetryBudget>>,
    pub stats: Arc<ServiceStats>,
}

/// A picked endpoint; in flight until it is dropped.
pub(crate) type Picked<'s> = PickedOf<&'s Service>;

/// The same, for what holds its service itself.
#[derive(Debug)]
pub(crate) struct PickedOf<S: Deref<Target = Service>> {
    service: S,
    pub endpoint: Rc<Endpoint>,
    pub key: EndpointKey,
    /// Taken out once the picker knows how it ended.
    attempt: Option<Attempt>,
}

impl Service {
    pub fn new(
        name: ServiceName,
        mut config: config::Service,
        tls: Option<Arc<ClientTls>>,
        stats: Arc<ServiceStats>,
        now: Instant,
    ) -> Self {
        if config.proxy_protocol.is_some() {
            // A connection says who asks for as long as it lives; another client's request must not go there.
            config.connections.idle_per_endpoint = 0;
        }
        Self {
            picker: Rc::new(RefCell::new(Picker::new(config.balance, config.ejection.clone()))),
            budget: Rc::new(RefCell::new(RetryBudget::new(config.retry_budget.clone(), now))),
            endpoints: Rc::default(),
            name,
            config,
            tls,
            stats,
        }
    }

    /// Takes over what the service that this one replaces knew: its endpoints with their connections, and the
    /// tokens of its budget.
    pub fn inherit(&mut self, old: &Self, now: Instant) {
        if self.config.tls == old.config.tls && self.config.proxy_protocol == old.config.proxy_protocol {
            self.endpoints = old.endpoints.clone();
            for endpoint in self.endpoints.borrow().iter() {
                // The new configuration may have readmitted it.
                endpoint.closed.set(false);
            }
        } else {
            // Connections that were verified otherwise or not at all, or begin otherwise, carry no request of the
            // new one.
            for endpoint in old.endpoints.borrow().iter() {
                endpoint.close(&old.stats);
            }
        }
        self.picker = old.picker.clone();
        self.picker.borrow_mut().configure(self.config.balance, self.config.ejection.clone(), now);
        self.budget = old.budget.clone();
        self.budget.borrow_mut().configure(self.config.retry_budget.clone(), now);
    }

    /// Replaces the set of endpoints. One that stays keeps its connections and what was seen of it.
    pub fn update(&self, targets: &[Target], now: Instant) {
        let specs: Vec<_> = targets
            .iter()
            .map(|target| EndpointSpec { address: target.address.clone(), weight: target.weight })
            .collect();
        self.picker.borrow_mut().update(&specs, now);
        let mut old = std::mem::take(&mut *self.endpoints.borrow_mut());
        let mut new: Vec<Rc<Endpoint>> = targets
            .iter()
            .map(|target| {
                let known =
                    old.iter().position(|e| e.address == target.address && e.authority == target.authority);
                match known {
                    Some(index) => old.swap_remove(index),
                    None => Rc::new(Endpoint::new(target.address.clone(), target.authority.clone())),
                }
            })
            .collect();
        for gone in old {
            gone.close(&self.stats);
        }
        new.sort_by(|a, b| a.address.cmp(&b.address));
        *self.endpoints.borrow_mut() = new;
        self.show_counts();
    }

    /// Whether as many requests as allowed are in flight. Counts it.
    pub fn is_full(&self) -> bool {
        let full = self.stats.in_flight.get() >= u64::from(self.config.connections.in_flight);
        if full {
            self.stats.full.one();
        }
        full
    }

    /// Picks an endpoint that was not tried yet and counts an attempt as begun. `repeatable` says that the
    /// request can be sent again should the endpoint fail.
    pub fn pick(
        &self,
        now: Instant,
        rng: &mut Rng,
        tried: &[EndpointKey],
        repeatable: bool,
    ) -> Option<Picked<'_>> {
        Self::pick_for(self, now, rng, tried, repeatable)
    }

    /// As [`Service::pick`], for what outlives a borrow of the service and can be begun again elsewhere.
    pub fn pick_held(
        self: &Rc<Self>,
        now: Instant,
        rng: &mut Rng,
        tried: &[EndpointKey],
    ) -> Option<PickedOf<Rc<Self>>> {
        Self::pick_for(self.clone(), now, rng, tried, true)
    }

    #[inline]
    fn pick_for<S: Deref<Target = Self>>(
        service: S,
        now: Instant,
        rng: &mut Rng,
        tried: &[EndpointKey],
        repeatable: bool,
    ) -> Option<PickedOf<S>> {
        let mut picker = service.picker.borrow_mut();
        let picked =
            if repeatable { picker.pick(now, rng, tried) } else { picker.pick_known(now, rng, tried) }?;
        let endpoint = service.endpoint(&picked.address)?;
        let attempt = Some(picker.sent(picked.key, now));
        drop(picker);
        service.stats.in_flight.one();
        Some(PickedOf { service, endpoint, key: picked.key, attempt })
    }

    fn endpoint(&self, address: &Address) -> Option<Rc<Endpoint>> {
        let endpoints = self.endpoints.borrow();
        let index = endpoints.binary_search_by(|endpoint| endpoint.address.cmp(address)).ok()?;
        endpoints.get(index).cloned()
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

    /// Closes connections that were idle too long, and learns from those that the service closed.
    pub fn sweep(&self, now: Instant) {
        if self.idle() == 0 {
            return;
        }
        for endpoint in self.endpoints.borrow().iter() {
            endpoint.sweep_idle(now, &self.config.connections, &self.stats);
        }
    }

    /// Connections that are kept: those that wait for a request, and those that many share.
    pub fn idle(&self) -> usize {
        let shared = if self.config.protocol == config::Protocol::Http2 {
            self.endpoints.borrow().iter().map(|endpoint| endpoint.h2.count()).sum()
        } else {
            0
        };
        self.stats.idle_connections.get() as usize + shared
    }

    /// Since when each of them waits for a request.
    pub fn idle_since(&self, times: &mut Vec<Instant>) {
        for endpoint in self.endpoints.borrow().iter() {
            endpoint.idle_since(times);
        }
    }

    /// Closes those that wait since `until` or longer, but no more than `left`, from which they are taken off.
    pub fn close_idle(&self, until: Instant, left: &mut usize) {
        for endpoint in self.endpoints.borrow().iter() {
            endpoint.close_idle(until, left, &self.stats);
        }
    }

    /// Every endpoint's state and why, and until when its idle connections are used.
    pub fn status(&self, now: Instant) -> Vec<(EndpointStatus, String)> {
        let status = self.picker.borrow().status(now);
        let explain = |seen: &EndpointStatus| {
            self.endpoint(&seen.address).map_or_else(String::new, |endpoint| endpoint.explain_reuse(now))
        };
        status
            .into_iter()
            .map(|seen| {
                let reuse = explain(&seen);
                (seen, reuse)
            })
            .collect()
    }

    /// Acts on what the picker concluded.
    fn after(&self, endpoint: &Endpoint, change: Option<Change>) {
        match change {
            None => return,
            Some(Change::Ejected { lasting, cause }) => {
                self.stats.ejections.one();
                endpoint.close(&self.stats);
                tracing::info!(service = %self.name, endpoint = %endpoint.address, ?lasting, %cause, "endpoint ejected");
            }
            Some(Change::Readmitted) => {
                endpoint.closed.set(false);
                tracing::info!(service = %self.name, endpoint = %endpoint.address, "endpoint takes requests again");
            }
        }
        self.show_counts();
    }

    fn show_counts(&self) {
        let (known, admitting) = self.picker.borrow().counts();
        self.stats.endpoints.set(known as u64);
        self.stats.endpoints_admitting.set(admitting as u64);
    }
}

impl<S: Deref<Target = Service>> PickedOf<S> {
    /// Whether the endpoint was ejected when it was picked.
    pub fn is_doubtful(&self) -> bool {
        self.attempt.as_ref().is_some_and(Attempt::is_doubtful)
    }

    /// The head of an answer came.
    pub fn answered(&mut self, now: Instant, status: u16) {
        let service = &*self.service;
        count_class(&service.stats.answers, status);
        // A service that answers with errors earns no retries.
        if status < 500 {
            service.budget.borrow_mut().succeeded(now);
        }
        if let Some(attempt) = &mut self.attempt {
            let change = service.picker.borrow_mut().answered(attempt, now);
            service.after(&self.endpoint, change);
        }
    }

    /// A connection was made, which is all that is ever known of a service that is not understood.
    pub fn connected(&mut self, now: Instant) {
        let service = &*self.service;
        service.budget.borrow_mut().succeeded(now);
        if let Some(attempt) = &mut self.attempt {
            let change = service.picker.borrow_mut().answered(attempt, now);
            service.after(&self.endpoint, change);
        }
    }

    /// The attempt failed so.
    pub fn failed(mut self, now: Instant, witness: Witness) {
        if let Some(attempt) = self.attempt.take() {
            let change = self.service.picker.borrow_mut().failed(attempt, now, witness);
            self.service.after(&self.endpoint, change);
        }
    }

    /// The answer is complete. Its connection is kept for the next request when it may be.
    pub fn finished(mut self, connection: Option<(Conn, Life)>, now: Instant) {
        if let Some(attempt) = self.attempt.take() {
            self.service.picker.borrow_mut().finished(attempt);
        }
        if let Some((conn, life)) = connection {
            self.endpoint.check_in(conn, life, now, &self.service.config.connections, &self.service.stats);
        }
    }
}

impl<S: Deref<Target = Service>> Drop for PickedOf<S> {
    fn drop(&mut self) {
        self.service.stats.in_flight.less_one();
        if let Some(attempt) = self.attempt.take() {
            self.service.picker.borrow_mut().abandoned(attempt);
        }
    }
}
