//! `haechi demo --story`: S1 played step by step, each step with its proof. A step that does not hold fails
//! the story and the exit code.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use haechi_core::{Clock, WallTime};
use haechi_web::client::{self, Client};
use serde_json::Value;

use super::attempts;
use super::load::Load;
use super::setup::{Folder, Instance, Ports};

/// Requests a second while an instance is stopped, killed or frozen.
const PER_SECOND: u32 = 500;
/// The last attempt may reach a killed instance this long after its death.
const DEATH_NOTICE: Duration = Duration::from_millis(100);
/// A state that should come soon is waited for this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The story's stage.
pub struct Story {
    ports: Ports,
    folder: Arc<Folder>,
    instances: [Instance; 2],
    http: Client,
    clock: Arc<dyn Clock>,
    step: u32,
}

impl Story {
    /// Over a demo that accepts already.
    pub fn new(
        ports: Ports,
        folder: Arc<Folder>,
        instances: [Instance; 2],
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let http = client::client(Duration::from_secs(2), Duration::from_secs(10))?;
        Ok(Self { ports, folder, instances, http, clock, step: 0 })
    }

    /// Plays every step.
    pub async fn play(mut self) -> anyhow::Result<()> {
        self.both_instances_answer().await?;
        self.requests_alternate().await?;
        self.a_message_changes_without_a_restart().await?;
        self.a_route_changes_without_a_restart().await?;
        self.a_clean_stop_fails_no_request().await?;
        self.a_killed_instance_leaves_at_once().await?;
        self.a_frozen_instance_leaves_within_the_timeout().await?;
        println!("\nThe story holds: {} steps, each proven above.", self.step);
        Ok(())
    }

    fn begin(&mut self, title: &str) {
        self.step += 1;
        println!("\n{}. {title}", self.step);
    }

    fn proof(text: &str) {
        println!("   ✓ {text}");
    }

