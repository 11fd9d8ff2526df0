//! A route, ready to run: its filters sorted by where they act.

use std::rc::Rc;
use std::sync::Arc;

use haechi_core::RouteName;
use haechi_http::{Authority, Known, MAX_FIELDS, MAX_WRITTEN_FIELDS};
use haechi_route::config::{
    Action, Compress, Files, Filter, Protocol, Redirect, Respond, Retry, Route, Timeouts,
};

use crate::own::Ready;
use crate::service::Service;
use crate::stats::RouteStats;

/// Fields that the gateway adds to a head by itself, at most: who asked, framing, codings, TLS, HTTP/3.
const OWN_FIELDS: usize = 32;

/// HTTP/2 and HTTP/3 read again what was written for HTTP/1.1.
const _: () = assert!(MAX_FIELDS + Filter::SET_FIELDS + OWN_FIELDS <= MAX_WRITTEN_FIELDS);
const _: () = assert!(Respond::FIELDS <= MAX_FIELDS);

/// Where a matched request goes.
#[derive(Debug)]
pub(crate) enum Destination {
    Service(Rc<Service>),
    Respond(Ready),
    Redirect(Redirect),
    Files(Arc<Files>),
}

/// What the service sees as Host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPolicy {
    Endpoint,
    Client,
    Fixed(String),
}

/// Changes to a message's header fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldEdits {
    /// Lower-case names whose lines are dropped, those that are set among them.
    pub dropped: Vec<String>,
    /// Whole lines that are added: `Name: value\r\n`.
    pub added: Vec<u8>,
}

impl FieldEdits {
    /// Whether a filter drops this field.
    #[inline]
    pub fn drops(&self, name: &str) -> bool {
        self.dropped.iter().any(|dropped| dropped.eq_ignore_ascii_case(name))
    }

    /// The trailer lines that no filter drops.
    pub fn kept_trailers(&self, lines: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(lines.len());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            if !self.drops(std::str::from_utf8(name).unwrap_or_default()) {
                kept.extend_from_slice(line);
            }
        }
        kept
    }

    /// Fields that frame the message or belong to the connection are the gateway's own and can't be set, and a
    /// value with a line break would be two fields. Lowering refuses both; this is the last door.
    pub fn set(&mut self, name: &str, value: &str) {
        let known = Known::of(name);
        let own =
            known.is_hop_by_hop() || matches!(known, Known::Host | Known::ContentLength | Known::LookAlike);
        let breaks = value.bytes().any(|byte| byte == b'\r' || byte == b'\n' || byte == 0);
        if !own && !breaks && haechi_http::is_token(name.as_bytes()) {
            self.dropped.push(name.to_ascii_lowercase());
            self.added.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    }
}

/// A route as a worker runs it.
#[derive(Debug)]
pub(crate) struct RunningRoute {
    pub name: RouteName,
    pub destination: Destination,
    /// Those that change the path.
    pub path_filters: Vec<Filter>,
    pub host: HostPolicy,
    pub request: FieldEdits,
    pub response: FieldEdits,
    /// Whether the service is told who asked.
    pub forwarded: bool,
    /// Sent as `X-Forwarded-Prefix`.
    pub forwarded_prefix: Option<String>,
    /// What is compressed of the service's answers.
    pub compress: Option<Compress>,
    pub timeouts: Timeouts,
    pub retry: Retry,
    pub stats: Arc<RouteStats>,
}

impl RunningRoute {
    /// Makes a route ready. Nothing when its service does not exist, which lowering refuses.
    pub fn new(
        route: &Route,
        service: impl FnOnce(&haechi_core::ServiceName) -> Option<Rc<Service>>,
        stats: Arc<RouteStats>,
    ) -> Option<Self> {
        let destination = match &route.action {
            Action::Service(name) => Destination::Service(service(name)?),
            Action::Respond(respond) => Destination::Respond(Ready::new(respond)),
            Action::Redirect(redirect) => Destination::Redirect(redirect.clone()),
            Action::Files(files) => Destination::Files(Arc::new(files.clone())),
        };
        let mut running = Self {
            name: route.name.clone(),
            destination,
            path_filters: Vec::new(),
            host: HostPolicy::Endpoint,
            request: FieldEdits::default(),
            response: FieldEdits::default(),
            forwarded: true,
            forwarded_prefix: None,
            compress: None,
            timeouts: route.timeouts.clone(),
            retry: route.retry.clone(),
            stats,
        };
        let mut tell_prefix = false;
        for filter in &route.filters {
            match filter {
                Filter::StripPrefix(_) | Filter::RewritePrefix { .. } | Filter::RewritePath(_) => {
                    running.path_filters.push(filter.clone());
                }
                Filter::RewriteHost(host) => running.fix_host(host),
                Filter::KeepHost => running.host = HostPolicy::Client,
                Filter::SetRequestHeader(name, host) if Known::of(name) == Known::Host => {
                    running.fix_host(host);
                }
                Filter::SetRequestHeader(name, value) => running.request.set(name, value),
                Filter::RemoveRequestHeader(name) => running.request.dropped.push(name.to_ascii_lowercase()),
                Filter::SetResponseHeader(name, value) => running.response.set(name, value),
                Filter::RemoveResponseHeader(name) => {
                    running.response.dropped.push(name.to_ascii_lowercase());
                }
                Filter::NoForwardedHeaders => running.forwarded = false,
                Filter::ForwardedPrefix => tell_prefix = true,
                Filter::Compress(compress) => running.compress = Some(compress.clone()),
            }
        }
        if tell_prefix {
            running.forwarded_prefix = running.path_filters.iter().find_map(|filter| match filter {
                Filter::StripPrefix(prefix) | Filter::RewritePrefix { from: prefix, .. } => {
                    Some(prefix.clone())
                }
                _ => None,
            });
        }
        Some(running)
    }

    /// Whether its service takes trailers.
    pub fn takes_trailers(&self) -> bool {
        matches!(&self.destination, Destination::Service(service) if service.config.protocol == Protocol::Http2)
    }

    fn fix_host(&mut self, host: &str) {
        // Lowering refuses what is no authority; a line break in one must not get through here.
        if Authority::parse(host.as_bytes()).is_some() {
            self.host = HostPolicy::Fixed(host.to_owned());
        }
    }
}
