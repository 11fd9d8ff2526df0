//! A configuration, ready to run on one worker.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use haechi_core::{Generation, Instant, ServiceName};
use haechi_http::HeadLimits;
use haechi_route::{GatewayConfig, Refused, RequestView, RouteTable};

use crate::access_log::Writer;
use crate::board::Board;
use crate::route::RunningRoute;
use crate::service::Service;

/// A configuration and its route table, made once for all workers.
#[derive(Debug)]
pub(crate) struct Applied {
    pub generation: Generation,
    pub config: GatewayConfig,
    table: RouteTable,
    /// Routes that are not in the table, and why.
    pub refused: Vec<Refused>,
    /// Where lines of the access log go.
    pub log: Option<Arc<Writer>>,
}

impl Applied {
    /// Builds the table.
    pub fn new(config: GatewayConfig, generation: Generation, log: Option<Arc<Writer>>) -> Self {
        let (table, refused) = RouteTable::build(&config.routes);
        Self { generation, config, table, refused, log }
    }
}

/// What a worker runs. Replaced whole.
#[derive(Debug)]
pub(crate) struct Plan {
    applied: Arc<Applied>,
    /// In the table's order; nothing where a route can't run.
    routes: Vec<Option<Rc<RunningRoute>>>,
    pub services: BTreeMap<ServiceName, Rc<Service>>,
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
                    let mut new = Service::new(name.clone(), service.clone(), board.service(name), now);
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
            .map(|route| {
                let service = |name: &ServiceName| services.get(name).cloned();
                RunningRoute::new(route, service, board.route(&route.name)).map(Rc::new)
            })
            .collect();
        let limits = &config.limits;
        let head_limits = HeadLimits {
            head_bytes: limits.head_bytes,
            fields: limits.headers,
            target_bytes: limits.target_bytes,
        };
        Self { applied, routes, services, head_limits }
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
