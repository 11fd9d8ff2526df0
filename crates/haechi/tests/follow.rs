//! A gateway and its registry in processes of their own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use haechi_web::{Handler, Limits, Request, Response, answer};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use common::{Up, folder, get, http, register, until, write};

/// A process with the folder that it needs.
struct Part {
    up: Up,
    folder: TempDir,
}

impl Part {
    async fn start(text: &str) -> Self {
        let folder = folder();
        Self { up: Up::start(&write(&folder, text)).await, folder }
    }

    /// An instance: a process that answers everything.
    async fn instance() -> Self {
        Self::start(
            "gateway:\n  listeners: [{ name: web, listen: 127.0.0.1:0 }]\n  routes: [{ name: all, match: { path: /** }, respond: { status: 200, body: here } }]\n",
        )
        .await
    }

    async fn registry(listen: &str) -> Self {
        Self::start(&format!("registry: {{ listen: \"{listen}\" }}\nadmin: {{ listen: 127.0.0.1:0 }}\n"))
            .await
    }

    async fn gateway(registries: &[&str]) -> Self {
        Self::start(&Self::following(registries)).await
    }

    fn following(registries: &[&str]) -> String {
        let urls = serde_json::to_string(registries).unwrap();
        format!(
            "admin: {{ listen: 127.0.0.1:0 }}\nregistry: {{ follow: {{ urls: {urls}, poll: 50ms }} }}\ngateway:\n  listeners: [{{ name: web, listen: 127.0.0.1:0 }}]\n  routes: [{{ name: all, match: {{ path: /** }}, service: a }}]\nservices:\n  a: {{ endpoints: {{ registry: A }} }}\n"
        )
    }

    /// The host and port of its listener.
    fn web(&self) -> String {
        self.up.address("gateway web").trim_start_matches("http://").to_owned()
    }

    async fn asked(&self) -> u16 {
        get(&format!("http://{}/x", self.web())).await.0
    }

    /// Addresses of the endpoints that the gateway knows, with why.
    async fn endpoints(&self) -> Vec<(String, String)> {
        let overview = self.overview().await;
        let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of_service = |service: &Value| {
            let endpoints = service["endpoints"].as_array().cloned().unwrap_or_default();
            endpoints.iter().map(|e| (words(&e["address"]), words(&e["why"]))).collect::<Vec<_>>()
        };
        let services = overview["services"].as_array().cloned().unwrap_or_default();
        services.iter().find(|service| service["name"] == "a").map(of_service).unwrap_or_default()
    }

