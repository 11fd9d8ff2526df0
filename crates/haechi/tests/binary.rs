//! The binary as its users meet it: real processes, real files, real signals.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::process::Stdio;
use std::sync::Arc;

use haechi_web::{Handler, Limits, Request, Response, answer};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

use common::{Up, folder, gateway, get, http, register, run, service, text, until, write};

#[tokio::test]
async fn a_changed_file_is_applied_while_serving_and_a_mistake_changes_nothing() {
    let folder = folder();
    let (a, _a) = service("a").await;
    let (b, _b) = service("b").await;
    let services = format!("  a: {{ endpoints: [{a}] }}\n  b: {{ endpoints: [{b}] }}\n");
    let to = |name: &str| format!("    - {{ name: all, match: {{ path: /** }}, service: {name} }}\n");
    let file = write(&folder, &gateway(&to("a"), &services));
    let up = Up::start(&file).await;
    let web = up.address("gateway web");
    assert_eq!(get(&format!("{web}/x")).await, (200, "a /x".into()));

    write(&folder, &gateway(&to("b"), &services));
    until(&format!("{web}/x"), (200, "b /x")).await;

    write(&folder, "gateway: [");
    let admin = up.address("admin");
    until(&format!("{admin}/health"), (503, "haechi.yaml:")).await;
    assert_eq!(get(&format!("{web}/x")).await, (200, "b /x".into()));

    write(&folder, &gateway(&to("a"), &services));
    up.signal(Signal::HUP);
    until(&format!("{web}/x"), (200, "a /x")).await;
    until(&format!("{admin}/health"), (200, "UP")).await;
}

#[tokio::test]
async fn an_access_log_that_is_moved_away_is_written_anew() {
    let folder = folder();
    let (a, _a) = service("a").await;
    let log = folder.path().join("access.log");
    let services = format!("  a: {{ endpoints: [{a}] }}\n");
    let routes = "    - { name: all, match: { path: /** }, service: a }\n";
    let text = gateway(routes, &services);
    let text = text.replace("  routes:", &format!("  access-log: {{ path: {} }}\n  routes:", log.display()));
    let mut up = Up::start(&write(&folder, &text)).await;
    let web = up.address("gateway web");
    assert_eq!(get(&format!("{web}/one")).await.0, 200);
    std::fs::rename(&log, folder.path().join("access.log.1")).unwrap();
    up.signal(Signal::USR1);
    assert_eq!(get(&format!("{web}/two")).await.0, 200);
    while !log.exists() {
        tokio::task::yield_now().await;
    }
    up.signal(Signal::TERM);
    assert!(up.child.wait().await.unwrap().success());
    let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(lines(&log) + lines(&folder.path().join("access.log.1")), 2);
}

#[tokio::test]
async fn a_reload_that_changes_nothing_says_so_on_standard_error() {
    let folder = folder();
    let file = write(&folder, "gateway: { listeners: [{ name: web, listen: 127.0.0.1:0 }] }\n");
    let mut up = Up::start_with(&file, Stdio::piped()).await;
    let mut said = BufReader::new(up.child.stderr.take().unwrap()).lines();
    std::fs::remove_file(&file).unwrap();
    up.signal(Signal::HUP);
    // The file's own warning comes before.
    while let Some(line) = said.next_line().await.unwrap() {
        if line.contains("the configuration stays as it is") {
            assert!(line.contains("can't read"), "{line}");
            return;
        }
    }
    panic!("it ended without a word");
}

#[test]
fn a_port_that_is_taken_is_said_once() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text_of = format!("gateway: {{ listeners: [{{ name: web, listen: \"{address}\" }}] }}\n");
    let said = run(&["up", "-f", write(&folder, &text_of).to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(2));
    let said = text(&said.stderr);
    assert_eq!(said.matches("can't listen").count(), 1, "{said}");
    assert!(said.contains("listener web:") && said.contains("name another port"), "{said}");
    assert!(said.contains(&format!("`ss -lntup 'sport = :{}'`", address.port())), "{said}");
}

