//! A client's life over HTTP: register, renew, be found, go.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Harness, body, json};
use haechi_core::InstanceState;
use haechi_lease::Limits;
use haechi_registry::{Credentials, Options};

#[tokio::test]
async fn an_instance_registers_renews_is_found_and_goes() {
    let mut registry = Harness::start().await;
    let response = registry.register("hello", "h1:hello:8080", 8080).await;
    assert_eq!(response.status(), 204);

    let directory = registry.directory().await;
    let facts = &directory.service("HELLO").unwrap().instances;
    assert_eq!(facts[0].address, "10.0.0.1:8080".parse().unwrap());
    assert_eq!(facts[0].state, InstanceState::Up);
    assert_eq!(facts[0].zone.as_deref(), Some("z1"));

    assert_eq!(registry.put("apps/HELLO/h1:hello:8080?status=UP").await.status(), 200);
    assert_eq!(registry.put("apps/hello/h1%3Ahello%3A8080/").await.status(), 200);
    let apps = json(registry.get("apps/").await).await;
    assert_eq!(apps["applications"]["apps__hashcode"], "UP_1_");
    assert_eq!(apps["applications"]["application"][0]["instance"][0]["hostName"], "h1");

    assert_eq!(registry.delete("apps/HELLO/h1:hello:8080").await.status(), 200);
    assert!(registry.directory().await.services.is_empty());
    assert_eq!(registry.put("apps/HELLO/h1:hello:8080").await.status(), 404);
    let delta = json(registry.get("apps/delta").await).await;
    assert_eq!(delta["applications"]["application"][0]["instance"][0]["actionType"], "DELETED");
    assert_eq!(body(registry.get("apps/HELLO").await).await, "");
    registry.stop().await;
}

#[tokio::test]
async fn with_credentials_set_nobody_else_gets_anything() {
    let auth = Some(Credentials { user: "eureka".to_owned(), password: "pä:ss".to_owned() });
    let registry = Harness::with(Options { auth, ..Options::default() }).await;
    for headers in [
        &[][..],
        &["Authorization: Basic ZXVyZWthOndyb25n"],
        &["Authorization: Basic %%%"],
        &["Authorization: Bearer x"],
    ] {
        for request in ["GET /eureka/apps", "PUT /eureka/apps/A/1", "GET /", "GET /eureka/nothing"] {
            let answer = registry.raw(request, headers, "").await;
            assert_eq!(answer.status, 401, "{request} {headers:?}");
            assert!(answer.field("www-authenticate").starts_with("Basic "));
        }
    }
    let known = registry.client.get(registry.url("apps")).basic_auth("eureka", Some("pä:ss"));
    assert_eq!(known.send().await.unwrap().status(), 200);
    // A peer's address may hold them.
    let peer = registry.base.replace("http://", "http://eureka:p%C3%A4%3Ass@").parse().unwrap();
    let own = registry.client.post(registry.url("apps/HELLO")).basic_auth("eureka", Some("pä:ss"));
    let own =
        own.header("content-type", "application/json").body(common::instance("hello", "1", 1).to_string());
    assert_eq!(own.send().await.unwrap().status(), 204);
    let second = Harness::with(Options { peers: vec![peer], ..Options::default() }).await;
    assert_eq!(second.get("apps/HELLO/1").await.status(), 200, "copied from it");
    assert!(!second.registry.status().peers[0].url.contains("eureka:"), "and never shown");
    second.stop().await;
    registry.stop().await;
}

#[tokio::test]
async fn the_prefix_and_the_lease_of_those_who_name_none_can_be_set() {
    let options = Options {
        prefix: "/discovery".to_owned(),
        lease_duration: Duration::from_secs(7),
        renewal_interval: Duration::from_secs(2),
        ..Options::default()
    };
    let registry = Harness::with(options).await;
    let mut without = common::instance("hello", "1", 1);
    without["instance"].as_object_mut().unwrap().remove("leaseInfo");
    let json = ["Content-Type: application/json"];
    let answer = registry.raw("POST /discovery/apps/HELLO", &json, &without.to_string()).await;
    assert_eq!(answer.status, 204);
    let answer = registry.raw("GET /discovery/v2/apps/HELLO/1", &["Accept: application/json"], "").await;
    assert!(answer.body.contains(r#""renewalIntervalInSecs":2,"durationInSecs":7"#), "{answer:?}");
    assert_eq!(registry.raw("GET /eureka/apps", &[], "").await.status, 404);
    registry.stop().await;
}

#[tokio::test]
async fn a_full_registry_says_so() {
    let limits = Limits { instances: 1, ..Limits::default() };
    let registry = Harness::with(Options { limits, ..Options::default() }).await;
    assert_eq!(registry.register("hello", "1", 1).await.status(), 204);
    assert_eq!(registry.register("hello", "2", 1).await.status(), 503);
    assert_eq!(registry.register("hello", "1", 1).await.status(), 204);
    registry.stop().await;
}

#[tokio::test]
async fn listings_are_compressed_for_those_who_take_it_and_are_always_the_newest() {
    let registry = Harness::start().await;
    for n in 0..300 {
        registry.register("hello", &format!("h1:hello:{n}"), 8080).await;
        if n % 50 == 0 {
            let apps = json(registry.get("apps").await).await;
            assert_eq!(apps["applications"]["apps__hashcode"], format!("UP_{}_", n + 1));
        }
    }
    for path in ["/eureka/apps", "/eureka/v2/apps/", "/eureka/apps/delta"] {
        let headers = ["Accept: application/json", "Accept-Encoding: gzip"];
        let answer = registry.raw_head(&format!("GET {path}"), &headers).await;
        assert!(answer.contains("content-encoding: gzip"), "{path}: {answer}");
    }
    let plain = registry.raw("GET /eureka/apps", &["Accept: application/json"], "").await;
    assert_eq!(plain.field("content-encoding"), "");
    let head = registry.raw("HEAD /eureka/apps", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // Heartbeats make no new listing; 30 s later the times of last renewal are written anew all the same.
    registry.clock.advance(Duration::from_secs(31));
    registry.put("apps/HELLO/h1:hello:7").await;
    let apps = json(registry.get("apps").await).await;
    let instances = apps["applications"]["application"][0]["instance"].as_array().unwrap();
    let renewed =
        instances.iter().filter(|i| i["leaseInfo"]["lastRenewalTimestamp"] == common::EPOCH_MS + 31_000);
    assert_eq!(renewed.count(), 1);
    registry.stop().await;
}
