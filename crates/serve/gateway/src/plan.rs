//! A configuration, ready to run on one worker.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use haechi_core::{Generation, Instant, RouteName, ServiceName};
use haechi_http::HeadLimits;
use haechi_route::config::Layer4Route;
use haechi_route::{GatewayConfig, Refused, RequestView, RouteTable};

use crate::board::Board;
use crate::layer4;
use crate::log_writer::Writer;
use crate::route::{Destination, RunningRoute};
use crate::service::Service;
use crate::tls::Live;

/// A configuration and its route table, made once for all workers.
#[derive(Debug)]
pub(crate) struct Applied {
    pub generation: Generation,
    pub config: GatewayConfig,
    table: Arc<RouteTable>,
    /// Routes that are not in the table, and why.
    pub refused: Vec<Refused>,
    /// Where lines of the access log go.
    pub log: Option<Arc<Writer>>,
    /// The TLS of listeners and services.
    pub tls: Live,
    /// What ran before.
    after: Generation,
    /// For each route, its index in what ran before, if it is the same. Requests wait while a worker makes its
    /// plan, so it is looked for here.
    unchanged: Vec<Option<usize>>,
    /// Whether a route or a service is gone.
    pub fewer: bool,
}

impl Applied {
    /// Builds the table, unless it is given.
    pub fn new(
        config: GatewayConfig,
        table: Option<Arc<RouteTable>>,
        generation: Generation,
        log: Option<Arc<Writer>>,
        tls: Live,
        before: &Self,
    ) -> Self {
        let build = || {
            let (table, refused) = RouteTable::build(&config.routes);
            (Arc::new(table), refused)
        };
        let (table, refused) = table.map_or_else(build, |table| (table, Vec::new()));
        let old = &before.config;
        let mut known: HashMap<&RouteName, usize> =
            old.routes.iter().enumerate().map(|(index, route)| (&route.name, index)).collect();
        let unchanged = config.routes.iter().map(|route| {
            let index = known.remove(&route.name)?;
            (old.routes[index] == *route).then_some(index)
        });
        let unchanged = unchanged.collect();
        let without_layer4 = |old: &Layer4Route| {
            config.layer4.iter().all(|route| route.name != old.name || route.kind != old.kind)
        };
        let fewer = !known.is_empty()
            || old.services.keys().any(|name| !config.services.contains_key(name))
            || old.layer4.iter().any(without_layer4);
        Self { generation, config, table, refused, log, tls, after: before.generation, unchanged, fewer }
    }

    /// Nothing at all.
    pub fn empty(generation: Generation) -> Self {
        Self {
            generation,
            config: GatewayConfig::default(),
            table: Arc::default(),
            refused: Vec::new(),
            log: None,
            tls: Live::default(),
            after: Generation(0),
            unchanged: Vec::new(),
            fewer: false,
        }
    }
}

/// What a worker runs. Replaced whole.
#[derive(Debug)]
pub(crate) struct Plan {
    pub applied: Arc<Applied>,
    /// In the table's order; nothing where a route can't run.
    routes: Vec<Option<Rc<RunningRoute>>>,
    pub services: BTreeMap<ServiceName, Rc<Service>>,
    /// What is passed on unread.
    pub layer4: layer4::Routes,
    pub head_limits: HeadLimits,
}

impl Plan {
    /// Makes a configuration ready. A service that did not change is taken over from the plan before, with its
    /// connections and what was seen of its endpoints.
    pub fn new(applied: Arc<Applied>, before: Option<&Self>, board: &Board, now: Instant) -> Self {
        let config = &applied.config;
        let services: BTreeMap<_, _> = config
            .services
            .iter()
            .map(|(name, service)| {
                let old = before.and_then(|plan| plan.services.get(name));
                let kept = old.filter(|old| old.config == *service).cloned();
                let running = kept.unwrap_or_else(|| {
                    let tls = applied.tls.service(name).cloned();
                    let mut new = Service::new(name.clone(), service.clone(), tls, board.service(name), now);
                    if let Some(old) = old {
                        new.inherit(old, now);
                    }
                    Rc::new(new)
                });
                (name.clone(), running)
            })
            .collect();
        let routes = config
            .routes
            .iter()
            .enumerate()
            .map(|(index, route)| {
                let service = |name: &ServiceName| services.get(name).cloned();
                if let Some(kept) = before.and_then(|before| before.kept(&applied, index, &services)) {
                    return Some(kept);
                }
                RunningRoute::new(route, service, board.route(&route.name)).map(Rc::new)
            })
            .collect();
        let before = before.map(|plan| &plan.layer4);
        let layer4 = layer4::Routes::new(config, &services, before, board);
        let limits = &config.limits;
        let head_limits = HeadLimits {
            head_bytes: limits.head_bytes,
            fields: limits.headers,
            target_bytes: limits.target_bytes,
        };
        Self { applied, routes, services, layer4, head_limits }
    }

    /// A route that may run on as it does: neither it nor its service changed.
    fn kept(
        &self,
        next: &Applied,
        index: usize,
        services: &BTreeMap<ServiceName, Rc<Service>>,
    ) -> Option<Rc<RunningRoute>> {
        let old = next.unchanged.get(index).copied().flatten().filter(|_| next.after == self.generation)?;
        let running = self.routes.get(old)?.as_ref()?;
        match &running.destination {
            Destination::Respond(_) | Destination::Redirect(_) | Destination::Files(_) => {
                Some(running.clone())
            }
            Destination::Service(service) => {
                let is_same = services.get(&service.name).is_some_and(|now| Rc::ptr_eq(now, service));
                is_same.then(|| running.clone())
            }
        }
    }

    /// The route that takes a request.
    #[inline]
    pub fn find(&self, request: &RequestView<'_>) -> Option<&Rc<RunningRoute>> {
        self.routes.get(self.applied.table.find(request)?)?.as_ref()
    }
}

impl std::ops::Deref for Plan {
    type Target = Applied;
    fn deref(&self) -> &Applied {
        &self.applied
    }
}