#[tokio::test]
async fn a_bad_route_is_left_out_alone_and_the_status_says_so() {
    let folder = folder();
    let (a, _a) = service("a").await;
    let routes = "    - { name: good, match: { path: /good/** }, service: a }\n    - { name: bad, match: { path: /bad/** }, service: nobody }\n";
    let file = write(&folder, &gateway(routes, &format!("  a: {{ endpoints: [{a}] }}\n")));
    let up = Up::start(&file).await;
    let web = up.address("gateway web");
    assert_eq!(get(&format!("{web}/good/1")).await, (200, "a /good/1".into()));
    assert_eq!(get(&format!("{web}/bad/1")).await.0, 404);
    let admin = up.address("admin");
    let (status, health) = get(&format!("{admin}/health")).await;
    assert_eq!(status, 503);
    assert!(health.contains("nobody"), "{health}");

    let said = run(&["status", "--admin", &admin]);
    assert_eq!(said.status.code(), Some(1));
    assert!(text(&said.stdout).contains("nobody"), "{}", text(&said.stdout));
    let checked = run(&["check", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stderr).contains("haechi.yaml:6"), "{}", text(&checked.stderr));
}

#[tokio::test]
async fn explain_says_which_route_and_endpoint_live_and_from_a_file() {
    let folder = folder();
    let (a, _a) = service("a").await;
    let routes = "    - { name: all, match: { path: /** }, service: a }\n    - { name: hello, match: { path: /hello/** }, strip-prefix: /hello, service: a }\n";
    let file = write(&folder, &gateway(routes, &format!("  a: {{ endpoints: [{a}] }}\n")));
    let up = Up::start(&file).await;
    assert_eq!(get(&format!("{}/hello/id", up.address("gateway web"))).await, (200, "a /id".into()));
    for args in [["--admin", &up.address("admin")], ["--file", file.to_str().unwrap()]] {
        let said = run(&["explain", "GET /hello/id", args[0], args[1]]);
        let said = text(&said.stdout);
        assert!(
            said.contains("route     hello") && said.contains("runner-up all") && said.contains(&a),
            "{said}"
        );
    }
    assert_eq!(run(&["explain", "hello"]).status.code(), Some(2));
}

#[tokio::test]
async fn sigterm_lets_requests_finish_and_ends_with_success() {
    let folder = folder();
    let (a, _a) = service("a").await;
    let routes = "    - { name: all, match: { path: /** }, service: a }\n";
    let file = write(&folder, &gateway(routes, &format!("  a: {{ endpoints: [{a}] }}\n")));
    let mut up = Up::start(&file).await;
    let web = up.address("gateway web");
    assert_eq!(get(&format!("{web}/")).await.0, 200);
    up.signal(Signal::TERM);
    assert_eq!(up.lines.next_line().await.unwrap().as_deref(), Some("haechi drains"));
    assert!(up.child.wait().await.unwrap().success());
    assert!(http().get(&web).send().await.is_err(), "nothing listens any more");
}

