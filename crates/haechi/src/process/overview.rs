//! What the console shows, put together from what each part tells.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use haechi_admin::Overview;
use haechi_admin::view::{
    CertificateView, EndpointView, LeftOut, OrderedView, PartView, RouteView, ServiceView,
};
use haechi_core::{InstanceFact, ServiceName};
use haechi_gateway::{AcmeStatus, CertificateStatus, RouteStatus, Status};
use haechi_route::config::{Endpoints, Service};

use super::explain::EndpointWords;
use super::imports::Imported;
use super::traffic::{Totals, quantile_ms};
use super::{Process, Shown};
use crate::words;

impl Process {
    /// Everything at this moment.
    pub async fn overview(&self) -> Overview {
        let seen = self.seen().await;
        let shown = self.shown();
        Overview {
            at: self.clock.wall().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            generation: shown.generations.newest(),
            uptime_s: self.clock.now().since(self.started).as_secs(),
            parts: self.parts(&shown),
            services: self.services(&shown, &seen),
            routes: routes(&shown, &seen),
            traffic: self.traffic.samples(),
            generations: shown.generations.views(),
            warnings: shown.imported.as_ref().map(Imported::warnings).unwrap_or_default(),
            problems: self.problems_of(&shown).into_iter().chain(seen.problems.clone()).collect(),
            certificates: self.certificates(&seen),
            ordered: self.ordered(&seen),
            left_out: LeftOut::default(),
        }
    }

    /// What the gateway saw, over all workers.
    pub async fn seen(&self) -> Status {
        match &self.gateway {
            Some(gateway) => gateway.status().await,
            None => Status::default(),
        }
    }

    fn certificates(&self, seen: &Status) -> Vec<CertificateView> {
        let now = (self.clock.wall().0 / 1000).cast_signed();
        let view = |known: &CertificateStatus| CertificateView {
            listener: known.listener.clone(),
            file: known.file.clone(),
            names: known.names.clone(),
            seconds_left: known.not_after.cast_signed() - now,
        };
        seen.certificates.iter().map(view).collect()
    }

    fn ordered(&self, seen: &Status) -> Vec<OrderedView> {
        let now = self.clock.wall().0 / 1000;
        let view = |known: &AcmeStatus| OrderedView {
            name: known.name.clone(),
            directory: known.directory.clone(),
            state: known.state,
            why: known.why.clone(),
            seconds_left: known.not_after.map(|end| end.cast_signed() - now.cast_signed()),
            next_s: known.next.saturating_sub(now),
        };
        seen.acme.iter().map(view).collect()
    }

    /// What is wrong now.
    pub fn problems(&self) -> Vec<String> {
        self.problems_of(&self.shown())
    }

    fn problems_of(&self, shown: &Shown) -> Vec<String> {
        let mut problems = shown.file_problems.clone();
        problems.extend(shown.refused.iter().cloned());
        problems.extend(
            shown.import_problem.iter().map(|why| format!("imported routes could not be read again: {why}")),
        );
        problems.extend(shown.waiting.iter().cloned());
        if let Some(config) = self.config() {
            problems.extend(config.status().problems());
        }
        problems
    }

    fn parts(&self, shown: &Shown) -> Vec<PartView> {
        let mut parts = Vec::new();
        if let Some(gateway) = &self.gateway {
            let listen = gateway.listens().values().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let routes = words::count(shown.gateway.routes.len(), "route");
            let state = format!("{routes} to {}", words::count(shown.gateway.services.len(), "service"));
            parts.push(PartView { name: "gateway", listen, state, ok: shown.refused.is_empty() });
        }
        parts.extend(self.follower().map(|follower| following(&follower.status())));
        for (name, listen) in self.listens() {
            let (state, ok) = match name {
                "registry" => self.registry_state(),
                "config" => self.config_state(),
                _ => (String::new(), true),
            };
            parts.push(PartView { name, listen, state, ok });
        }
        parts
    }

