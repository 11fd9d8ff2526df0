//! A client's life over HTTP: register, renew, be found, go.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Harness, body, json};
use haechi_core::InstanceState;

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
