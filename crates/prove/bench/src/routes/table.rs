//! What finding a route costs, in the library alone.

use std::hint::black_box;
use std::sync::Arc;

use haechi_core::{Clock, RouteName, ServiceName};
use haechi_route::config::{Action, HostPattern, Match, PathPattern, Retry, Route, Timeouts};
use haechi_route::{NoHeaders, NormalPath, RequestView, RouteTable};
use serde::Serialize;

use crate::error::Error;
use crate::report::stats::median;

/// Lookups timed together.
const LOOKUPS: usize = 200_000;
/// Such rounds; the median is quoted.
const ROUNDS: usize = 7;

/// A set of routes, and requests for each of them.
pub struct Set {
    /// What it is, for the table.
    pub name: &'static str,
    routes: Vec<Route>,
    /// Host and path, with the index of the route that must take it.
    requests: Vec<(String, String, Option<usize>)>,
}

/// What was measured of a set.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// What it is.
    pub name: &'static str,
    /// Routes in it.
    pub routes: usize,
    /// Checking the path and finding the route.
    pub nanos: f64,
    /// Building the table.
    pub build_ms: f64,
    /// Bytes of the table for a route.
    pub bytes_each: f64,
}

/// `count` routes as a large site has them: by path prefix, by host and prefix, exact, and patterns.
pub fn mixed(name: &'static str, count: usize) -> Result<Set, Error> {
    let mut set = Set { name, routes: Vec::new(), requests: Vec::new() };
    for index in 0..count {
        let tenant = index % 400;
        let host = format!("tenant-{tenant}.example.com");
        let (host_pattern, pattern, path) = match index % 10 {
            0..=3 => (None, PathPattern::Prefix(format!("/svc-{index}")), format!("/svc-{index}/orders/17")),
            4..=7 => (
                Some(HostPattern::Exact(host.clone())),
                PathPattern::Prefix(format!("/app-{index}")),
                format!("/app-{index}/cart/items"),
            ),
            8 => {
                let path = format!("/exact/{index}/item");
                (None, PathPattern::Exact(path.clone()), path)
            }
            _ => (
                None,
                PathPattern::Pattern(format!("/files-{index}/*/raw/**")),
                format!("/files-{index}/main/raw/a/b.txt"),
            ),
        };
        set.push(index, host_pattern, pattern)?;
        set.requests.push((host, path, Some(index)));
        if index % 10 == 0 {
            set.requests.push(("www.example.org".to_owned(), format!("/nowhere-{index}/at/all"), None));
        }
    }
    Ok(set)
}

/// `count` patterns whose first segment is a wildcard: nothing sorts them, each must be tried.
pub fn wildcards(name: &'static str, count: usize) -> Result<Set, Error> {
    let mut set = Set { name, routes: Vec::new(), requests: Vec::new() };
    for index in 0..count {
        set.push(index, None, PathPattern::Pattern(format!("/*/api-{index}/**")))?;
        set.requests.push(("www.example.org".to_owned(), format!("/shop/api-{index}/list"), Some(index)));
    }
    Ok(set)
}

impl Set {
    fn push(&mut self, index: usize, host: Option<HostPattern>, path: PathPattern) -> Result<(), Error> {
        let bad = |error: haechi_core::InvalidName| Error::Missed(error.to_string());
        self.routes.push(Route {
            name: RouteName::new(&format!("route-{index}")).map_err(bad)?,
            matches: Match { host, path: Some(path), ..Match::default() },
            priority: 0,
            filters: Vec::new(),
            action: Action::Service(ServiceName::new("app").map_err(bad)?),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
        });
        Ok(())
    }

    /// Builds its table, checks every answer and times them.
    pub fn measure(&self, clock: &Arc<dyn Clock>) -> Result<Cost, Error> {
        let started = clock.now();
        let (table, refused) = RouteTable::build(&self.routes);
        let build_ms = clock.now().since(started).as_secs_f64() * 1e3;
        if let Some(first) = refused.first() {
            return Err(Error::Missed(format!("{} routes refused, the first: {first:?}", refused.len())));
        }
        for (host, path, wanted) in &self.requests {
            let found = find(&table, host, path);
            if found != *wanted {
                return Err(Error::Missed(format!("{host}{path} takes {found:?}, not {wanted:?}")));
            }
        }
        let round = || {
            let started = clock.now();
            for (host, path, _) in self.requests.iter().cycle().step_by(7).take(LOOKUPS) {
                black_box(find(&table, black_box(host), black_box(path)));
            }
            clock.now().since(started).as_nanos() as f64 / LOOKUPS as f64
        };
        let nanos = median((0..ROUNDS).map(|_| round()));
        let routes = self.routes.len();
        Ok(Cost {
            name: self.name,
            routes,
            nanos,
            build_ms,
            bytes_each: table.heap_bytes() as f64 / routes as f64,
        })
    }
}

fn find(table: &RouteTable, host: &str, path: &str) -> Option<usize> {
    let path = NormalPath::new(path.as_bytes()).ok()?;
    table.find(&RequestView { method: "GET", host, path: &path, query: "", headers: &NoHeaders })
}