#[test]
fn a_file_that_is_missing_or_wrong_is_said_with_what_to_do() {
    let folder = folder();
    let missing = run(&["up", "-f", "/nonexistent/haechi.yaml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("/nonexistent/haechi.yaml"));
    let file = write(&folder, "gatway: {}\n");
    let wrong = run(&["check", file.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("gateway"), "{}", text(&wrong.stderr));
}

#[test]
fn zuul_properties_become_yaml_that_check_accepts() {
    let folder = folder();
    let properties = folder.path().join("helloworld-client.properties");
    std::fs::write(&properties, "zuul.routes.hello.path=/hello/**\nzuul.routes.hello.url=http://127.0.0.1:1\nzuul.routes.hello.pth=x\n").unwrap();
    let imported = run(&["import", "zuul", properties.to_str().unwrap()]);
    assert!(imported.status.success());
    assert!(text(&imported.stderr).contains("zuul.routes.hello.pth"), "{}", text(&imported.stderr));
    let file = write(&folder, &text(&imported.stdout));
    let checked = run(&["check", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{}\n{}", text(&imported.stdout), text(&checked.stderr));
}

#[test]
fn the_schema_is_json() {
    let schema = run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["gateway"].is_object() || schema["$defs"]["Gateway"].is_object());
}

/// A config server with one application's routes.
struct ConfigServer(String);

impl Handler for ConfigServer {
    async fn handle(&self, _: Request) -> Response {
        let source = serde_json::json!({ "zuul.routes.hello.path": "/hello/**", "zuul.routes.hello.url": self.0, "zuul.rutes": "a typo" });
        let document =
            serde_json::json!({ "name": "edge", "propertySources": [{ "name": "x", "source": source }] });
        answer::json(http::StatusCode::OK, &document)
    }
}

#[tokio::test]
async fn a_gateway_that_starts_while_its_config_server_is_dead_serves_the_routes_it_served_last() {
    let folder = folder();
    let (a, _a) = service("a").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let handler = Arc::new(ConfigServer(format!("http://{a}")));
    let server = tokio::spawn(haechi_web::serve(listener, handler, Limits::default(), stopped));
    let file = write(
        &folder,
        &format!(
            "admin: {{ listen: 127.0.0.1:0 }}\ngateway:\n  listeners: [{{ name: web, listen: 127.0.0.1:0 }}]\n  import: {{ zuul: {{ application: edge, uri: \"http://{config}\" }} }}\n"
        ),
    );
    let mut first = Up::start(&file).await;
    assert_eq!(get(&format!("{}/hello/id", first.address("gateway web"))).await, (200, "a /id".into()));
    let status = run(&["status", "--admin", first.address("admin").trim_start_matches("http://")]);
    assert!(text(&status.stdout).contains("zuul.rutes"), "what can't be honoured is listed");
    assert!(status.status.success(), "and is no problem");
    first.signal(Signal::TERM);
    assert!(first.child.wait().await.unwrap().success());

    stop.send_replace(true);
    server.await.unwrap();
    let second = Up::start(&file).await;
    assert_eq!(get(&format!("{}/hello/id", second.address("gateway web"))).await, (200, "a /id".into()));
    let (status, health) = get(&format!("{}/health", second.address("admin"))).await;
    assert_eq!(status, 503);
    assert!(health.contains("could not be read"), "{health}");
}

#[tokio::test]
async fn the_config_server_takes_new_settings_while_its_port_stays_open() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("properties")).unwrap();
    let text = |message: &str| {
        format!(
            "config:\n  listen: 127.0.0.1:0\n  native: {{ locations: [properties] }}\n  overrides: {{ message: {message} }}\nadmin: {{ listen: 127.0.0.1:0 }}\n"
        )
    };
    let file = write(&folder, &text("one"));
    let up = Up::start(&file).await;
    let url = format!("{}/app/default", up.address("config"));
    until(&url, (200, "\"one\"")).await;
    write(&folder, &text("two"));
    // A refused connection would fail the test here: the port is open all the time.
    until(&url, (200, "\"two\"")).await;
}

#[tokio::test]
async fn the_registry_takes_new_settings_and_keeps_what_is_registered() {
    let folder = folder();
    let (a, _a) = service("a").await;
    let with = |registry: &str| {
        format!(
            "admin: {{ listen: 127.0.0.1:0 }}\nregistry: {{ {registry} }}\ngateway:\n  listeners: [{{ name: web, listen: 127.0.0.1:0 }}]\n  routes: [{{ name: all, match: {{ path: /** }}, service: a }}]\nservices:\n  a: {{ endpoints: {{ registry: A }} }}\n"
        )
    };
    let file = write(&folder, &with("listen: 127.0.0.1:0"));
    let up = Up::start(&file).await;
    let (first, web) = (up.address("registry"), format!("{}/x", up.address("gateway web")));
    assert_eq!(register(&format!("{first}/eureka"), "A", "one", &a).await, 204);
    until(&web, (200, "a /x")).await;

    // Under another prefix, with the state kept on disk and other rules.
    write(
        &folder,
        &with(
            "listen: 127.0.0.1:0, prefix: /discovery, self-preservation: { enabled: false }, snapshot: { path: state }, peers: { urls: [\"http://127.0.0.1:9/eureka\"] }",
        ),
    );
    until(&format!("{first}/discovery/apps"), (200, "one")).await;
    assert_eq!(get(&format!("{first}/eureka/apps")).await.0, 404);
    assert_eq!(get(&web).await.0, 200);
    let kept = || std::fs::read(folder.path().join("state")).unwrap_or_default();
    while !kept().windows(5).any(|bytes| bytes == b"\"one\"") {
        tokio::task::yield_now().await;
    }

    // On another port.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    write(&folder, &with(&format!("listen: \"{port}\"")));
    let moved = format!("http://{port}/eureka/apps");
    while http().get(&moved).send().await.is_err() {}
    until(&moved, (200, "one")).await;
    assert_eq!(get(&web).await.0, 200);
    let status = run(&["status", "--admin", &up.address("admin")]);
    assert!(text(&status.stdout).contains(&port.to_string()), "{}", text(&status.stdout));
    assert!(status.status.success(), "nothing waits for the next start: {}", text(&status.stdout));
}
