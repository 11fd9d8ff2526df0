//! The route table: what wins, what is refused, and that it agrees with looking at every route.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Ask, route};
use haechi_core::RouteName;
use haechi_route::config::{Match, Route, ValueMatch, ValuePattern};
use haechi_route::{AntPattern, RouteTable, Specificity};
use proptest::prelude::*;

fn table(routes: &[Route]) -> RouteTable {
    let (table, refused) = RouteTable::build(routes);
    assert!(refused.is_empty(), "{refused:#?}");
    table
}

fn find<'r>(routes: &'r [Route], ask: &Ask) -> Option<&'r str> {
    ask.view(|view| table(routes).find(view)).map(|index| routes[index].name.as_str())
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    let mut routes = vec![
        route("all", "/**"),
        route("shop", "/shop/**"),
        route("cart", "/shop/cart/**"),
        route("one", "/shop/*"),
        route("exact", "/shop/cart"),
        route("deep", "/**/cart/x"),
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        let found = |path| find(&routes, &Ask::get(path));
        assert_eq!(found("/"), Some("all"));
        assert_eq!(found("/shop"), Some("shop"));
        assert_eq!(found("/shopping"), Some("all"));
        assert_eq!(found("/shop/"), Some("one"));
        assert_eq!(found("/shop/cart"), Some("exact"));
        assert_eq!(found("/shop/cart;jsessionid=1"), Some("exact"));
        assert_eq!(found("/shop/cart/"), Some("cart"));
        assert_eq!(found("/shop/cart/x"), Some("cart"), "a longer literal head beats a longer pattern");
        assert_eq!(found("/a/cart/x"), Some("deep"));
        assert_eq!(found("/%73hop//a/b"), Some("shop"));
    }
}

#[test]
fn an_exact_host_beats_a_suffix_and_a_longer_suffix_a_shorter_one() {
    let routes = [
        route("any", "/**"),
        route("example", "*.example.com/**"),
        route("shop", "*.shop.example.com/**"),
        route("www", "www.shop.example.com/**"),
    ];
    let found = |host| find(&routes, &Ask { host, ..Ask::get("/") });
    assert_eq!(found("WWW.Shop.example.com:8080"), Some("www"));
    assert_eq!(found("www.shop.example.com."), Some("www"));
    assert_eq!(found("a.b.shop.example.com"), Some("shop"));
    assert_eq!(found("shop.example.com"), Some("example"));
    assert_eq!(found("example.com"), Some("any"));
    assert_eq!(found(".example.com"), Some("any"));
    assert_eq!(found(""), Some("any"));
    let long = format!("{}.example.com", "a".repeat(300));
    assert_eq!(find(&routes, &Ask { host: &long, ..Ask::get("/") }), Some("any"));
}

#[test]
fn a_host_decides_before_a_path_and_a_priority_before_both() {
    let mut urgent = route("urgent", "/**/api/**");
    urgent.priority = 1;
    let routes = [route("exact-path", "/a/api/b"), route("host", "shop.example/**"), urgent];
    let found = |host, path| find(&routes, &Ask { host, ..Ask::get(path) });
    assert_eq!(found("shop.example", "/a/api/b"), Some("urgent"));
    assert_eq!(found("other.example", "/a/api/b"), Some("urgent"));
    assert_eq!(found("shop.example", "/x"), Some("host"));
    assert_eq!(found("other.example", "/x"), None);
}

