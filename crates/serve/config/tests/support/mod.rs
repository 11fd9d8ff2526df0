//! A config server on port 0 over repositories made in a folder that goes away.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_config::{ConfigServer, GitOptions, Options, RepositoryOptions, SourceOptions};
use haechi_core::SystemClock;
use haechi_git::{Change, Signature};
use haechi_stream::Events;
use haechi_web::client::{Client, client};
use tokio::sync::watch;

pub struct Served {
    pub server: ConfigServer,
    pub events: Events,
    pub address: SocketAddr,
    pub client: Client,
    _stop: watch::Sender<bool>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
}

pub async fn serve(options: Options) -> Served {
    let clock = SystemClock::start();
    let events = Events::new(clock.clone());
    let server = ConfigServer::start(options, clock, events.clone()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener, stopped).await });
    let client = client(Duration::from_secs(5), Duration::from_secs(20)).unwrap();
    Served { server, events, address, client, _stop: stop }
}

impl Served {
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Reply {
        self.send("GET", path, headers, "").await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Reply {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method.parse().unwrap(), url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.text().await.unwrap() }
    }

    /// What happened, in sentences.
    pub fn said(&self) -> Vec<String> {
        self.events.recent().into_iter().map(|event| event.what).collect()
    }
}

/// One git repository and everything else by default.
pub fn git(uri: impl Into<String>, mirrors: impl Into<PathBuf>) -> Options {
    git_with(RepositoryOptions::new(uri), mirrors)
}

pub fn git_with(repository: RepositoryOptions, mirrors: impl Into<PathBuf>) -> Options {
    let git = GitOptions { default: repository, repositories: Vec::new() };
    Options::new(vec![SourceOptions::Git(git)], mirrors.into())
}

/// Makes a repository with one commit.
pub fn repository(dir: &Path, files: &[(&str, &str)]) -> String {
    haechi_git::init(dir).unwrap();
    commit(dir, files)
}

pub fn commit(dir: &Path, files: &[(&str, &str)]) -> String {
    let changes: Vec<_> = files.iter().map(|(path, text)| (*path, Change::Write(text.as_bytes()))).collect();
    let by = Signature { name: "T".into(), email: "t@example".into(), seconds: 1_700_000_000 };
    haechi_git::commit(dir, &changes, "change", &by).unwrap()
}

pub fn program(dir: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// `git daemon` over a folder's repositories that can be made to hang: it accepts, and says nothing.
pub struct Remote {
    pub address: SocketAddr,
    hangs: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Remote {
    pub fn new(base: &Path) -> Self {
        use std::process::{Command, Stdio};
        use std::sync::atomic::Ordering;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let hangs = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
        let (base, hang) = (format!("--base-path={}", base.display()), hangs.clone());
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if hang.load(Ordering::SeqCst) {
                    held.push(stream);
                    continue;
                }
                let output: std::os::fd::OwnedFd = stream.try_clone().unwrap().into();
                let input: std::os::fd::OwnedFd = stream.into();
                let _ = Command::new("git")
                    .args(["daemon", "--inetd", "--export-all", &base])
                    .stdin(Stdio::from(input))
                    .stdout(Stdio::from(output))
                    .stderr(Stdio::null())
                    .status();
            }
        });
        Self { address, hangs }
    }

    pub fn uri(&self, repository: &str) -> String {
        format!("git://{}/{repository}", self.address)
    }

    pub fn hang(&self) {
        self.hangs.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}
