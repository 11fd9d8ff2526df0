//! Zuul's order, and that no properties make the import fail.
#![allow(clippy::unwrap_used)]

use haechi_core::ServiceName;
use haechi_route::{AntPattern, NoHeaders, NormalPath, RequestView, RouteTable};
use haechi_zuul::{import, to_yaml};
use indexmap::IndexMap;
use proptest::prelude::*;

fn paths() -> impl Strategy<Value = String> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("*"), Just("**"), Just("a*"), Just("?")];
    prop::collection::vec(segment, 1..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn keys() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("zuul".to_owned()),
        Just("ribbon".to_owned()),
        Just("routes".to_owned()),
        Just("host".to_owned()),
        Just("hystrix".to_owned()),
        Just("command".to_owned()),
        Just("path".to_owned()),
        Just("url".to_owned()),
        Just("prefix".to_owned()),
        Just("ignored-patterns".to_owned()),
        Just("listOfServers".to_owned()),
        Just("ReadTimeout".to_owned()),
        Just("sensitiveHeaders".to_owned()),
        "\\PC{0,4}",
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("."))
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        paths(),
        "\\PC{0,8}",
        "[a-z/*?{}:;=,'\"%.]{0,12}",
        Just("true".to_owned()),
        "[0-9]{1,25}",
        "http://[a-z0-9:/\\[\\]@]{0,10}",
        Just("forward:/x".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_table_takes_the_route_that_zuul_took(
        patterns in prop::collection::vec(paths(), 1..7),
        segments in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("ab"), Just("c")], 1..5),
    ) {
        let properties: IndexMap<String, String> = patterns.iter().enumerate()
            .map(|(i, path)| (format!("zuul.routes.r{i}.path"), path.clone())).collect();
        let import = import("edge", &properties, &[]);
        let (table, refused) = RouteTable::build(&import.routes);
        prop_assert!(refused.is_empty(), "{refused:?}");

        let path = format!("/{}", segments.join("/"));
        let normal = NormalPath::new(path.as_bytes()).unwrap();
        let request =
            RequestView { method: "GET", host: "", path: &normal, query: "", headers: &NoHeaders };
        let found = table.find(&request).map(|index| import.routes[index].name.as_str().to_owned());
        // Zuul: the first in its map whose pattern matches.
        let first = import.listing.details.values()
            .zip(&import.routes)
            .find(|(details, _)| AntPattern::new(&details.full_path).matches(&path))
            .map(|(details, _)| details.id.clone());
        prop_assert_eq!(found, first);
    }

    #[test]
    fn no_properties_make_it_fail(
        properties in prop::collection::vec((keys(), values()), 0..12),
        discovered in prop::collection::vec("[A-Z*/]{1,5}", 0..3),
    ) {
        let properties: IndexMap<String, String> = properties.into_iter().collect();
        let discovered: Vec<ServiceName> =
            discovered.iter().map(|name| ServiceName::new(name).unwrap()).collect();
        let import = import("edge", &properties, &discovered);
        let (_, refused) = RouteTable::build(&import.routes);
        prop_assert!(refused.is_empty(), "{refused:?}");
        to_yaml(&import);
    }
}
