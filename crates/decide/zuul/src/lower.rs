//! From Zuul's route map to routes.

use std::collections::{BTreeMap, HashSet};

use haechi_core::{RouteName, ServiceName};
use haechi_route::config::{Action, Filter, Match, PathPattern, Respond, Retry, Route, Service, Timeouts};
use haechi_route::{changeable_header, normal_literal};

use crate::locate::{Located, Target};
use crate::order::keep_order;
use crate::ribbon::Ribbon;
use crate::service::{self, Destination};
use crate::settings::Settings;
use crate::{Import, Warnings};

/// The most attempts that a request may have.
const MAX_ATTEMPTS: u32 = 10;

pub(crate) fn lower(
    settings: &Settings,
    ribbon: &Ribbon,
    located: &[Located],
    warnings: &mut Warnings,
) -> Import {
    let mut lowering =
        Lowering { settings, ribbon, warnings, services: BTreeMap::new(), names: HashSet::new() };
    let mut routes: Vec<Route> = located.iter().filter_map(|route| lowering.route(route)).collect();
    let highest = keep_order(&mut routes);
    let mut all = lowering.ignored_patterns(highest);
    all.append(&mut routes);
    Import { routes: all, services: lowering.services, ..Import::default() }
}

struct Lowering<'a> {
    settings: &'a Settings,
    ribbon: &'a Ribbon,
    warnings: &'a mut Warnings,
    services: BTreeMap<ServiceName, Service>,
    names: HashSet<String>,
}

