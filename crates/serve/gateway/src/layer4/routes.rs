//! Routes of layer 4, ready to run, by the listener that they belong to.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use haechi_core::{Address, Instant, RouteName, ServiceName};
use haechi_route::GatewayConfig;
use haechi_route::config::{HostPattern, Layer4, Layer4Route, ListenerProtocol};

use super::{Layer4Stats, NEVER};
use crate::board::Board;
use crate::service::Service;
use crate::udp::UdpStats;

/// A route as a worker runs it.
#[derive(Debug)]
pub(crate) struct RunningLayer4 {
    pub config: Layer4Route,
    /// Where its listener was configured to listen.
    listen: Address,
    pub service: Rc<Service>,
    /// Of its connections.
    pub stats: Arc<Layer4Stats>,
    /// Of its sessions, if it is one for UDP.
    pub udp: Arc<UdpStats>,
    /// When what it carries must end, because it or its listener is gone. Shared with what it replaced.
    pub until: Rc<Cell<Instant>>,
}

/// A listener's routes.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub kind: Layer4,
    exact: HashMap<String, Rc<RunningLayer4>>,
    /// By what the name ends with, the dot included.
    suffixes: HashMap<String, Rc<RunningLayer4>>,
    any: Option<Rc<RunningLayer4>>,
}

impl Entrance {
    /// The route that takes a connection: of the name itself, of the longest end of it, or of all others.
    pub fn find(&self, name: Option<&str>) -> Option<&Rc<RunningLayer4>> {
        let Some(name) = name else { return self.any.as_ref() };
        let by_suffix = || {
            // The first label is never empty, so the longest end comes first.
            name.match_indices('.').find_map(|(dot, _)| self.suffixes.get(&name[dot..]))
        };
        self.exact.get(name).or_else(by_suffix).or(self.any.as_ref())
    }
}

/// All routes of layer 4 of a plan.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_name: BTreeMap<RouteName, Rc<RunningLayer4>>,
    by_listener: BTreeMap<String, Rc<Entrance>>,
    /// Of listeners that the plan before had: what the kernel took for them is passed on as it was meant.
    gone: BTreeMap<String, Rc<Entrance>>,
}

impl Routes {
    /// Makes routes ready. One whose listener or service does not exist is left out, which lowering refuses.
    pub fn new(
        config: &GatewayConfig,
        services: &BTreeMap<ServiceName, Rc<Service>>,
        before: Option<&Self>,
        board: &Board,
    ) -> Self {
        let mut routes = Self::default();
        for (name, listener) in &config.listeners {
            if let ListenerProtocol::Layer4(kind) = listener.protocol {
                let entrance = Entrance { kind, exact: HashMap::new(), suffixes: HashMap::new(), any: None };
                routes.by_listener.insert(name.clone(), Rc::new(entrance));
            }
        }
        for (name, entrance) in before.iter().flat_map(|before| &before.by_listener) {
            if !config.listeners.contains_key(name) {
                routes.gone.insert(name.clone(), entrance.clone());
            }
        }
        for route in &config.layer4 {
            let (Some(listener), Some(service)) =
                (config.listeners.get(&route.listener), services.get(&route.service))
            else {
                continue;
            };
            let old = before.and_then(|before| before.by_name.get(&route.name));
            let until = old.filter(|old| old.is_replaced_by(route, &listener.listen));
            let is_udp = route.kind == Layer4::Udp;
            let running = Rc::new(RunningLayer4 {
                config: route.clone(),
                listen: listener.listen.clone(),
                service: service.clone(),
                stats: if is_udp { Arc::default() } else { board.layer4(&route.name) },
                udp: if is_udp { board.udp(&route.name) } else { Arc::default() },
                until: until.map_or_else(|| Rc::new(Cell::new(NEVER)), |old| old.until.clone()),
            });
            routes.by_name.insert(route.name.clone(), running.clone());
            let entrance = routes.by_listener.get_mut(&route.listener).and_then(Rc::get_mut);
            let Some(entrance) = entrance.filter(|entrance| entrance.kind == route.kind) else { continue };
            if route.hosts.is_empty() {
                entrance.any = Some(running);
                continue;
            }
            for host in &route.hosts {
                match host {
                    HostPattern::Exact(host) => entrance.exact.insert(host.clone(), running.clone()),
                    HostPattern::Suffix(suffix) => entrance.suffixes.insert(suffix.clone(), running.clone()),
                };
            }
        }
        routes
    }

    /// The routes of a listener.
    pub fn entrance(&self, listener: &str) -> Option<&Rc<Entrance>> {
        self.by_listener.get(listener).or_else(|| self.gone.get(listener))
    }

    /// Gives what is carried by routes that are gone until `until`, now that `next` runs. Returns whether there are any.
    pub fn retire(&self, next: &Self, until: Instant) -> bool {
        let mut any = false;
        for (name, route) in &self.by_name {
            let stays = next.by_name.get(name).is_some_and(|new| Rc::ptr_eq(&new.until, &route.until));
            if !stays {
                route.until.set(until);
                any = true;
            }
        }
        any
    }

    /// Whether there is a route of this name, for UDP or not.
    pub fn has(&self, name: &RouteName, is_udp: bool) -> bool {
        self.by_name.get(name).is_some_and(|route| (route.config.kind == Layer4::Udp) == is_udp)
    }
}

impl RunningLayer4 {
    /// Whether what this route carries goes on under another one: it takes the same from the same socket.
    fn is_replaced_by(&self, route: &Layer4Route, listen: &Address) -> bool {
        self.config.listener == route.listener && self.config.kind == route.kind && self.listen == *listen
    }
}