    fn registry_state(&self) -> (String, bool) {
        let Some(registry) = self.registry() else { return Default::default() };
        let view = registry.status();
        let mut state = format!(
            "{}, {} in the last minute",
            words::count(view.instances.len(), "instance"),
            words::count(usize::try_from(view.renewals_last_minute).unwrap_or(usize::MAX), "heartbeat")
        );
        if view.self_preservation {
            state = format!("{state}; self-preservation keeps {} expired leases", view.held);
        }
        let ok = view.durable != Some(false);
        if !ok {
            state.push_str("; its state can't be written to disk");
        }
        (state, ok)
    }

    fn config_state(&self) -> (String, bool) {
        let Some(config) = self.config() else { return Default::default() };
        let status = config.status();
        let problems = status.problems().len();
        let sources = status.repositories.len() + status.folders.len();
        let sources = words::count(sources, "source");
        (format!("{sources}, {}", words::count(problems, "problem")), problems == 0)
    }

    /// Services as routes use them; those that only the registry knows, after them.
    fn services(&self, shown: &Shown, seen: &Status) -> Vec<ServiceView> {
        let directory = self.subscriber.clone().current();
        let leases = self.leases();
        let mut views = Vec::new();
        let mut covered = Vec::new();
        for (name, service) in &shown.gateway.services {
            let endpoints = match &service.endpoints {
                Endpoints::Registry(registered) => {
                    covered.push(registered.as_str().to_owned());
                    let snapshot = directory.service(registered.as_str());
                    let facts = snapshot.map(|s| s.instances.as_slice()).unwrap_or_default();
                    facts.iter().map(|fact| instance(fact, &leases)).collect()
                }
                _ => Vec::new(),
            };
            views.push(with_traffic(name, source(service), endpoints, seen));
        }
        for (name, snapshot) in &directory.services {
            if !covered.iter().any(|c| c == name.as_str()) {
                let endpoints = snapshot.instances.iter().map(|fact| instance(fact, &leases)).collect();
                let source = "registry; no route leads to it".to_owned();
                views.push(ServiceView::new(name.to_string(), source, endpoints));
            }
        }
        views
    }

    /// Seconds left of each lease, by instance id.
    fn leases(&self) -> BTreeMap<String, u64> {
        let view = self.registry().map(|registry| registry.status());
        let instances = view.into_iter().flat_map(|view| view.instances);
        instances.map(|i| (format!("{}/{}", i.service, i.instance), i.lease_remaining_secs)).collect()
    }

    /// Addresses and states of a service's endpoints, for `explain`.
    pub(super) fn endpoints_of(&self, shown: &Shown, seen: &Status, service: &str) -> Vec<EndpointWords> {
        let views = self.services(shown, seen);
        let found = views.into_iter().find(|view| view.name == service);
        found
            .map(|view| view.endpoints.into_iter().map(|e| (e.address, e.state, e.why)).collect())
            .unwrap_or_default()
    }
}

/// Adds what the gateway saw of each endpoint, and those endpoints that only it knows.
fn with_traffic(
    name: &ServiceName,
    source: String,
    mut endpoints: Vec<EndpointView>,
    seen: &Status,
) -> ServiceView {
    let known = seen.services.get(name).into_iter().flat_map(|service| &service.endpoints);
    for (address, status) in known {
        let address = address.to_string();
        let index = endpoints.iter().position(|endpoint| endpoint.address == address).unwrap_or_else(|| {
            endpoints.push(EndpointView { address, state: "up".to_owned(), ..EndpointView::default() });
            endpoints.len() - 1
        });
        let Some(endpoint) = endpoints.get_mut(index) else { continue };
        // The registry's word on an instance stands; the gateway may leave one out that the registry calls up.
        if endpoint.state == "up" && status.state == "rejecting" {
            "ejected".clone_into(&mut endpoint.state);
            endpoint.why.clone_from(&status.why);
        } else if endpoint.why.is_empty() || (endpoint.state == "up" && status.state == "probing") {
            endpoint.why.clone_from(&status.why);
        }
        endpoint.in_flight = status.in_flight;
        endpoint.requests = status.requests;
        endpoint.failures = status.failures;
        endpoint.reuse.clone_from(&status.reuse);
        endpoint.latency_ms = (status.latency_us > 0).then(|| status.latency_us as f64 / 1000.0);
    }
    ServiceView::new(name.to_string(), source, endpoints)
}

