//! Two registries that are each other's peers.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Harness, json};
use haechi_registry::Options;
use tokio::net::TcpListener;

async fn pair() -> (Harness, Harness) {
    let listeners =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let urls: Vec<_> = listeners
        .iter()
        .map(|l| format!("http://{}/eureka", l.local_addr().unwrap()).parse().unwrap())
        .collect();
    // Each is given both addresses and leaves out its own.
    let options = Options { peers: urls, ..Options::default() };
    let [one, two] = listeners;
    (Harness::on(one, options.clone()), Harness::on(two, options))
}

/// Waits, change by change, until a registry's directory is as wanted.
async fn until(registry: &mut Harness, wanted: impl Fn(&haechi_core::Directory) -> bool) {
    while !wanted(&registry.subscriber.current()) {
        assert!(registry.subscriber.changed().await);
    }
}

fn state_of(directory: &haechi_core::Directory, id: &str) -> Option<String> {
    let service = directory.service("HELLO")?;
    service.instances.iter().find(|i| i.instance.as_str() == id).map(|i| i.state.as_str().to_owned())
}

#[tokio::test]
async fn what_happens_at_one_happens_at_the_other() {
    let (one, mut two) = pair().await;
    assert_eq!(one.registry.status().peers.len(), 1, "not its own peer");
    one.register("hello", "1", 8080).await;
    until(&mut two, |d| state_of(d, "1").as_deref() == Some("up")).await;
    one.put("apps/HELLO/1/status?value=OUT_OF_SERVICE").await;
    until(&mut two, |d| state_of(d, "1").as_deref() == Some("out_of_service")).await;
    one.delete("apps/HELLO/1/status?value=UP").await;
    until(&mut two, |d| state_of(d, "1").as_deref() == Some("up")).await;
    one.put("apps/HELLO/1/metadata?colour=blue").await;
    until(&mut two, |d| d.services["HELLO"].instances[0].metadata.contains_key("colour")).await;
    one.delete("apps/HELLO/1").await;
    until(&mut two, |d| d.services.is_empty()).await;
    assert!(one.registry.status().peers[0].available);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_heartbeat_heals_a_peer_that_lost_the_instance() {
    let (one, mut two) = pair().await;
    one.register("hello", "1", 8080).await;
    until(&mut two, |d| state_of(d, "1").is_some()).await;
    // As if a peer: not passed on, so only the second forgets.
    let forget = two.client.delete(two.url("apps/HELLO/1")).header("x-netflix-discovery-replication", "true");
    assert_eq!(forget.send().await.unwrap().status(), 200);
    until(&mut two, |d| d.services.is_empty()).await;
    one.put("apps/HELLO/1").await;
    until(&mut two, |d| state_of(d, "1").is_some()).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn the_newer_registration_wins_when_heartbeats_disagree() {
    let (mut one, mut two) = pair().await;
    one.register("hello", "1", 8080).await;
    until(&mut two, |d| state_of(d, "1").is_some()).await;
    let mut newer = common::instance("hello", "1", 8080);
    newer["instance"]["lastDirtyTimestamp"] = "1795289999999".into();
    newer["instance"]["status"] = "DOWN".into();
    let only_there = two
        .client
        .post(two.url("apps/HELLO"))
        .header("x-netflix-discovery-replication", "true")
        .header("content-type", "application/json")
        .body(newer.to_string());
    assert_eq!(only_there.send().await.unwrap().status(), 204);
    // The first passes a heartbeat on with its older timestamp, is told 409, and takes the newer one.
    one.put("apps/HELLO/1").await;
    until(&mut one, |d| state_of(d, "1").as_deref() == Some("down")).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_registry_that_starts_copies_what_its_peer_knows() {
    let first = Harness::start().await;
    first.register("hello", "1", 8080).await;
    first.put("apps/HELLO/1/status?value=OUT_OF_SERVICE").await;
    let options = Options { peers: vec![first.base.parse().unwrap()], ..Options::default() };
    let second = Harness::with(options).await;
    // A reader's answer comes after the copy.
    let apps = json(second.get("apps").await).await;
    let copied = &apps["applications"]["application"][0]["instance"][0];
    assert_eq!(copied["overriddenStatus"], "OUT_OF_SERVICE");
    assert_eq!(apps["applications"]["apps__hashcode"], "OUT_OF_SERVICE_1_");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_dead_peer_delays_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}/eureka/", listener.local_addr().unwrap());
    drop(listener);
    let registry = Harness::with(Options { peers: vec![dead.parse().unwrap()], ..Options::default() }).await;
    assert_eq!(registry.register("hello", "1", 8080).await.status(), 204);
    assert!(!registry.registry.status().peers[0].available);
    registry.stop().await;
}

#[tokio::test]
async fn the_last_changes_before_a_stop_are_passed_on() {
    let (one, mut two) = pair().await;
    one.register("hello", "1", 8080).await;
    one.register("hello", "2", 8080).await;
    one.delete("apps/HELLO/2").await;
    one.stop().await;
    until(&mut two, |d| state_of(d, "1").is_some() && state_of(d, "2").is_none()).await;
    two.stop().await;
}