#[test]
fn methods_headers_and_queries_narrow_a_route() {
    let value = |name: &str, value| ValueMatch { name: name.to_owned(), value };
    let mut get = route("get", "/a/**");
    get.matches.methods = vec!["GET".to_owned()];
    let mut canary = route("canary", "/a/**");
    canary.matches.headers = vec![value("X-Canary", ValuePattern::Exact("yes".to_owned()))];
    let mut paged = route("paged", "/a/**");
    paged.matches.query = vec![value("page", ValuePattern::Prefix("1".to_owned()))];
    let routes = [route("rest", "/a/**"), get, canary, paged];
    let ask = Ask::get("/a/b");
    assert_eq!(find(&routes, &ask), Some("get"));
    assert_eq!(find(&routes, &Ask { method: "POST", ..ask }), Some("rest"));
    assert_eq!(find(&routes, &Ask { method: "get", ..ask }), Some("rest"), "methods are case-sensitive");
    let header = [("x-canary", "yes")];
    assert_eq!(find(&routes, &Ask { method: "POST", headers: &header, ..ask }), Some("canary"));
    assert_eq!(find(&routes, &Ask { headers: &header, ..ask }), Some("get"), "a method weighs more");
    assert_eq!(find(&routes, &Ask { method: "PUT", query: "x=2&p%61ge=1%32", ..ask }), Some("paged"));
    assert_eq!(find(&routes, &Ask { method: "PUT", query: "page=2&page=1", ..ask }), Some("rest"));
}

#[test]
fn a_tie_names_both_routes_and_the_others_stay() {
    let routes = [
        route("a", "/x/*/c"),
        route("b", "/x/?y/c"),
        route("c", "/x/*/d"),
        route("d", "/x/*/c"),
        route("a", "/q"),
    ];
    let (table, refused) = RouteTable::build(&routes);
    let words: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "route d: ties with route a: both match /x/*/c and neither is more specific; \
             narrow one of them or give one a higher priority",
            "route a: another route has the same name",
        ]
    );
    assert_eq!(table.len(), 3);
    assert_eq!(Ask::get("/x/zz/c").view(|view| table.find(view)), Some(0));
    assert_eq!(Ask::get("/x/zz/d").view(|view| table.find(view)), Some(2));
}

#[test]
fn values_that_exclude_each_other_are_no_tie() {
    let with = |name: &str, value| {
        let mut route = route(name, "/a");
        route.matches.headers = vec![ValueMatch { name: "v".to_owned(), value }];
        route
    };
    let exact = |text: &str| ValuePattern::Exact(text.to_owned());
    let prefix = |text: &str| ValuePattern::Prefix(text.to_owned());
    let refused = |a, b| RouteTable::build(&[with("a", a), with("b", b)]).1.len();
    assert_eq!(refused(exact("1"), exact("2")), 0);
    assert_eq!(refused(exact("1"), exact("1")), 1);
    assert_eq!(refused(prefix("ab"), prefix("ac")), 0);
    assert_eq!(refused(prefix("ab"), prefix("ab")), 1);
    assert_eq!(refused(ValuePattern::Present, ValuePattern::Absent), 0);
    assert_eq!(refused(ValuePattern::Present, ValuePattern::Present), 1);
    let mut get = route("get", "/a");
    get.matches.methods = vec!["GET".to_owned()];
    let mut put = route("put", "/a");
    put.matches.methods = vec!["PUT".to_owned()];
    assert_eq!(RouteTable::build(&[get, put]).1.len(), 0);
}

#[test]
fn what_can_match_no_request_is_refused() {
    for bad in ["/a/../b", "/a/./**", "a", "/a%2Fb", "/a/%2e%2e/**", "/a;b/c", "/a%zz", "/a#b"] {
        let (table, refused) = RouteTable::build(&[route("bad", bad), route("good", "/good")]);
        assert_eq!((table.len(), refused.len()), (1, 1), "{bad}");
    }
    for bad in ["Shop.example", "shop.example:80", "a b", "", "*.", "a..b."] {
        let mut with_host = route("bad", "/");
        with_host.matches.host = Some(haechi_route::config::HostPattern::Exact(bad.to_owned()));
        assert_eq!(RouteTable::build(&[with_host]).1.len(), 1, "{bad:?}");
    }
    let deep = "/a".repeat(100);
    assert_eq!(RouteTable::build(&[route("deep", &deep)]).1.len(), 1);
}

#[test]
fn texts_of_a_configuration_are_brought_into_the_form_of_requests() {
    let routes = [route("cafe", "/caf\u{e9} noir/**"), route("slash", "/a//b/")];
    assert_eq!(find(&routes, &Ask::get("/caf%c3%a9%20noir/x")), Some("cafe"));
    assert_eq!(find(&routes, &Ask::get("/a/b/")), Some("slash"));
}

