//! Facts out, evidence in, time passing.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Harness, instance};
use haechi_core::{Clock as _, Evidence, InstanceState, ServiceName, Witness};
use haechi_lease::Policy;
use haechi_registry::Options;

fn refused(registry: &Harness, address: &str) -> Evidence {
    Evidence {
        service: ServiceName::new("HELLO").unwrap(),
        address: address.parse().unwrap(),
        witness: Witness::Refused,
        at: registry.clock.now(),
    }
}

async fn until_said(registry: &Harness, part: &str) {
    let mut live = registry.events.subscribe();
    if registry.events.recent().iter().any(|e| e.what.contains(part)) {
        return;
    }
    while !live.recv().await.unwrap().what.contains(part) {}
}

#[tokio::test]
async fn a_refused_connection_removes_the_instance_from_the_directory_at_once() {
    let mut registry = Harness::start().await;
    registry.register("hello", "h1:hello:8080", 8080).await;
    registry.register("hello", "h1:hello:8989", 8989).await;
    registry.clock.advance(Duration::from_secs(1));
    registry.subscriber.report(refused(&registry, "10.0.0.1:8989"));
    until_said(&registry, "hello h1:hello:8989 removed: a gateway's connection was refused").await;
    let directory = registry.directory().await;
    let left: Vec<_> = directory.services["HELLO"].instances.iter().map(|i| i.instance.as_str()).collect();
    assert_eq!(left, ["h1:hello:8080"]);
    assert_eq!(registry.put("apps/HELLO/h1:hello:8989").await.status(), 404, "and must register again");
    assert_eq!(registry.register("hello", "h1:hello:8989", 8989).await.status(), 204);
    assert_eq!(registry.directory().await.services["HELLO"].instances.len(), 2);
    registry.stop().await;
}

#[tokio::test]
async fn an_override_and_a_status_of_its_own_reach_the_directory() {
    let mut registry = Harness::start().await;
    registry.register("hello", "a", 8080).await;
    registry.put("apps/HELLO/a/status?value=OUT_OF_SERVICE").await;
    let directory = registry.directory().await;
    let fact = &directory.services["HELLO"].instances[0];
    assert_eq!((fact.state, &*fact.why), (InstanceState::OutOfService, "status set to OUT_OF_SERVICE"));
    registry.delete("apps/HELLO/a/status?value=UP").await;
    assert_eq!(registry.directory().await.services["HELLO"].instances[0].state, InstanceState::Up);
    registry.stop().await;
}

#[tokio::test]
async fn addresses_are_those_of_the_enabled_port() {
    let mut registry = Harness::start().await;
    let mut secure = instance("hello", "secure", 8080);
    secure["instance"]["port"]["@enabled"] = "false".into();
    secure["instance"]["securePort"]["@enabled"] = "true".into();
    let mut nowhere = instance("hello", "nowhere", 8080);
    nowhere["instance"]["port"]["@enabled"] = "false".into();
    let mut named = instance("hello", "named", 8080);
    named["instance"]["ipAddr"] = "some.host".into();
    let mut local = instance("hello", "local", 8081);
    local["instance"]["ipAddr"] = "localhost".into();
    for body in [&secure, &nowhere, &named, &local] {
        assert_eq!(registry.post("apps/HELLO", body.to_string()).await.status(), 204);
    }
    let directory = registry.directory().await;
    let facts: Vec<_> = directory.services["HELLO"]
        .instances
        .iter()
        .map(|i| (i.instance.as_str(), i.address.to_string(), i.secure))
        .collect();
    assert_eq!(
        facts,
        [("local", "127.0.0.1:8081".to_owned(), false), ("secure", "10.0.0.1:443".to_owned(), true)]
    );
    registry.stop().await;
}

#[tokio::test]
async fn one_silent_instance_of_three_is_evicted_and_all_three_are_not() {
    let mut registry = Harness::start().await;
    for id in ["1", "2", "3"] {
        registry.register("hello", id, 8080).await;
    }
    registry.pass(50);
    for id in ["2", "3"] {
        assert_eq!(registry.put(&format!("apps/HELLO/{id}")).await.status(), 200);
    }
    registry.pass(41);
    assert_eq!(registry.get("apps/HELLO/1").await.status(), 404);
    assert_eq!(registry.directory().await.services["HELLO"].instances.len(), 2);
    registry.pass(300);
    let view = registry.registry.status();
    assert!(view.self_preservation);
    assert_eq!((view.held, view.silent, view.known), (2, 2, 2));
    assert_eq!(registry.directory().await.services["HELLO"].instances.len(), 2);
    let dashboard = common::body(registry.get("/").await).await;
    assert!(dashboard.contains("Self-preservation is on"), "{dashboard}");
    registry.stop().await;
}

#[tokio::test]
async fn the_status_tells_why_and_how_long() {
    let registry = Harness::with(Options {
        policy: Policy { self_preservation: false, ..Policy::default() },
        ..Options::default()
    })
    .await;
    registry.register("hello", "1", 8080).await;
    registry.pass(30);
    let view = registry.registry.status();
    let one = &view.instances[0];
    assert_eq!((one.lease_remaining_secs, one.lease_duration_secs), (60, 90));
    assert_eq!((one.why.as_str(), one.standing, one.restored), ("registered", "on_time", false));
    registry.pass(61);
    assert!(registry.registry.status().instances.is_empty());
    assert!(registry.events.recent().iter().any(|e| e.what == "hello 1 evicted: no heartbeat for 90 s"));
    let last = common::body(registry.get("/lastn").await).await;
    assert!(last.contains("HELLO(1)"));
    registry.stop().await;
}