fn source(service: &Service) -> String {
    match &service.endpoints {
        Endpoints::Static(_) => "static".to_owned(),
        Endpoints::Dns { host, port } => format!("dns {host}:{port}"),
        Endpoints::Registry(name) => format!("registry {name}"),
    }
}

fn instance(fact: &InstanceFact, leases: &BTreeMap<String, u64>) -> EndpointView {
    EndpointView {
        address: fact.address.to_string(),
        instance: Some(fact.instance.to_string()),
        state: fact.state.as_str().to_owned(),
        why: fact.why.to_string(),
        lease_s: leases.get(&format!("{}/{}", fact.service, fact.instance)).copied(),
        ..EndpointView::default()
    }
}

/// Every route, those with most requests first.
fn routes(shown: &Shown, seen: &Status) -> Vec<RouteView> {
    let imported = |name: &str| {
        let import = shown.imported.as_ref()?;
        import
            .import
            .routes
            .iter()
            .any(|route| route.name.as_str() == name)
            .then(|| format!("zuul {}", import.application))
    };
    let mut views: Vec<RouteView> = Vec::new();
    for route in &shown.gateway.routes {
        let counts = seen.routes.get(&route.name).cloned().unwrap_or_default();
        let latency = buckets(&counts);
        views.push(RouteView {
            name: route.name.to_string(),
            matches: words::matches(&route.matches),
            to: words::action(&route.action),
            origin: imported(route.name.as_str()).unwrap_or_else(|| "file".to_owned()),
            requests: counts.answers.iter().sum(),
            errors: counts.answers[4],
            p50_ms: quantile_ms(&latency, 0.5),
            p99_ms: quantile_ms(&latency, 0.99),
        });
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.requests));
    views
}

/// Latency buckets with a bound on each; the last gets twice the one before it.
fn buckets(counts: &RouteStatus) -> Vec<(u64, u64)> {
    let mut last = 0;
    let bounded = counts.latency.iter().map(|(bound, count)| {
        last = bound.unwrap_or(last * 2);
        (last, *count)
    });
    bounded.collect()
}

/// Totals over all routes, for the samples of traffic.
pub fn totals(seen: &Status) -> Totals {
    let mut totals = Totals::default();
    for route in seen.routes.values() {
        totals.requests += route.answers.iter().sum::<u64>();
        totals.errors += route.answers[4];
        let latency = buckets(route);
        if totals.latency.is_empty() {
            totals.latency = latency;
        } else {
            for (total, (_, count)) in totals.latency.iter_mut().zip(latency) {
                total.1 += count;
            }
        }
    }
    for service in seen.services.values() {
        totals.retries += service.counts.get("haechi_retries_total").copied().unwrap_or_default();
    }
    totals
}

/// How following a registry goes, in a sentence.
fn following(view: &haechi_registry::FollowView) -> PartView {
    let mut state = words::count(view.instances, "instance");
    // Writing to a String can't fail.
    let _ = match view.age_secs {
        Some(age) => write!(state, ", heard {age} s ago"),
        None => write!(state, ", from the disk; no registry was heard yet"),
    };
    if view.carried > 0 {
        let _ = write!(state, "; {} carried over until they register again", view.carried);
    }
    if let Some(why) = &view.problem {
        let _ = write!(state, "; no registry answers: {why}");
    }
    if view.evidence_dropped > 0 {
        let _ = write!(state, "; {} observations were taken by no registry", view.evidence_dropped);
    }
    let listen = format!("follows {}", view.url.as_deref().unwrap_or("nobody yet"));
    PartView { name: "registry", listen, state, ok: view.problem.is_none() }
}
