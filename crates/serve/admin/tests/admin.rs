//! The admin port over real sockets, with a process that has one service.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haechi_admin::{Admin, Answer, Operations, Overview, Question};
use haechi_core::ManualClock;
use haechi_stream::Events;
use haechi_web::{Limits, client, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

#[derive(Default)]
struct Process {
    source_is_down: AtomicBool,
}

impl Operations for Process {
    fn overview(&self) -> Answer<Overview> {
        Box::pin(async { Overview { version: "test", ..Overview::default() } })
    }
    fn health(&self) -> Result<(), Vec<String>> {
        if self.source_is_down.load(Ordering::SeqCst) {
            Err(vec!["config server is silent".into()])
        } else {
            Ok(())
        }
    }
    fn metrics(&self) -> String {
        "haechi_up 1\n".into()
    }
    fn zuul_routes(&self, details: bool) -> Value {
        if details {
            json!({ "/hello/**": { "id": "helloworld-service" } })
        } else {
            json!({ "/hello/**": "helloworld-service" })
        }
    }
    fn refresh(&self) -> Answer<Result<Vec<String>, String>> {
        let down = self.source_is_down.load(Ordering::SeqCst);
        Box::pin(async move {
            if down { Err("config server is silent".into()) } else { Ok(vec!["message".into()]) }
        })
    }
    fn explain(&self, question: Question) -> Answer<Value> {
        Box::pin(async move { json!({ "target": question.target, "headers": question.headers }) })
    }
    fn schema(&self) -> Value {
        json!({})
    }
}

struct Running {
    base: String,
    process: Arc<Process>,
    events: Events,
    _stop: watch::Sender<bool>,
}

async fn start() -> Running {
    let process = Arc::new(Process::default());
    let events = Events::new(ManualClock::at(0));
    let admin = Admin::new(Arc::clone(&process) as Arc<dyn Operations>, events.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve(listener, Arc::new(admin), Limits::default(), stopped));
    Running { base, process, events, _stop: stop }
}

fn http() -> client::Client {
    client::client(Duration::from_secs(5), Duration::from_secs(20)).unwrap()
}

#[tokio::test]
async fn refresh_answers_the_changed_keys_or_why_it_could_not() {
    let running = start().await;
    for path in ["/refresh", "/actuator/refresh"] {
        let answer = http().post(format!("{}{path}", running.base)).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), r#"["message"]"#);
    }
    running.process.source_is_down.store(true, Ordering::SeqCst);
    let answer = http().post(format!("{}/refresh", running.base)).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"config server is silent"}"#);
    let health = http().get(format!("{}/actuator/health", running.base)).send().await.unwrap();
    assert_eq!(health.status(), 503);
}

#[tokio::test]
async fn routes_are_listed_in_both_of_zuuls_forms() {
    let running = start().await;
    for (path, expected) in [
        ("/routes", json!({ "/hello/**": "helloworld-service" })),
        ("/actuator/routes/", json!({ "/hello/**": "helloworld-service" })),
        ("/routes?format=details", json!({ "/hello/**": { "id": "helloworld-service" } })),
        ("/actuator/routes/details", json!({ "/hello/**": { "id": "helloworld-service" } })),
    ] {
        let text = http().get(format!("{}{path}", running.base)).send().await.unwrap().text().await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected, "{path}");
    }
}

#[tokio::test]
async fn questions_are_checked_before_they_are_explained() {
    let running = start().await;
    for (query, status) in [
        ("", 400),
        ("?target=/a", 200),
        ("?target=/a&header=X:%20y", 200),
        ("?target=/a&header=x", 400),
        ("?nope=1", 400),
        ("?target=%ff", 400),
    ] {
        let answer = http().get(format!("{}/api/explain{query}", running.base)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{query}");
    }
}

#[tokio::test]
async fn the_live_stream_tells_past_and_present_events_and_the_overview() {
    let running = start().await;
    running.events.say("registry", "the past");
    let mut answer = http().get(format!("{}/api/live", running.base)).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut seen = String::new();
    while !(seen.contains("the past") && seen.contains("event: overview")) {
        seen.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    running.events.say("gateway", "the present");
    while !seen.contains("the present") {
        seen.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn every_path_of_the_openapi_document_answers() {
    let running = start().await;
    let text =
        http().get(format!("{}/openapi.json", running.base)).send().await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 8);
    for (path, operations) in paths {
        if operations.get("get").is_some() {
            let answer = http().get(format!("{}{path}?target=/x", running.base)).send().await;
            assert_ne!(answer.unwrap().status(), 404, "{path}");
        }
    }
    assert_eq!(http().get(format!("{}/nope", running.base)).send().await.unwrap().status(), 404);
    assert_eq!(http().put(format!("{}/refresh", running.base)).send().await.unwrap().status(), 405);
}

/// A process of 1,600 services with ten endpoints each and 10,000 routes.
fn large() -> Overview {
    use haechi_admin::view::{EndpointView, RouteView, ServiceView};
    let endpoint = |state: &str| EndpointView {
        address: "127.0.0.1:65000".into(),
        state: state.into(),
        why: "registered".into(),
        ..EndpointView::default()
    };
    let service = |n: usize| {
        let states = if n == 1500 { ["up", "up", "down"] } else { ["up", "up", "up"] };
        let endpoints = states.iter().cycle().take(10).map(|state| endpoint(state)).collect();
        ServiceView::new(format!("service-{n}"), "registry".into(), endpoints)
    };
    let route = |n: usize| RouteView {
        name: format!("route-{n}"),
        matches: format!("/service-{n}/**"),
        to: format!("service-{n}"),
        origin: "file".into(),
        requests: 0,
        errors: 0,
        p50_ms: None,
        p99_ms: None,
    };
    Overview {
        services: (0..1600).map(service).collect(),
        routes: (0..10_000).map(route).collect(),
        problems: (0..1000).map(|n| format!("problem {n}")).collect(),
        ..Overview::default()
    }
}

#[test]
fn a_console_is_sent_a_page_whatever_there_is() {
    let short = large().shortened("");
    let bytes = serde_json::to_vec(&short).unwrap().len();
    assert!(bytes < 100_000, "{bytes} bytes each second");
    assert_eq!(short.services[0].name, "service-1500", "what is amiss comes first");
    assert_eq!(short.services[0].endpoints[0].state, "down");
    assert_eq!((short.services[0].known, short.services[0].up), (10, 7));
    assert_eq!((short.left_out.services, short.left_out.routes), (1550, 9_900));
    assert_eq!((short.problems.len(), short.left_out.sentences), (50, 950));
    assert!(short.services.iter().all(|service| !service.endpoints.is_empty()));

    let found = large().shortened("service-77");
    assert_eq!(found.services.len(), 11, "77 and 770 to 779");
    assert_eq!(found.left_out.services, 0);
    assert!(found.routes.iter().all(|route| route.to.contains("service-77")));
}
