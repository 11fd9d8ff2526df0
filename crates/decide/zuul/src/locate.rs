//! The route map as Zuul's `DiscoveryClientRouteLocator` made it: explicit routes by path (a path written
//! again keeps its place and takes the new value), then discovered services, then `/**`.

use haechi_core::ServiceName;
use indexmap::IndexMap;

use crate::Warnings;
use crate::settings::{RouteSettings, Settings, is_url};

/// One entry of the route map.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// The property to name in warnings.
    pub(crate) property: String,
    pub(crate) id: String,
    /// With its leading slash, without the global prefix.
    pub(crate) path: String,
    /// Where it goes: a service's id or a URL.
    pub(crate) location: String,
    pub(crate) strip_prefix: bool,
    pub(crate) retryable: Option<bool>,
    pub(crate) sensitive_headers: Option<Vec<String>>,
}

impl Located {
    /// The path that requests have, global prefix included.
    pub(crate) fn full_path(&self, settings: &Settings) -> String {
        let path = format!("{}{}", settings.prefix, self.path);
        if path.starts_with('/') { path } else { format!("/{path}") }
    }

    /// What Zuul takes off the front of the route's own path: all before the first star, without its slash.
    pub(crate) fn own_prefix(&self) -> &str {
        match self.path.find('*') {
            Some(star) if self.strip_prefix && star > 1 => {
                let mut end = star - 1;
                while !self.path.is_char_boundary(end) {
                    end -= 1;
                }
                &self.path[..end]
            }
            _ => "",
        }
    }
}

pub(crate) fn locate(
    application: &str,
    settings: &Settings,
    discovered: &[ServiceName],
    warnings: &mut Warnings,
) -> Vec<Located> {
    let mut map: IndexMap<String, Located> = IndexMap::new();
    for (key, route) in &settings.routes {
        let located = explicit(key, route);
        if let Some(old) = map.get(&located.path) {
            let message = format!("replaces route {}, which has the same path {}", old.id, located.path);
            warnings.add(&located.property, message);
        }
        map.insert(located.path.clone(), located);
    }
    for service in discovered {
        let name = service.as_str().to_ascii_lowercase();
        let local = settings.ignore_local_service && name.eq_ignore_ascii_case(application);
        let ignored = settings.ignored_services.iter().any(|pattern| simple_match(pattern, &name));
        if !local && !ignored {
            let path = format!("/{name}/**");
            map.entry(path.clone()).or_insert_with(|| of_service(&name, path));
        }
    }
    if let Some(default) = map.shift_remove("/**") {
        map.insert("/**".to_owned(), default);
    }
    map.into_values().collect()
}

/// A route as written, with what `ZuulProperties.init` fills in.
fn explicit(key: &str, route: &RouteSettings) -> Located {
    let (mut id, mut path, mut location) = (route.id.clone(), None, None);
    if let Some(text) = &route.short {
        // `path` or `path=location`.
        let (short_path, short_location) = match text.split_once('=') {
            Some((path, location)) => (path.trim(), Some(location.trim().to_owned())),
            None => (text.as_str(), None),
        };
        id = id.or_else(|| Some(id_of_path(short_path)));
        path = Some(short_path.to_owned());
        location = short_location;
    }
    let non_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let path = non_empty(&route.path).or(path).unwrap_or_else(|| format!("/{key}/**"));
    Located {
        property: route.property.clone(),
        id: id.filter(|id| !id.is_empty()).unwrap_or_else(|| key.to_owned()),
        path: if path.starts_with('/') { path } else { format!("/{path}") },
        location: non_empty(&route.url)
            .or_else(|| non_empty(&route.service_id))
            .or(location.filter(|location| !location.is_empty()))
            .unwrap_or_else(|| key.to_owned()),
        strip_prefix: route.strip_prefix.unwrap_or(true),
        retryable: route.retryable,
        sensitive_headers: route.sensitive_headers.clone(),
    }
}

fn of_service(name: &str, path: String) -> Located {
    Located {
        property: format!("discovered service {name}"),
        id: name.to_owned(),
        path,
        location: name.to_owned(),
        strip_prefix: true,
        retryable: None,
        sensitive_headers: None,
    }
}

/// `ZuulRoute.extractId`: `/hello/**` is `hello`.
fn id_of_path(path: &str) -> String {
    path.strip_prefix('/').unwrap_or(path).replace("/*", "").replace('*', "")
}

/// Spring's `PatternMatchUtils.simpleMatch`: `*` is any text. Without case, because registries write names in
/// upper case and Zuul's patterns are in lower case.
fn simple_match(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Where a route's location leads.
pub(crate) enum Target<'a> {
    Service(&'a str),
    Url(&'a str),
    Forward,
}

impl<'a> Target<'a> {
    pub(crate) fn of(location: &'a str) -> Self {
        if location.starts_with("forward:") {
            Self::Forward
        } else if is_url(location) {
            Self::Url(location)
        } else {
            Self::Service(location)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_patterns_match_as_springs_do() {
        for (pattern, name, matches) in [
            ("*", "hello", true),
            ("hello", "HELLO", true),
            ("hel*", "hello", true),
            ("*llo", "hello", true),
            ("h*l*o", "hello", true),
            ("hello", "hello2", false),
            ("h*x", "hello", false),
            ("*ll", "hello", false),
            ("lo*lo", "lo", false),
        ] {
            assert_eq!(simple_match(pattern, name), matches, "{pattern} {name}");
        }
    }
}
