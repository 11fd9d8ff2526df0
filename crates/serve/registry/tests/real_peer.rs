//! A real Eureka server as peer, both ways: it copies what we know and tells us what happens at it; another of our
//! registries joins it, copies what it knows and tells it what happens here.
//!
//! Needs a JVM; without one the test says so and does nothing, except in CI, where it fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::{Harness, instance};
use haechi_registry::Options;
use haechi_web::client::{Client, client};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A JVM on a busy machine takes its time.
const START: Duration = Duration::from_secs(120);
/// Batches wait up to 0.5 s at the original.
const SPREAD: Duration = Duration::from_secs(20);

struct Original {
    _process: Child,
    base: String,
    client: Client,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The original's jar, built if it isn't there. Nothing without a JVM.
async fn jar() -> Option<PathBuf> {
    let java = Command::new("java").arg("-version").stderr(Stdio::null()).status().await;
    if !java.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI must run this test: install a JVM and Maven");
        eprintln!("skipped: there is no JVM (java) to run the original Eureka server");
        return None;
    }
    let built = Command::new(root().join("tests/originals/build.sh")).status().await.unwrap();
    assert!(built.success(), "tests/originals/build.sh failed");
    Some(root().join("target/originals/registry.jar"))
}

impl Original {
    async fn start(jar: &Path, peer: &str) -> Self {
        let mut process = Command::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar"])
            .arg(jar)
            .args([
                "--server.port=0",
                "--eureka.instance.hostname=original",
                "--eureka.client.fetch-registry=true",
            ])
            .arg(format!("--eureka.client.service-url.defaultZone={peer}"))
            .args([
                "--eureka.server.registry-sync-retries=5",
                "--eureka.server.registry-sync-retry-wait-ms=500",
            ])
            .args([
                "--eureka.server.use-read-only-response-cache=false",
                "--eureka.server.peer-node-read-timeout-ms=5000",
            ])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut log = String::new();
        let port = tokio::time::timeout(START, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, rest)) = line.split_once("Tomcat started on port ") {
                    return rest.split(' ').next().unwrap().to_owned();
                }
                log.push_str(&line);
                log.push('\n');
            }
            panic!("the original ended:\n{log}");
        });
        let port = port.await.expect("the original starts in time");
        // Its output must go on being read, or it would stop for a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let client = client(Duration::from_secs(5), Duration::from_secs(10)).unwrap();
        Self { _process: process, base: format!("http://127.0.0.1:{port}/eureka/"), client }
    }

    async fn register(&self, app: &str, id: &str) {
        let request = self.client.post(format!("{}apps/{app}", self.base));
        let request =
            request.header("content-type", "application/json").body(instance(app, id, 8080).to_string());
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    async fn put(&self, path: &str) -> u16 {
        self.client.put(format!("{}{path}", self.base)).send().await.unwrap().status().as_u16()
    }
}

/// The status that a registry gives an instance.
async fn status_at(client: &Client, base: &str, app: &str, id: &str) -> Option<String> {
    let request = client.get(format!("{base}apps/{app}/{id}")).header("accept", "application/json");
    let answer = request.send().await.ok()?;
    if answer.status() != 200 {
        return None;
    }
    let document: Value = serde_json::from_str(&answer.text().await.ok()?).unwrap();
    document["instance"]["status"].as_str().map(ToOwned::to_owned)
}

async fn until_at(client: &Client, base: &str, (app, id): (&str, &str), wanted: Option<&str>) {
    let reached = tokio::time::timeout(SPREAD, async {
        while status_at(client, base, app, id).await.as_deref() != wanted {
            tokio::task::yield_now().await;
        }
    });
    assert!(reached.await.is_ok(), "{app}/{id} is {wanted:?} at {base}");
}

#[tokio::test]
async fn a_real_eureka_server_is_our_peer_and_we_are_its() {
    let Some(jar) = jar().await else { return };
    let ours = Harness::start().await;
    ours.register("early", "e1", 8080).await;
    let original = Original::start(&jar, &ours.base).await;
    let client = &original.client;

    // It copies at its start what we know.
    until_at(client, &original.base, ("EARLY", "e1"), Some("UP")).await;
    // What happens at it, it tells us.
    original.register("theirs", "t1").await;
    until_at(client, &ours.base, ("THEIRS", "t1"), Some("UP")).await;
    assert_eq!(original.put("apps/THEIRS/t1?status=UP").await, 200);
    assert_eq!(original.put("apps/THEIRS/t1/status?value=OUT_OF_SERVICE").await, 200);
    until_at(client, &ours.base, ("THEIRS", "t1"), Some("OUT_OF_SERVICE")).await;
    // A heartbeat for an instance that we lost makes it register it with us.
    let forget = client.delete(ours.url("apps/THEIRS/t1")).header("x-netflix-discovery-replication", "true");
    assert_eq!(forget.send().await.unwrap().status(), 200);
    assert_eq!(original.put("apps/THEIRS/t1?status=UP").await, 200);
    until_at(client, &ours.base, ("THEIRS", "t1"), Some("OUT_OF_SERVICE")).await;

    // Another of ours joins it: it copies what it knows, and tells it what happens here.
    let options = Options { peers: vec![original.base.parse().unwrap()], ..Options::default() };
    let joined = Harness::with(options).await;
    until_at(client, &joined.base, ("THEIRS", "t1"), Some("OUT_OF_SERVICE")).await;
    joined.register("ours", "o1", 8080).await;
    until_at(client, &original.base, ("OURS", "o1"), Some("UP")).await;
    joined.put("apps/OURS/o1/status?value=DOWN").await;
    until_at(client, &original.base, ("OURS", "o1"), Some("DOWN")).await;
    joined.delete("apps/OURS/o1/status?value=UP").await;
    until_at(client, &original.base, ("OURS", "o1"), Some("UP")).await;
    // Heartbeats heal it when it lost the instance.
    let forget = client.delete(format!("{}apps/OURS/o1", original.base));
    let forget = forget.header("x-netflix-discovery-replication", "true").send().await.unwrap();
    assert_eq!(forget.status(), 200);
    assert_eq!(joined.put("apps/OURS/o1").await.status(), 200);
    until_at(client, &original.base, ("OURS", "o1"), Some("UP")).await;
    joined.delete("apps/OURS/o1").await;
    until_at(client, &original.base, ("OURS", "o1"), None).await;
    assert!(joined.registry.status().peers[0].available);
    joined.stop().await;
    ours.stop().await;
}
