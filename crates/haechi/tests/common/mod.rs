//! The binary as a process, services for it, and files.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test file uses its part")]

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

const HAECHI: &str = env!("CARGO_BIN_EXE_haechi");

/// A service that answers with its name and the path it was asked for.
pub struct Service(pub &'static str);

impl Handler for Service {
    async fn handle(&self, request: Request) -> Response {
        answer::text(http::StatusCode::OK, format!("{} {}", self.0, request.uri.path()))
    }
}

pub async fn service(name: &'static str) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(haechi_web::serve(listener, Arc::new(Service(name)), Limits::default(), stopped));
    (address, stop)
}

/// `haechi up`, with what it printed when it was ready.
pub struct Up {
    pub child: Child,
    pub lines: Lines<BufReader<ChildStdout>>,
    pub ready: String,
}

impl Up {
    pub async fn start(file: &Path) -> Self {
        Self::start_with(file, Stdio::inherit()).await
    }

    pub async fn start_with(file: &Path, stderr: Stdio) -> Self {
        Self::spawn(tokio::process::Command::new(HAECHI), file, stderr).await
    }

    /// One that may open so many files.
    pub async fn start_with_descriptors(file: &Path, most: u64) -> Self {
        let mut limited = tokio::process::Command::new("prlimit");
        limited.arg(format!("--nofile={most}:{most}")).arg(HAECHI);
        Self::spawn(limited, file, Stdio::inherit()).await
    }

    async fn spawn(mut program: tokio::process::Command, file: &Path, stderr: Stdio) -> Self {
        let mut child = program
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
    pub fn address(&self, what: &str) -> String {
        let after = self.ready.split(&format!("{what} on ")).nth(1).expect("the part is listed");
        format!("http://{}", after.split(',').next().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

pub fn http() -> Client {
    client::client(Duration::from_secs(5), Duration::from_secs(20)).unwrap()
}

pub async fn get(url: &str) -> (u16, String) {
    let response = http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Asks until the answer is this. A test that hangs here fails by its runner's patience.
pub async fn until(url: &str, wanted: (u16, &str)) {
    loop {
        let (status, body) = get(url).await;
        if status == wanted.0 && body.contains(wanted.1) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn write(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("haechi.yaml");
    // In one step, as editors do: half a file must never be read.
    let new = folder.path().join("haechi.yaml.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
}

pub fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haechi")).args(args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn gateway(routes: &str, services: &str) -> String {
    format!(
        "admin: {{ listen: 127.0.0.1:0 }}\ngateway:\n  listeners: [{{ name: web, listen: 127.0.0.1:0 }}]\n  routes:\n{routes}services:\n{services}"
    )
}

/// Registers an instance as a Eureka client does.
pub async fn register(registry: &str, app: &str, id: &str, address: &str) -> u16 {
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
