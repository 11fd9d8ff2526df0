//! What Zuul's `routes` endpoint answered (`RoutesEndpoint`, `RoutesMvcEndpoint`).

use indexmap::IndexMap;
use serde::Serialize;

use crate::locate::Located;
use crate::settings::Settings;

/// The route map in Zuul's two forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// `GET /routes`: `{"/hello/**":"helloworld-service"}`.
    pub routes: IndexMap<String, String>,
    /// `GET /routes/details`.
    pub details: IndexMap<String, RouteDetails>,
}

/// One route in `GET /routes/details`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteDetails {
    /// Its id.
    pub id: String,
    /// The path that requests have.
    pub full_path: String,
    /// Service id or URL.
    pub location: String,
    /// The path that the service sees, as a pattern.
    pub path: String,
    /// What stands before `path` in `full_path`.
    pub prefix: String,
    /// Whether it was said to be retried.
    pub retryable: bool,
    /// Its own sensitive headers; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sensitive_headers: Vec<String>,
    /// Whether it has its own, be it none.
    pub custom_sensitive_headers: bool,
    /// Whether its prefix is taken off.
    pub prefix_stripped: bool,
}

pub(crate) fn list(settings: &Settings, located: &[Located]) -> Listing {
    let mut listing = Listing::default();
    for route in located {
        let details = details(settings, route);
        listing.routes.insert(details.full_path.clone(), route.location.clone());
        listing.details.insert(details.full_path.clone(), details);
    }
    listing
}

/// `SimpleRouteLocator.getRoute`, step by step: with `zuul.stripPrefix=false` its full path repeats the global
/// prefix, as Zuul's did.
fn details(settings: &Settings, route: &Located) -> RouteDetails {
    let matched = route.full_path(settings);
    let mut prefix = settings.prefix.strip_suffix('/').unwrap_or(&settings.prefix).to_owned();
    let mut path = matched.as_str();
    if settings.strip_prefix
        && let Some(rest) = matched.strip_prefix(&prefix)
        && rest.starts_with('/')
    {
        path = rest;
    }
    let own = route.own_prefix();
    let path = path.replacen(own, "", 1);
    prefix.push_str(own);
    let mut headers: Vec<String> =
        route.sensitive_headers.iter().flatten().map(|name| name.to_lowercase()).collect();
    headers.dedup();
    RouteDetails {
        id: route.id.clone(),
        full_path: format!("{prefix}{path}"),
        location: route.location.clone(),
        path,
        prefix,
        retryable: route.retryable.or(settings.retryable).unwrap_or(false),
        sensitive_headers: headers,
        custom_sensitive_headers: route.sensitive_headers.is_some(),
        prefix_stripped: route.strip_prefix,
    }
}
