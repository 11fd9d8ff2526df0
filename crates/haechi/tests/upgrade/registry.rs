//! The registry's leases, and who follows it, while one process takes over from another.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Haechi, Load, gateway, http, service, text};

/// One exchange on a connection that is kept.
async fn exchange(connection: &mut TcpStream, head: &str, body: &str) -> String {
    let request = format!(
        "{head}\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !text(&answer).contains("\r\n\r\n") {
        let count = connection.read_buf(&mut answer).await.unwrap();
        assert!(count > 0, "closed without an answer: {}", text(&answer));
    }
    text(&answer)
}

#[tokio::test]
async fn the_registry_forgets_nobody_and_heartbeats_over_kept_connections_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let more = format!("registry: {{ listen: 127.0.0.1:0, snapshot: {{ path: {} }} }}\n", state.display());
    let (address, _parts, _stop) = service().await;
    let by_registry = gateway(&address, &more).replace(&format!("[{address}]"), "{ registry: APP }");
    let haechi = Haechi::start(&by_registry).await;
    let (web, registry) = (haechi.address("gateway web"), haechi.address("registry"));
    let port = address.rsplit(':').next().unwrap();
    let instance = format!(
        r#"{{"instance":{{"instanceId":"one","hostName":"h","app":"APP","ipAddr":"127.0.0.1","status":"UP","port":{{"$":{port},"@enabled":"true"}},"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},"leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":90}},"vipAddress":"app","lastDirtyTimestamp":"5"}}}}"#
    );
    let mut kept = TcpStream::connect(&registry).await.unwrap();
    let taken = exchange(&mut kept, "POST /eureka/apps/APP HTTP/1.1", &instance).await;
    assert!(taken.starts_with("HTTP/1.1 204"), "{taken}");
    let leases = || async {
        let url = format!("http://{registry}/eureka/apps/APP/one");
        let response = http().get(url).header("accept", "application/json").send().await.unwrap();
        let instance: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        let lease = &instance["instance"]["leaseInfo"];
        (lease["registrationTimestamp"].clone(), lease["lastRenewalTimestamp"].as_u64().unwrap())
    };
    let (registered, renewed) = leases().await;
    let load = Load::start(&web, 2);
    load.until_more(5).await;
    let pid = haechi.upgraded().await;
    // The connection still leads to the old process, which passes the heartbeat on. Whether it has begun to close such
    // connections by now is its affair.
    let heartbeat = exchange(&mut kept, "PUT /eureka/apps/APP/one HTTP/1.1", "").await;
    assert!(heartbeat.starts_with("HTTP/1.1 200"), "{heartbeat}");
    let (registered_after, renewed_after) = leases().await;
    assert_eq!(registered_after, registered, "its lease goes on");
    assert!(renewed_after > renewed, "the heartbeat arrived");
    load.until_more(50).await;
    load.finish().await;
    haechi.until_only(pid).await;
    // The old process left the state file alone: a restart finds the instance.
    let mut second = TcpStream::connect(&registry).await.unwrap();
    let two = instance.replace("\"one\"", "\"two\"");
    assert!(exchange(&mut second, "POST /eureka/apps/APP HTTP/1.1", &two).await.contains(" 204"));
    let kept = text(&std::fs::read(&state).unwrap());
    assert!(kept.contains("\"one\"") && kept.contains("\"two\""), "{kept}");
}

#[tokio::test]
async fn gateways_elsewhere_that_follow_the_registry_do_not_hold_an_upgrade_up() {
    let (address, _parts, _stop) = service().await;
    let registry = Haechi::start("registry: { listen: 127.0.0.1:0 }\n").await;
    let listens = registry.address("registry");
    let following =
        gateway(&address, &format!("registry: {{ follow: {{ urls: [\"http://{listens}/eureka\"] }} }}\n"))
            .replace(&format!("[{address}]"), "{ registry: APP }");
    let elsewhere = Haechi::start(&following).await;
    let port = address.rsplit(':').next().unwrap();
    let instance = format!(
        r#"{{"instance":{{"instanceId":"one","hostName":"h","app":"APP","ipAddr":"127.0.0.1","status":"UP","port":{{"$":{port},"@enabled":"true"}},"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},"vipAddress":"app","lastDirtyTimestamp":"5"}}}}"#
    );
    let mut connection = TcpStream::connect(&listens).await.unwrap();
    exchange(&mut connection, "POST /eureka/apps/APP HTTP/1.1", &instance).await;
    let url = format!("http://{}/x", elsewhere.address("gateway web"));
    while http().get(&url).send().await.unwrap().status() != 200 {
        tokio::task::yield_now().await;
    }
    // The follower waits at the old process for news.
    registry.upgraded().await;
    let load = Load::start(&elsewhere.address("gateway web"), 1);
    load.until_more(20).await;
    load.finish().await;
    // And hears of the new one's.
    let two = instance.replace("APP", "TWO").replace("\"one\"", "\"two\"");
    let mut connection = TcpStream::connect(&listens).await.unwrap();
    exchange(&mut connection, "POST /eureka/apps/TWO HTTP/1.1", &two).await;
    let overview = format!("http://{}/api/overview", elsewhere.address("admin"));
    while !http().get(&overview).send().await.unwrap().text().await.unwrap().contains("TWO") {
        tokio::task::yield_now().await;
    }
}
