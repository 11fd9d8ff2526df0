//! Which route a request takes and what happens to it there, for the console and `haechi explain`.

use std::fmt::Write as _;

use haechi_admin::Question;
use haechi_core::units::show_duration;
use haechi_route::config::{Action, Endpoints, Route};
use haechi_route::{GatewayConfig, NormalPath, RequestView, RouteTable};
use serde_json::{Value, json};

use crate::words;

/// An endpoint's address, state, and why it is in it.
pub type EndpointWords = (String, String, String);

/// Explains a request by a configuration. `endpoints` tells those of a service, where they are known.
pub fn explain(
    config: &GatewayConfig,
    question: &Question,
    endpoints: &dyn Fn(&str) -> Vec<EndpointWords>,
) -> Value {
    let (host, path, query) = split(question);
    let normal = match NormalPath::new(path.as_bytes()) {
        Ok(normal) => normal,
        Err(error) => {
            let text = format!("{} {path}\n  refused with 400: {error}\n", question.method);
            return json!({ "text": text, "refused": error.to_string() });
        }
    };
    let request = RequestView {
        method: &question.method,
        host: &host,
        path: &normal,
        query: &query,
        headers: &question.headers,
    };
    let (table, _) = RouteTable::build(&config.routes);
    let explanation = table.explain(&config.routes, &request);
    let mut text = format!(
        "{} {}{path}\n",
        question.method,
        if host.is_empty() { String::new() } else { format!("{host} ") }
    );
    let mut answer = json!({ "method": question.method, "host": host, "path": path });
    match explanation.winner.as_ref().and_then(|winner| Some((winner, config.routes.get(winner.route)?))) {
        Some((winner, route)) => {
            let _ = writeln!(
                text,
                "  route     {} ({}): {}",
                route.name,
                words::matches(&route.matches),
                winner.why
            );
            answer["route"] =
                json!({ "name": route.name, "matches": words::matches(&route.matches), "why": winner.why });
            way(route, config, endpoints, &mut text, &mut answer);
        }
        None => {
            text.push_str("  no route matches: it is answered 404\n");
        }
    }
    if let Some(runner_up) = &explanation.runner_up {
        let _ = writeln!(text, "  runner-up {}: {}", runner_up.name, runner_up.why);
        answer["runner_up"] = json!({ "name": runner_up.name, "why": runner_up.why });
    }
    for near in &explanation.near_misses {
        let _ = writeln!(text, "  not       {}: {}", near.name, near.why);
    }
    answer["near_misses"] =
        explanation.near_misses.iter().map(|near| json!({ "name": near.name, "why": near.why })).collect();
    answer["text"] = text.into();
    answer
}

/// What the route does: filters, service, endpoints, bounds.
fn way(
    route: &Route,
    config: &GatewayConfig,
    endpoints: &dyn Fn(&str) -> Vec<EndpointWords>,
    text: &mut String,
    answer: &mut Value,
) {
    let filters: Vec<String> = route.filters.iter().map(words::filter).collect();
    for filter in &filters {
        let _ = writeln!(text, "  filter    {filter}");
    }
    answer["filters"] = json!(filters);
    let name = match &route.action {
        Action::Service(name) => name,
        Action::Respond(_) | Action::Redirect(_) | Action::Files(_) => {
            let _ = writeln!(text, "  answer    {}", words::action(&route.action));
            return;
        }
    };
    let balance = config.services.get(name.as_str()).map(|service| words::balance(service.balance));
    let _ = writeln!(text, "  service   {name}, balanced by {}", balance.unwrap_or_default());
    answer["service"] = json!(name);
    let known = endpoints(name.as_str());
    for (address, state, why) in &known {
        let _ = writeln!(text, "  endpoint  {address} {state}: {why}");
    }
    if known.is_empty() {
        text.push_str("  endpoint  none is known: it would be answered 503\n");
    }
    answer["endpoints"] = known
        .iter()
        .map(|(address, state, why)| json!({ "address": address, "state": state, "why": why }))
        .collect();
    let t = &route.timeouts;
    let _ = writeln!(
        text,
        "  timeouts  connect {}, first byte {}, idle {}; {} attempts",
        show_duration(t.connect),
        show_duration(t.first_byte),
        show_duration(t.idle),
        route.retry.attempts
    );
}

/// Endpoints as far as a file alone tells them.
pub fn endpoints_in_file(config: &GatewayConfig, service: &str) -> Vec<EndpointWords> {
    match config.services.get(service).map(|service| &service.endpoints) {
        Some(Endpoints::Static(list)) => list
            .iter()
            .map(|e| (e.address.to_string(), "static".to_owned(), "written in the file".to_owned()))
            .collect(),
        Some(Endpoints::Dns { host, port }) => {
            vec![(format!("{host}:{port}"), "dns".to_owned(), "every address of the name".to_owned())]
        }
        Some(Endpoints::Registry(name)) => {
            vec![(name.to_string(), "registry".to_owned(), "instances that are up when it runs".to_owned())]
        }
        None => Vec::new(),
    }
}

/// Host, path and query of a question: from a URL, or from a path and the Host header.
fn split(question: &Question) -> (String, String, String) {
    let target = question.target.split_once("://").map_or(question.target.as_str(), |(_, rest)| rest);
    let (host, rest) = if question.target.contains("://") {
        target.split_at(target.find(['/', '?']).unwrap_or(target.len()))
    } else {
        let host = question.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        (host.map_or("", |(_, value)| value.as_str()), target)
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = if path.is_empty() { "/" } else { path };
    (host.to_owned(), path.to_owned(), query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(target: &str) -> Question {
        let headers = vec![("Host".to_owned(), "shop.example".to_owned())];
        Question { method: "GET".into(), target: target.into(), headers }
    }

    #[test]
    fn a_target_is_a_path_or_a_url() {
        let parts = |target| split(&question(target));
        assert_eq!(parts("/a?b=c"), ("shop.example".into(), "/a".into(), "b=c".into()));
        assert_eq!(parts("https://other.example/a"), ("other.example".into(), "/a".into(), String::new()));
        assert_eq!(parts("https://other.example"), ("other.example".into(), "/".into(), String::new()));
    }

    #[test]
    fn a_path_that_is_refused_is_explained_as_refused() {
        let answer = explain(&GatewayConfig::default(), &question("/a/../b"), &|_| Vec::new());
        assert!(answer["text"].as_str().unwrap().contains("refused with 400"), "{answer}");
    }
}