    fn gateway(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.gateway)
    }

    async fn get(&self, url: &str) -> anyhow::Result<(u16, String)> {
        let response = self.http.get(url).send().await.with_context(|| format!("GET {url}"))?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    async fn post(&self, url: &str) -> anyhow::Result<String> {
        let response = self.http.post(url).send().await.with_context(|| format!("POST {url}"))?;
        let status = response.status();
        let body = response.text().await?;
        ensure!(status.is_success(), "POST {url} answered {status}: {body}");
        Ok(body)
    }

    /// Asks again until `done` says so; fails with what was seen last.
    async fn until<F, T>(&self, what: &str, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let start = self.clock.now();
        loop {
            match ask().await {
                Ok(value) => return Ok(value),
                Err(error) if self.clock.now().since(start) > PATIENCE => {
                    return Err(error.context(format!("waited {PATIENCE:?} for {what}")));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Waits until the gateway knows exactly these instances as up.
    async fn until_up(&self, ports: &[u16]) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/api/overview", self.ports.admin);
        let mut wanted: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        wanted.sort_unstable();
        self.until(&format!("{} to be up", wanted.join(" and ")), || async {
            let overview: Value = serde_json::from_str(&self.get(&url).await?.1)?;
            let up = up_endpoints(&overview);
            ensure!(up == wanted, "up are {up:?}");
            Ok(())
        })
        .await
    }

    async fn both_instances_answer(&mut self) -> anyhow::Result<()> {
        self.begin("Two instances registered, configured from git, behind the gateway");
        self.until_up(&self.ports.instances).await?;
        let (status, body) = self.get(&self.gateway("/hello")).await?;
        ensure!((status, body.as_str()) == (200, "Hello World!"), "GET /hello answered {status}: {body}");
        Self::proof(&format!("curl {} → {body}", self.gateway("/hello")));
        let (status, _) = self.get(&self.gateway("/hello/api/x")).await?;
        ensure!(status == 404, "an ignored pattern answered {status}");
        Self::proof("zuul.ignoredPatterns=/**/api/** → 404");
        Ok(())
    }

    async fn requests_alternate(&mut self) -> anyhow::Result<()> {
        self.begin("Requests alternate between the two instances");
        let mut seen = Vec::new();
        for _ in 0..20 {
            seen.push(self.get(&self.gateway("/hello/id")).await?.1);
        }
        for pair in seen.windows(2) {
            ensure!(pair[0] != pair[1], "{} answered twice in a row: {seen:?}", pair[0]);
        }
        Self::proof(&format!("20 requests: {}, {}, {}, {} …", seen[0], seen[1], seen[2], seen[3]));
        Ok(())
    }

    async fn a_message_changes_without_a_restart(&mut self) -> anyhow::Result<()> {
        self.begin("Edit the message in git, POST /refresh, and the new text is served");
        self.folder.commit(
            &[("helloworld-service.properties", "message=Hello again, from git!\n")],
            "Say something new",
        )?;
        for port in self.ports.instances {
            let url = format!("http://127.0.0.1:{port}/refresh");
            let answer = self.post(&url).await?;
            ensure!(answer == r#"["message"]"#, "POST {url} answered {answer}");
            Self::proof(&format!("curl -X POST {url} → {answer}"));
        }
        for _ in 0..2 {
            let (_, body) = self.get(&self.gateway("/hello")).await?;
            ensure!(body == "Hello again, from git!", "the gateway still serves {body:?}");
        }
        Self::proof("curl /hello → Hello again, from git! (both instances, same processes)");
        Ok(())
    }

    async fn a_route_changes_without_a_restart(&mut self) -> anyhow::Result<()> {
        self.begin("Change a Zuul route in git while requests flow");
        let load = self.load("/hello/id");
        self.settle(Duration::from_millis(500)).await;
        let properties = |path: &str| {
            format!(
                "zuul.ignored-services=*\nzuul.ignoredPatterns=/**/api/**\nzuul.routes.helloworld-service=/hello/**\n\
                 {path}helloworld-service.ribbon.ConnectTimeout=500\nhelloworld-service.ribbon.ReadTimeout=1000\n"
            )
        };
        let added = "zuul.routes.hi.path=/hi/**\nzuul.routes.hi.service-id=helloworld-service\n";
        self.folder.commit(&[("helloworld-client.properties", &properties(added))], "Add a route")?;
        let url = format!("http://127.0.0.1:{}/refresh", self.ports.admin);
        let answer = self.post(&url).await?;
        ensure!(answer.contains("zuul.routes.hi.path"), "POST {url} answered {answer}");
        Self::proof(&format!("curl -X POST {url} → {answer}"));
        let (status, body) = self.get(&self.gateway("/hi")).await?;
        ensure!(status == 200, "the new route answered {status}: {body}");
        self.folder.commit(&[("helloworld-client.properties", &properties(""))], "Take it out again")?;
        self.post(&url).await?;
        let (status, _) = self.get(&self.gateway("/hi")).await?;
        ensure!(status == 404, "the removed route answered {status}");
        self.settle(Duration::from_millis(500)).await;
        let tally = load.finish().await?;
        ensure!(tally.failures() == 0, "requests failed: {:?}", tally.failed);
        Self::proof(&format!(
            "/hi → 200, then 404 once removed; {} requests meanwhile, 0 failed",
            tally.sent
        ));
        Ok(())
    }

    async fn a_clean_stop_fails_no_request(&mut self) -> anyhow::Result<()> {
        self.begin(&format!("Stop {} under {PER_SECOND} requests/s", self.ports.instances[1]));
        let load = self.load("/hello/id");
        self.settle(Duration::from_secs(1)).await;
        self.instances[1].stop().await?;
        self.settle(Duration::from_secs(1)).await;
        let tally = load.finish().await?;
        ensure!(tally.failures() == 0, "requests failed: {:?}", tally.failed);
        Self::proof(&format!("{} requests, 0 failed; answered by {}", tally.sent, by_answer(&tally.answers)));
        self.until_up(&self.ports.instances[..1]).await?;
        Self::proof("it said goodbye to the registry and left the rotation at once");
        Ok(())
    }

    async fn restart_second(&mut self) -> anyhow::Result<()> {
        self.instances[1] = Instance::start(self.ports.instances[1], &self.ports)?;
        self.until_up(&self.ports.instances).await
    }

    async fn a_killed_instance_leaves_at_once(&mut self) -> anyhow::Result<()> {
        self.begin(&format!("Kill {} with SIGKILL under {PER_SECOND} requests/s", self.ports.instances[1]));
        self.restart_second().await?;
        let load = self.load("/hello/id");
        self.settle(Duration::from_secs(1)).await;
        // Taken before the signal, so that the claim errs on the strict side.
        let death = self.clock.wall();
        self.instances[1].kill().await?;
        self.settle(Duration::from_secs(2)).await;
        let tally = load.finish().await?;
        ensure!(tally.failures() == 0, "requests failed: {:?}", tally.failed);
        Self::proof(&format!("{} GETs, 0 failed; slowest {:?}", tally.sent, tally.quantile(1.0)));
        let last = self.last_attempt(self.ports.instances[1])?;
        let after = Duration::from_millis(last.0.saturating_sub(death.0));
        ensure!(after <= DEATH_NOTICE, "the last attempt was sent to it {after:?} after its death");
        Self::proof(&format!("the last attempt was sent to it {after:?} after its death"));
        Ok(())
    }

    async fn a_frozen_instance_leaves_within_the_timeout(&mut self) -> anyhow::Result<()> {
        let timeout = Duration::from_secs(1);
        self.begin(&format!("Freeze {} with SIGSTOP under {PER_SECOND} requests/s", self.ports.instances[1]));
        self.restart_second().await?;
        let load = self.load("/hello/id");
        self.settle(Duration::from_secs(1)).await;
        let frozen = self.clock.wall();
        self.instances[1].freeze()?;
        self.settle(Duration::from_secs(3)).await;
        let tally = load.finish().await?;
        let attempts = attempts::to(&self.folder.access_log(), self.ports.instances[1])?;
        // What comes later is the one trial request at a time that finds out whether it is back.
        let stuck = attempts.iter().filter(|at| **at >= frozen).count();
        self.instances[1].thaw()?;
        ensure!(tally.failures() == 0, "requests failed: {:?}", tally.failed);
        Self::proof(&format!(
            "{} GETs, 0 failed; {stuck} met the frozen instance and were retried on the other; slowest {:?}",
            tally.sent,
            tally.quantile(1.0)
        ));
        let most = (timeout.as_millis() as usize + 500) * PER_SECOND as usize / 1000 / 2;
        ensure!(
            stuck <= most,
            "{stuck} requests met the frozen instance, at most {most} can within the timeout"
        );
        Self::proof(&format!("it was out within its timeout of {timeout:?}"));
        self.until_up(&self.ports.instances).await?;
        Self::proof("thawed, it is back");
        Ok(())
    }

    fn load(&self, path: &str) -> Load {
        Load::start(self.http.clone(), self.gateway(path), PER_SECOND, Arc::clone(&self.clock))
    }

    /// Lets the load run on; nothing is decided by how long this is.
    async fn settle(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// When the gateway last sent an attempt to the instance, by its access log.
    fn last_attempt(&self, port: u16) -> anyhow::Result<WallTime> {
        match attempts::to(&self.folder.access_log(), port)?.into_iter().max() {
            Some(last) => Ok(last),
            None => bail!("the access log names no attempt to {port}"),
        }
    }
}

/// Addresses that the gateway calls up, sorted.
fn up_endpoints(overview: &Value) -> Vec<String> {
    let services = overview["services"].as_array().into_iter().flatten();
    let endpoints = services
        .filter(|service| {
            service["name"].as_str().is_some_and(|n| n.eq_ignore_ascii_case("helloworld-service"))
        })
        .flat_map(|service| service["endpoints"].as_array().into_iter().flatten());
    let mut up: Vec<String> = endpoints
        .filter(|endpoint| endpoint["state"] == "up")
        .filter_map(|endpoint| endpoint["address"].as_str().map(str::to_owned))
        .collect();
    up.sort_unstable();
    up.dedup();
    up
}

fn by_answer(answers: &BTreeMap<String, u64>) -> String {
    answers.iter().map(|(who, n)| format!("{who} {n}×")).collect::<Vec<_>>().join(", ")
}
