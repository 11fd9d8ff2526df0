//! The binary as its users meet it: real processes, real files, real signals.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use haechi_web::client::{self, Client};
use haechi_web::{Handler, Limits, Request, Response, answer};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout};
use tokio::sync::watch;

/// A service that answers with its name and the path it was asked for.
struct Service(&'static str);

impl Handler for Service {
    async fn handle(&self, request: Request) -> Response {
        answer::text(http::StatusCode::OK, format!("{} {}", self.0, request.uri.path()))
    }
}

async fn service(name: &'static str) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(haechi_web::serve(listener, Arc::new(Service(name)), Limits::default(), stopped));
    (address, stop)
}

/// `haechi up`, with what it printed when it was ready.
struct Up {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    ready: String,
}

impl Up {
    async fn start(file: &Path) -> Self {
        Self::start_with(file, Stdio::inherit()).await
    }

    async fn start_with(file: &Path, stderr: Stdio) -> Self {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_haechi"))
            .args(["up", "-f"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next_line().await.unwrap().expect("it says that it is ready");
        assert!(ready.starts_with("haechi is ready: "), "{ready}");
        Self { child, lines, ready }
    }

    /// The address after `what` in the line that says it is ready.
    fn address(&self, what: &str) -> String {
        let after = self.ready.split(&format!("{what} on ")).nth(1).expect("the part is listed");
        format!("http://{}", after.split(',').next().unwrap())
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

fn http() -> Client {
    client::client(Duration::from_secs(5), Duration::from_secs(20)).unwrap()
}

async fn get(url: &str) -> (u16, String) {
    let response = http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Asks until the answer is this. A test that hangs here fails by its runner's patience.
async fn until(url: &str, wanted: (u16, &str)) {
    loop {
        let (status, body) = get(url).await;
        if status == wanted.0 && body.contains(wanted.1) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("haechi.yaml");
    // In one step, as editors do: half a file must never be read.
    let new = folder.path().join("haechi.yaml.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haechi")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn gateway(routes: &str, services: &str) -> String {
    format!(
        "admin: {{ listen: 127.0.0.1:0 }}\ngateway:\n  listeners: [{{ name: web, listen: 127.0.0.1:0 }}]\n  routes:\n{routes}services:\n{services}"
    )
}

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
    assert_eq!(text(&said.stderr).matches("can't listen").count(), 1, "{}", text(&said.stderr));
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

/// Registers an instance as a Eureka client does.
async fn register(registry: &str, app: &str, id: &str, address: &str) -> u16 {
    let (ip, port) = address.split_once(':').unwrap();
    let body = serde_json::json!({ "instance": {
        "instanceId": id, "app": app, "hostName": ip, "ipAddr": ip, "status": "UP", "vipAddress": app,
        "port": { "$": port.parse::<u16>().unwrap(), "@enabled": "true" },
        "dataCenterInfo": { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn" },
    } });
    let url = format!("{registry}/apps/{app}");
    let request = http().post(url).header("content-type", "application/json").body(body.to_string());
    request.send().await.unwrap().status().as_u16()
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