    /// Waits until the gateway knows exactly these.
    async fn knows(&self, instances: &[&Self]) {
        let mut wanted: Vec<String> = instances.iter().map(|instance| instance.web()).collect();
        wanted.sort();
        loop {
            let mut known: Vec<String> =
                self.endpoints().await.into_iter().map(|(address, _)| address).collect();
            known.sort();
            if known == wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn overview(&self) -> Value {
        let (_, body) = get(&format!("{}/api/overview", self.up.address("admin"))).await;
        serde_json::from_str(&body).unwrap()
    }

    /// The sentence on the registry that is followed.
    async fn says(&self) -> String {
        let overview = self.overview().await;
        let parts = overview["parts"].as_array().cloned().unwrap_or_default();
        let part = parts.iter().find(|part| part["name"] == "registry").cloned().unwrap_or_default();
        format!("{} {}", part["listen"], part["state"])
    }

    async fn kill(mut self) -> TempDir {
        self.up.signal(Signal::KILL);
        self.up.child.wait().await.unwrap();
        self.folder
    }
}

async fn registered(registry: &str, id: &str, instance: &Part) {
    assert_eq!(register(&format!("{registry}/eureka"), "A", id, &instance.web()).await, 204);
}

#[tokio::test]
async fn an_instance_that_is_killed_is_removed_for_every_gateway() {
    let registry = Part::registry("127.0.0.1:0").await;
    let url = registry.up.address("registry");
    let (one, two) = (Part::instance().await, Part::instance().await);
    registered(&url, "one", &one).await;
    registered(&url, "two", &two).await;
    let (near, far) = (Part::gateway(&[&url]).await, Part::gateway(&[&url]).await);
    near.knows(&[&one, &two]).await;
    far.knows(&[&one, &two]).await;
    assert!(near.says().await.contains("heard"), "{}", near.says().await);

    one.kill().await;
    // Only one gateway has requests; it tells the registry, which tells the other.
    loop {
        assert_eq!(near.asked().await, 200);
        if far.endpoints().await.len() == 1 {
            break;
        }
    }
    near.knows(&[&two]).await;
    let (_, apps) = get(&format!("{url}/eureka/apps")).await;
    assert!(!apps.contains("\"one\"") && !apps.contains(">one<"), "{apps}");
    assert_eq!(far.asked().await, 200);
}

#[tokio::test]
async fn a_registry_that_is_killed_and_begins_anew_costs_no_instance() {
    let registry = Part::registry("127.0.0.1:0").await;
    let url = registry.up.address("registry");
    let (one, two) = (Part::instance().await, Part::instance().await);
    registered(&url, "one", &one).await;
    registered(&url, "two", &two).await;
    let gateway = Part::gateway(&["http://127.0.0.1:9", &url]).await;
    gateway.knows(&[&one, &two]).await;

    registry.kill().await;
    while !gateway.says().await.contains("no registry answers") {
        assert_eq!(gateway.asked().await, 200);
    }
    gateway.knows(&[&one, &two]).await;

    // It comes back and knows nobody: nobody is lost.
    let registry = Part::registry(url.trim_start_matches("http://")).await;
    while !gateway.says().await.contains("2 carried over") {
        assert_eq!(gateway.asked().await, 200);
    }
    gateway.knows(&[&one, &two]).await;
    registered(&url, "one", &one).await;
    while !gateway.says().await.contains("1 carried over") {
        assert_eq!(gateway.asked().await, 200);
    }
    gateway.knows(&[&one, &two]).await;

    // One who is carried over and dies is let go although no registry knows it.
    two.kill().await;
    while gateway.endpoints().await.len() > 1 {
        assert_eq!(gateway.asked().await, 200);
    }
    gateway.knows(&[&one]).await;

    // The registry dies, and the gateway starts again without it.
    registry.kill().await;
    let mut gateway = gateway;
    gateway.up.signal(Signal::TERM);
    assert!(gateway.up.child.wait().await.unwrap().success());
    let file = gateway.folder.path().join("haechi.yaml");
    let again = Part { up: Up::start(&file).await, folder: gateway.folder };
    assert_eq!(again.asked().await, 200);
    assert!(again.says().await.contains("from the disk"), "{}", again.says().await);
}

#[tokio::test]
async fn a_file_may_change_from_one_registry_to_another_and_to_its_own() {
    let (first, second) = (Part::registry("127.0.0.1:0").await, Part::registry("127.0.0.1:0").await);
    let (one, two) = (Part::instance().await, Part::instance().await);
    registered(&first.up.address("registry"), "one", &one).await;
    registered(&second.up.address("registry"), "two", &two).await;
    let gateway = Part::gateway(&[&first.up.address("registry")]).await;
    gateway.knows(&[&one]).await;
    write(&gateway.folder, &Part::following(&[&second.up.address("registry")]));
    // The second has not settled: who it doesn't know may still come.
    gateway.knows(&[&one, &two]).await;
    assert_eq!(gateway.asked().await, 200);

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let own =
        Part::following(&[]).replace("follow: { urls: [], poll: 50ms }", &format!("listen: \"{port}\""));
    write(&gateway.folder, &own);
    let apps = format!("http://{port}/eureka/apps");
    while http().get(&apps).send().await.is_err() {}
    registered(&format!("http://{port}"), "two", &two).await;
    gateway.knows(&[&two]).await;
    assert_eq!(gateway.asked().await, 200);
}

/// An Eureka server that knows nothing of Haechi's stream: Haechi's own without it.
struct OnlyEureka(SocketAddr);

impl Handler for OnlyEureka {
    async fn handle(&self, request: Request) -> Response {
        if request.uri.path().starts_with("/haechi") {
            return answer::empty(http::StatusCode::NOT_FOUND);
        }
        let url = format!("http://{}{}", self.0, request.uri);
        let asked = common::http().get(url).header("accept", "application/json").send().await.unwrap();
        let status = asked.status();
        answer::with(status, "application/json", asked.bytes().await.unwrap())
    }
}

#[tokio::test]
async fn an_eureka_server_is_followed_by_its_own_protocol() {
    let registry = Part::registry("127.0.0.1:0").await;
    let url = registry.up.address("registry");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let eureka = format!("http://{}", listener.local_addr().unwrap());
    let (_stop, stopped) = watch::channel(false);
    let handler = Arc::new(OnlyEureka(url.trim_start_matches("http://").parse().unwrap()));
    tokio::spawn(haechi_web::serve(listener, handler, Limits::default(), stopped));
    let (one, two) = (Part::instance().await, Part::instance().await);
    registered(&url, "one", &one).await;
    let gateway = Part::gateway(&[&eureka]).await;
    gateway.knows(&[&one]).await;

    registered(&url, "two", &two).await;
    gateway.knows(&[&one, &two]).await;
    let goodbye = http().delete(format!("{url}/eureka/apps/A/one")).send().await.unwrap();
    assert!(goodbye.status().is_success());
    gateway.knows(&[&two]).await;
    until(&format!("http://{}/x", gateway.web()), (200, "here")).await;
}
