//! `expect`: requests and what must become of them.

use std::sync::Arc;

use haechi_route::config::{Action, GatewayConfig, Redirect, Respond, Route};
use haechi_route::{NoHeaders, NormalPath, RequestView, RouteTable};

use super::{At, Lower};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::expectation::{self, Becomes, Expectation};
use crate::raw;

impl Lower<'_> {
    pub(super) fn expectations(
        &mut self,
        raw: &raw::File,
        gateway: Option<&GatewayConfig>,
        imports: bool,
        at: At<'_>,
    ) -> Vec<Expectation> {
        let all: Vec<(usize, Expectation)> = raw
            .expect
            .iter()
            .enumerate()
            .filter_map(|(i, line)| Some((i, expectation::parse(&line.0).ok()?)))
            .collect();
        let none = Vec::new();
        let routes = gateway.map_or(&none, |gateway| &gateway.routes);
        // With an import, which routes there are is known only later: whoever has them asks `holds` again.
        let asked = if imports || !self.whole { &[] } else { all.as_slice() };
        let table = match self.table.clone() {
            Some(table) => table,
            None if asked.is_empty() => Arc::default(),
            None => Arc::new(RouteTable::build(routes).0),
        };
        for (i, expectation) in asked {
            if let Err(Unmet { message, help }) = holds(expectation, &table, routes) {
                let diagnostic = Diagnostic::error("expectation", at.item(*i).span(), message);
                let is_left_out =
                    matches!(&expectation.becomes, Becomes::Route(name) if self.was_left_out("route", name));
                let help = match help {
                    _ if is_left_out => "the route is left out because of its own errors".to_owned(),
                    Some(help) => help,
                    None => "correct the expectation, or the routes".to_owned(),
                };
                self.report(diagnostic.help(help).harmless());
            }
        }
        all.into_iter().map(|(_, expectation)| expectation).collect()
    }
}

/// An expectation that doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What happens instead.
    pub message: String,
    /// What may be done.
    pub help: Option<String>,
}

/// Whether an expectation holds of these routes, of which `table` was built.
pub fn holds(expectation: &Expectation, table: &RouteTable, routes: &[Route]) -> Result<(), Unmet> {
    let Expectation { method, host, path, query, becomes, .. } = expectation;
    let request = format!("{method} {host}{path}");
    let path = NormalPath::new(path.as_bytes()).map_err(|why| Unmet {
        message: format!("{request} is answered 400: {why}"),
        help: Some("write a path that a client can send".to_owned()),
    })?;
    let view =
        RequestView { method, host, path: &path, query: query.as_deref().unwrap_or(""), headers: &NoHeaders };
    let found = table.find(&view).and_then(|index| routes.get(index));
    match (becomes, found) {
        (Becomes::Route(name), Some(route)) if route.name.as_str() == name => Ok(()),
        (Becomes::Status(404), None) => Ok(()),
        (Becomes::Status(wanted), Some(route)) if own_status(route) == Some(*wanted) => Ok(()),
        (wanted, found) => {
            let instead = match found {
                None => "no route takes it (404)".to_owned(),
                Some(route) => match &route.action {
                    Action::Service(service) => {
                        format!("route `{}` takes it, to service `{service}`", route.name)
                    }
                    Action::Files(files) => {
                        format!("route `{}` answers it with a file of {}", route.name, files.root.display())
                    }
                    Action::Respond(Respond { status, .. }) | Action::Redirect(Redirect { status, .. }) => {
                        format!("route `{}` answers it {status}", route.name)
                    }
                },
            };
            let help = match wanted {
                Becomes::Route(name) if routes.iter().all(|route| route.name.as_str() != name) => {
                    let names = routes.iter().map(|route| route.name.as_str());
                    Some(match did_you_mean(name, names) {
                        Some(meant) => format!("there is no route `{name}`; did you mean `{meant}`?"),
                        None => format!("there is no route `{name}`"),
                    })
                }
                _ => None,
            };
            Err(Unmet { message: format!("{request}: {instead}"), help })
        }
    }
}

/// The status that a route always answers with, where it asks no service.
fn own_status(route: &Route) -> Option<u16> {
    match &route.action {
        Action::Respond(respond) => Some(respond.status),
        Action::Redirect(redirect) => Some(redirect.status),
        Action::Service(_) | Action::Files(_) => None,
    }
}
