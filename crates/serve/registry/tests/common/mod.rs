//! A registry on a port of its own, and a client for it.
#![allow(dead_code, missing_docs, reason = "each test file uses its part")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Directory, ManualClock};
use haechi_registry::{Options, Registry};
use haechi_stream::{Events, Subscriber};
use haechi_web::client::{Answer, Client, client};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The date at which every harness starts.
pub const EPOCH_MS: u64 = 1_795_289_986_000;

pub struct Harness {
    pub registry: Registry,
    pub clock: Arc<ManualClock>,
    pub events: Events,
    pub subscriber: Subscriber,
    pub base: String,
    pub client: Client,
}

impl Harness {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, options)
    }

    pub fn on(listener: TcpListener, options: Options) -> Self {
        let base = format!("http://{}/eureka/", listener.local_addr().unwrap());
        let clock = ManualClock::at(EPOCH_MS);
        let events = Events::new(clock.clone());
        let (publisher, subscriber) = haechi_stream::channel();
        let registry = Registry::start(options, listener, publisher, events.clone(), clock.clone());
        let client = client(Duration::from_secs(5), Duration::from_secs(30)).unwrap();
        Self { registry, clock, events, subscriber, base, client }
    }

    pub fn url(&self, path: &str) -> String {
        match path.strip_prefix('/') {
            Some(rooted) => format!("{}{rooted}", self.base.strip_suffix("eureka/").unwrap()),
            None => format!("{}{path}", self.base),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.client.get(self.url(path)).header("accept", "application/json").send().await.unwrap()
    }

    pub async fn put(&self, path: &str) -> Answer {
        self.client.put(self.url(path)).header("accept", "application/json").send().await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.client.delete(self.url(path)).header("accept", "application/json").send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        self.client
            .post(self.url(path))
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .body(body.into())
            .send()
            .await
            .unwrap()
    }

    pub async fn register(&self, app: &str, id: &str, port: u16) -> Answer {
        self.post(&format!("apps/{app}"), instance(app, id, port).to_string()).await
    }

    /// Sends a request as it is, so that no client's tidiness hides anything.
    pub async fn raw(&self, method_and_target: &str, headers: &[&str], body: &str) -> Raw {
        self.raw_bytes(method_and_target, headers, body.as_bytes()).await
    }

    pub async fn raw_bytes(&self, method_and_target: &str, headers: &[&str], body: &[u8]) -> Raw {
        let authority = self.base.strip_prefix("http://").unwrap().strip_suffix("/eureka/").unwrap();
        let mut stream = TcpStream::connect(authority).await.unwrap();
        let mut request = format!("{method_and_target} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n");
        for header in headers {
            write!(request, "{header}\r\n").unwrap();
        }
        if !body.is_empty() || method_and_target.starts_with('P') {
            write!(request, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        request.push_str("\r\n");
        stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Raw { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The head of an answer, whatever its body.
    pub async fn raw_head(&self, method_and_target: &str, headers: &[&str]) -> String {
        self.raw(method_and_target, headers, "").await.head
    }

    /// The directory that holds everything that has happened so far.
    pub async fn directory(&mut self) -> Arc<Directory> {
        let wanted = self.registry.status().generation;
        loop {
            let directory = self.subscriber.current();
            if directory.generation.0 >= wanted {
                return directory;
            }
            assert!(self.subscriber.changed().await);
        }
    }

    /// Lets time pass second by second, as it does.
    pub fn pass(&self, secs: u64) {
        for _ in 0..secs {
            self.clock.advance(Duration::from_secs(1));
            self.registry.tick();
        }
    }

    pub async fn stop(self) {
        drop(self.client);
        self.registry.stop().await;
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    /// A header, empty if absent.
    pub fn field(&self, name: &str) -> String {
        let fields = self.head.lines().filter_map(|l| l.split_once(": "));
        fields
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.to_owned())
            .next()
            .unwrap_or_default()
    }
}

/// A registration as Spring's client sends it.
pub fn instance(app: &str, id: &str, port: u16) -> Value {
    serde_json::json!({"instance": {
        "instanceId": id, "hostName": "h1", "app": app.to_uppercase(), "ipAddr": "10.0.0.1", "status": "UP",
        "overriddenStatus": "UNKNOWN",
        "port": {"$": port, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"}, "countryId": 1,
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": 90},
        "metadata": {"zone": "z1"}, "homePageUrl": "http://h1:8080/", "vipAddress": app,
        "secureVipAddress": format!("{app}-s"), "isCoordinatingDiscoveryServer": "false",
        "lastUpdatedTimestamp": "1795289986330", "lastDirtyTimestamp": "1795289986330"
    }})
}

pub async fn body(answer: Answer) -> String {
    answer.text().await.unwrap()
}

pub async fn json(answer: Answer) -> Value {
    serde_json::from_str(&body(answer).await).unwrap()
}