fn patterns() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("ab".to_owned()),
        Just("*".to_owned()),
        Just("**".to_owned()),
        Just("a*".to_owned()),
        Just("?".to_owned()),
        Just("*b".to_owned()),
    ];
    prop::collection::vec(segment, 0..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn matches() -> impl Strategy<Value = (Match, i32)> {
    let host = prop_oneof![Just(""), Just("h.example"), Just("*.example"), Just("*.h.example")];
    let methods = prop::collection::vec(prop_oneof![Just("GET".to_owned()), Just("PUT".to_owned())], 0..3);
    let header = prop::option::of(prop_oneof![
        Just(ValuePattern::Present),
        Just(ValuePattern::Absent),
        Just(ValuePattern::Exact("1".to_owned())),
        Just(ValuePattern::Prefix("1".to_owned())),
    ]);
    (host, patterns(), methods, header, 0..2i32).prop_map(|(host, path, methods, header, priority)| {
        let mut matches = route("x", &format!("{host}{path}")).matches;
        matches.methods = methods;
        matches.headers =
            header.into_iter().map(|value| ValueMatch { name: "v".to_owned(), value }).collect();
        (matches, priority)
    })
}

fn asks() -> impl Strategy<Value = (String, &'static str, &'static str, Option<&'static str>)> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("aab"), Just("c")];
    let path = prop::collection::vec(segment, 0..6).prop_map(|segments| format!("/{}", segments.join("/")));
    let host = prop_oneof![Just("h.example"), Just("x.example"), Just("x.h.example"), Just("other")];
    (path, host, prop_oneof![Just("GET"), Just("PUT")], prop::option::of(prop_oneof![Just("1"), Just("12")]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_table_agrees_with_looking_at_every_route(
        matches in prop::collection::vec(matches(), 1..8),
        (path, host, method, header) in asks(),
    ) {
        let routes: Vec<Route> = matches.into_iter().enumerate().map(|(i, (matches, priority))| {
            let mut route = route("x", "/");
            route.name = RouteName::new(&format!("r{i}")).unwrap();
            (route.matches, route.priority) = (matches, priority);
            route
        }).collect();
        let (table, refused) = RouteTable::build(&routes);
        let headers: Vec<(&str, &str)> = header.iter().map(|v| ("v", *v)).collect();
        let ask = Ask { method, host, path: &path, query: "", headers: &headers };
        let mut all: Vec<(Specificity, usize)> = routes.iter().enumerate()
            .filter(|(i, route)| {
                refused.iter().all(|r| r.route != *i) && common::naively_matches(&route.matches, &ask)
            })
            .map(|(i, route)| (Specificity::of(route.priority, &common::canonical(&route.matches)), i))
            .collect();
        all.sort();
        if let [.., second, first] = all.as_slice() {
            prop_assert!(first.0 > second.0, "an overlooked tie of {:#?}", (&routes[first.1], &routes[second.1]));
        }
        let best = all.last().map(|(_, i)| *i);
        prop_assert_eq!(ask.view(|view| table.find(view)), best);
        let explained = ask.view(|view| table.explain(&routes, view));
        prop_assert_eq!(explained.winner.map(|winner| winner.route), best);
        prop_assert_eq!(explained.runner_up.is_some(), all.len() > 1);
    }

    #[test]
    fn a_pattern_matches_as_the_naive_matcher_says(pattern in patterns(), (path, ..) in asks()) {
        prop_assert_eq!(AntPattern::new(&pattern).matches(&path), common::naive_ant(&pattern, &path));
    }
}

#[test]
fn a_hostile_path_costs_no_more_than_its_length_times_the_patterns() {
    // With backtracking over every star this would not end in this universe.
    let pattern = AntPattern::new(&format!("{}/x", "/**/a*a*a*a*a*b".repeat(8)));
    let path = format!("/{}", "a".repeat(500)) + &"/aaaaaaaaaaaaaaaaaaaa".repeat(700);
    assert!(!pattern.matches(&path));
}