impl Lowering<'_> {
    fn route(&mut self, located: &Located) -> Option<Route> {
        let path = self.pattern(&located.property, &located.full_path(self.settings))?;
        let name = self.name(&located.property, &located.id)?;
        let (action, mut filters, timeouts, retry) = match Target::of(&located.location) {
            Target::Service(id) => self.lead_to_service(located, id)?,
            Target::Url(url) => self.lead_to_url(located, url)?,
            Target::Forward => {
                let message =
                    "forward: goes to a handler inside Zuul's own application; answered with 404 here";
                self.warnings.add(&located.property, message);
                respond(404, "This path was forwarded inside the Zuul application.")
            }
        };
        if matches!(action, Action::Service(_)) {
            filters.append(&mut self.header_filters(located));
        }
        let matches = Match { path: Some(path), ..Match::default() };
        Some(Route { name, matches, priority: 0, filters, action, timeouts, retry })
    }

    fn lead_to_service(&mut self, located: &Located, id: &str) -> Option<Lowered> {
        let Ok(name) = ServiceName::new(id) else {
            self.warnings
                .add(&located.property, format!("{id:?} is no service's name; the route is left out"));
            return None;
        };
        if !self.services.contains_key(&name) {
            let service = service::of_id(&name, self.ribbon, self.warnings);
            self.services.insert(name.clone(), service);
        }
        let (timeouts, retry) = self.bounds(located, id);
        Some((Action::Service(name), self.path_filters(located, ""), timeouts, retry))
    }

    fn lead_to_url(&mut self, located: &Located, url: &str) -> Option<Lowered> {
        let destination = match Destination::of(url) {
            Ok(destination) => destination,
            Err(problem) => {
                self.warnings.add(&located.property, format!("{url}: {problem}; answered with 502 here"));
                return Some(respond(502, "The gateway can't reach this route's URL."));
            }
        };
        let name = ServiceName::new(&destination.authority).ok()?;
        self.services.entry(name.clone()).or_insert_with(|| service::of_endpoints(destination.endpoints));
        let (connect, socket) = (self.settings.host_connect_timeout, self.settings.host_socket_timeout);
        let timeouts = Timeouts { connect, first_byte: socket, idle: socket, ..Timeouts::default() };
        let filters = self.path_filters(located, &destination.path);
        Some((Action::Service(name), filters, timeouts, Retry::default()))
    }

    /// What is taken off the path, and what is put in its place.
    fn path_filters(&mut self, located: &Located, base: &str) -> Vec<Filter> {
        let settings = self.settings;
        let global = settings.prefix.trim_end_matches('/');
        let global = if global.is_empty() || global.starts_with('/') {
            global.to_owned()
        } else {
            format!("/{global}")
        };
        let mut own = located.own_prefix();
        let cut = located.path.find('*').map_or("/", |star| &located.path[..star]);
        if !own.is_empty() && (!cut.ends_with('/') || own.contains(['?', '{'])) {
            let message =
                format!("Zuul takes {own} off a part of a segment; here that part of the path stays");
            self.warnings.add(&located.property, message);
            own = "";
        }
        let kept_prefix = if settings.strip_prefix { "" } else { global.as_str() };
        let from =
            if own.is_empty() && !settings.strip_prefix { String::new() } else { global.clone() + own };
        let normal = |text: &str| normal_literal(text).unwrap_or_else(|_| text.to_owned());
        let to = format!("{base}{kept_prefix}");
        let to = if from.is_empty() { base.to_owned() } else { to };
        let mut filters = match (from.is_empty(), to.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => vec![Filter::RewritePrefix { from: "/".to_owned(), to: normal(&to) }],
            (false, true) => vec![Filter::StripPrefix(normal(&from))],
            (false, false) => vec![Filter::RewritePrefix { from: normal(&from), to: normal(&to) }],
        };
        if settings.add_proxy_headers && !from.is_empty() {
            filters.push(Filter::ForwardedPrefix);
        }
        filters
    }

    fn header_filters(&mut self, located: &Located) -> Vec<Filter> {
        let settings = self.settings;
        let mut filters = Vec::new();
        if settings.add_host_header {
            filters.push(Filter::KeepHost);
        }
        if !settings.add_proxy_headers {
            filters.push(Filter::NoForwardedHeaders);
        }
        let sensitive = located.sensitive_headers.as_ref().unwrap_or(&settings.sensitive_headers);
        let mut seen = HashSet::new();
        for header in sensitive.iter().chain(&settings.ignored_headers) {
            let name = header.to_ascii_lowercase();
            if let Err(problem) = changeable_header(&name) {
                self.warnings
                    .add(&located.property, format!("of its sensitive and ignored headers, {problem}"));
            } else if seen.insert(name.clone()) {
                filters.push(Filter::RemoveRequestHeader(name.clone()));
                filters.push(Filter::RemoveResponseHeader(name));
            }
        }
        filters
    }

    /// Ribbon's and Hystrix' timeouts and retries of a service.
    fn bounds(&mut self, located: &Located, service: &str) -> (Timeouts, Retry) {
        // RibbonClientConfiguration.DEFAULT_CONNECT_TIMEOUT and DEFAULT_READ_TIMEOUT.
        const SPRING_DEFAULT: std::time::Duration = std::time::Duration::from_secs(1);
        let (ribbon, warnings) = (self.ribbon, &mut *self.warnings);
        let connect = ribbon.millis(service, "ConnectTimeout", SPRING_DEFAULT, warnings);
        let read = ribbon.millis(service, "ReadTimeout", SPRING_DEFAULT, warnings);
        let mut timeouts = Timeouts { connect, first_byte: read, idle: read, ..Timeouts::default() };
        if let Some((property, bound)) = ribbon.hystrix_timeout(service, warnings)
            && bound < read
        {
            let message = "is shorter than Ribbon's ReadTimeout, so it bounds the wait for an answer's first \
                           byte, of each attempt and not of all together";
            warnings.add(&property, message);
            timeouts.first_byte = bound;
        }
        (timeouts, self.retry(located, service))
    }

    /// Without a word on retries the gateway's own safe default holds.
    fn retry(&mut self, located: &Located, service: &str) -> Retry {
        let (ribbon, warnings) = (self.ribbon, &mut *self.warnings);
        match located.retryable.or(self.settings.retryable) {
            None => Retry::default(),
            Some(false) => Retry { idempotent: false, ..Retry::default() },
            Some(true) => {
                let same = ribbon.number(service, "MaxAutoRetries", 0, warnings);
                let next = ribbon.number(service, "MaxAutoRetriesNextServer", 1, warnings);
                let wanted = same.saturating_add(1).saturating_mul(next.saturating_add(1));
                if wanted > MAX_ATTEMPTS {
                    let message = format!("{wanted} attempts in all are cut to {MAX_ATTEMPTS}");
                    warnings.add(&located.property, message);
                }
                if let Some(all) = ribbon.get(service, "OkToRetryOnAllOperations")
                    && all.value == "true"
                {
                    let message = "only idempotent methods are sent again once a service may have seen them";
                    warnings.add(&all.property, message);
                }
                let attempts = wanted.min(MAX_ATTEMPTS) as u8;
                Retry { attempts, idempotent: true, statuses: ribbon.statuses(service, warnings) }
            }
        }
    }

    /// Ignored patterns are looked at before any route, so they come first and higher than all.
    fn ignored_patterns(&mut self, highest: i32) -> Vec<Route> {
        let patterns = &self.settings.ignored_patterns;
        let count = patterns.len();
        let mut routes = Vec::with_capacity(count);
        for (index, (property, pattern)) in patterns.iter().enumerate() {
            let Some(path) = self.pattern(property, pattern) else { continue };
            let Some(name) = self.name(property, &format!("ignored-{}", index + 1)) else { continue };
            let (action, filters, timeouts, retry) = respond(404, "");
            // Each a step lower, so that two that overlap are no tie.
            let priority = highest + i32::try_from(count - index).unwrap_or(1);
            let matches = Match { path: Some(path), ..Match::default() };
            routes.push(Route { name, matches, priority, filters, action, timeouts, retry });
        }
        routes
    }

    /// A path of Zuul's as a pattern; `None` if it can't match any request.
    fn pattern(&mut self, property: &str, path: &str) -> Option<PathPattern> {
        let mut pattern = String::new();
        let mut rest = path;
        while let Some((before, variable)) = rest.split_once('{') {
            let Some((_, after)) = variable.split_once('}') else { break };
            let message = format!("the variable in {path} is read as *, so its own pattern isn't looked at");
            self.warnings.add(property, message);
            pattern.push_str(before);
            pattern.push('*');
            rest = after;
        }
        pattern.push_str(rest);
        match haechi_route::canonical_pattern(&pattern) {
            Ok(pattern) => Some(pattern),
            Err(problem) => {
                self.warnings
                    .add(property, format!("{path} can match no request and is left out: {problem}"));
                None
            }
        }
    }

    /// A name that no other route has.
    fn name(&mut self, property: &str, id: &str) -> Option<RouteName> {
        let mut name = id.to_owned();
        let mut number = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{id}-{number}");
            number += 1;
        }
        match RouteName::new(&name) {
            Ok(name) => Some(name),
            Err(problem) => {
                self.warnings.add(property, format!("{problem}; the route is left out"));
                None
            }
        }
    }
}

type Lowered = (Action, Vec<Filter>, Timeouts, Retry);

fn respond(status: u16, body: &str) -> Lowered {
    let action = Action::Respond(Respond::text(status, body));
    (action, Vec::new(), Timeouts::default(), Retry::default())
}
