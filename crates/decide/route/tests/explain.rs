//! Explanations: they name what `find` finds, and say why in words.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Ask, route};
use haechi_route::RouteTable;
use haechi_route::config::{Route, ValueMatch, ValuePattern};

fn routes() -> Vec<Route> {
    let mut post = route("post", "/shop/cart/**");
    post.matches.methods = vec!["POST".to_owned()];
    let mut canary = route("canary", "/shop/**");
    let value = ValuePattern::Exact("yes".to_owned());
    canary.matches.headers = vec![ValueMatch { name: "x-canary".to_owned(), value }];
    let mut blocked = route("blocked", "/**/internal/**");
    blocked.priority = 5;
    let hosted = route("hosted", "*.example.com/shop/cart/**");
    vec![
        route("all", "/**"),
        route("shop", "/shop/**"),
        post,
        canary,
        blocked,
        hosted,
        route("status", "/shop/status"),
    ]
}

fn explain(ask: &Ask) -> String {
    let routes = routes();
    let (table, refused) = RouteTable::build(&routes);
    assert!(refused.is_empty());
    ask.view(|view| {
        let explanation = table.explain(&routes, view);
        assert_eq!(explanation.winner.as_ref().map(|winner| winner.route), table.find(view));
        explanation.to_string()
    })
}

#[test]
fn the_winner_the_runner_up_and_near_misses_are_named_with_reasons() {
    assert_eq!(
        explain(&Ask::get("/shop/cart/1")),
        "route shop: its path has 6 bytes before the first wildcard, the other 1\n\
         runner-up all: matches too, but of shop: its path has 6 bytes before the first wildcard, the other 1\n\
         not hosted: host \"\" is not *.example.com\n\
         not post: method GET is not POST\n\
         not canary: header x-canary must be \"yes\"\n\
         not status: path /shop/cart/1 is not /shop/status\n"
    );
}

#[test]
fn each_step_of_specificity_has_its_words() {
    let first = |ask: &Ask| explain(ask).lines().next().unwrap().to_owned();
    assert_eq!(first(&Ask::get("/shop/internal/x")), "route blocked: priority 5 is higher than 0");
    assert_eq!(
        first(&Ask { host: "www.example.com", ..Ask::get("/shop/cart") }),
        "route hosted: a host suffix of 12 bytes is more specific than any host"
    );
    assert_eq!(
        first(&Ask::get("/shop/status")),
        "route status: an exact path is more specific than one with wildcards"
    );
    assert_eq!(
        first(&Ask { headers: &[("X-Canary", "yes")], ..Ask::get("/shop/x") }),
        "route canary: it has 1 header conditions, the other 0"
    );
    assert_eq!(first(&Ask::get("/other")), "route all: no other route matches");
}

#[test]
fn a_request_that_no_route_takes_is_told_what_came_near() {
    let routes = vec![route("hello", "/hello/**")];
    let (table, _) = RouteTable::build(&routes);
    let text = Ask::get("/helo").view(|view| table.explain(&routes, view)).to_string();
    assert_eq!(text, "no route matches\n");
    let routes = vec![route("hello", "/hello/id")];
    let (table, _) = RouteTable::build(&routes);
    let text = Ask::get("/hello/ids").view(|view| table.explain(&routes, view)).to_string();
    assert_eq!(text, "no route matches\nnot hello: path /hello/ids is not /hello/id\n");
}
