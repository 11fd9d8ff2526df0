//! `helloworld-service`, the demo's service: a process of its own and a real client of the registry and the
//! config server. It fetches its configuration, registers, renews, answers `/`, `/id`, `/health` and
//! `/refresh`, and says goodbye before it stops.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use haechi_web::client::Client;
use haechi_web::{Handler, Limits, Request, Response, answer, client, serve};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// What the service's command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct ServiceArgs {
    /// Port on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
    /// Application name, for the registry and the config server.
    #[arg(long, default_value = "helloworld-service")]
    pub name: String,
    /// Base of the registry, for example http://127.0.0.1:8761/eureka.
    #[arg(long)]
    pub registry: String,
    /// Base of the config server, for example http://127.0.0.1:8888.
    #[arg(long)]
    pub config: String,
}

/// A heartbeat is sent this often; the lease lasts three of them.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Between saying goodbye and closing the socket: requests that were on their way still find it open.
const LINGER: Duration = Duration::from_millis(500);

struct Hello {
    args: ServiceArgs,
    http: Client,
    properties: RwLock<BTreeMap<String, String>>,
}

impl Hello {
    fn property(&self, key: &str) -> Option<String> {
        self.properties.read().ok()?.get(key).cloned()
    }

    /// Fetches the configuration and answers the keys that changed, sorted.
    async fn refresh(&self) -> anyhow::Result<Vec<String>> {
        let url = format!("{}/{}/default", self.args.config, self.args.name);
        let response = self.http.get(&url).send().await.with_context(|| format!("can't ask {url}"))?;
        if !response.status().is_success() {
            bail!("{url} answered {}", response.status());
        }
        let document: Value = serde_json::from_slice(&response.bytes().await?)?;
        let new = flatten(&document);
        let mut kept =
            self.properties.write().map_err(|_| anyhow::anyhow!("a reader of the properties panicked"))?;
        let changed = kept
            .iter()
            .filter(|(key, value)| new.get(*key) != Some(value))
            .map(|(key, _)| key.clone())
            .chain(new.keys().filter(|key| !kept.contains_key(*key)).cloned())
            .collect::<std::collections::BTreeSet<_>>();
        *kept = new;
        Ok(changed.into_iter().collect())
    }

    fn instance_id(&self) -> String {
        format!("127.0.0.1:{}:{}", self.args.name, self.args.port)
    }

    fn instance_url(&self) -> String {
        format!("{}/apps/{}/{}", self.args.registry, self.args.name.to_uppercase(), self.instance_id())
    }

    async fn register(&self) -> anyhow::Result<()> {
        let (name, port) = (&self.args.name, self.args.port);
        let base = format!("http://127.0.0.1:{port}");
        let instance = json!({ "instance": {
            "instanceId": self.instance_id(), "hostName": "127.0.0.1", "app": name.to_uppercase(), "ipAddr": "127.0.0.1",
            "status": "UP", "port": { "$": port, "@enabled": "true" }, "securePort": { "$": 443, "@enabled": "false" },
            "dataCenterInfo": { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn" },
            "leaseInfo": { "renewalIntervalInSecs": RENEW_EVERY.as_secs(), "durationInSecs": RENEW_EVERY.as_secs() * 3 },
            "homePageUrl": format!("{base}/"), "healthCheckUrl": format!("{base}/health"), "statusPageUrl": format!("{base}/health"),
            "vipAddress": name, "metadata": { "management.port": port.to_string() },
        }});
        let url = format!("{}/apps/{}", self.args.registry, name.to_uppercase());
        let response = self
            .http
            .post(&url)
            .header("content-type", "application/json")
            .body(instance.to_string())
            .send()
            .await
            .with_context(|| format!("can't register at {url}"))?;
        if !response.status().is_success() {
            bail!("{url} answered {}", response.status());
        }
        Ok(())
    }

    /// Renews until `stop`; registers again when the registry has forgotten us (404) or was away.
    async fn stay_registered(&self, mut stop: watch::Receiver<bool>) {
        let mut known = false;
        let mut tick = tokio::time::interval(RENEW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if known {
                let renewed = self.http.put(self.instance_url()).send().await;
                known = matches!(renewed, Ok(response) if response.status().is_success());
            }
            if !known {
                match self.register().await {
                    Ok(()) => known = true,
                    Err(error) => eprintln!("helloworld-service {}: {error:#}", self.args.port),
                }
            }
        }
    }
}

/// The document's sources laid over each other; the first one wins.
fn flatten(document: &Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for source in document["propertySources"].as_array().into_iter().flatten() {
        for (key, value) in source["source"].as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            flat.entry(key.clone()).or_insert(text);
        }
    }
    flat
}

impl Handler for Hello {
    async fn handle(&self, request: Request) -> Response {
        match (&request.method, request.uri.path()) {
            (&Method::GET | &Method::HEAD, "/") => {
                let message = self.property("message").unwrap_or_else(|| "(no message is configured)".into());
                answer::text(StatusCode::OK, message)
            }
            (&Method::GET | &Method::HEAD, "/id") => {
                answer::text(StatusCode::OK, format!("{}:{}", self.args.name, self.args.port))
            }
            (&Method::GET | &Method::HEAD, "/health") => {
                answer::json(StatusCode::OK, &json!({ "status": "UP" }))
            }
            (&Method::POST, "/refresh" | "/actuator/refresh") => match self.refresh().await {
                Ok(changed) => answer::json(StatusCode::OK, &changed),
                Err(error) => answer::text(StatusCode::BAD_GATEWAY, format!("{error:#}\n")),
            },
            (_, path) => {
                answer::text(StatusCode::NOT_FOUND, format!("helloworld-service has nothing at {path}\n"))
            }
        }
    }
}

/// Runs the service until SIGTERM or Ctrl-C.
pub async fn run(args: ServiceArgs) -> anyhow::Result<()> {
    let address: SocketAddr = ([127, 0, 0, 1], args.port).into();
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
    let http = client::client(Duration::from_secs(2), Duration::from_secs(10))?;
    let hello = Arc::new(Hello { args, http, properties: RwLock::default() });
    hello.refresh().await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let (stop_renewing, renewing) = watch::channel(false);
    let (stop_serving, serving) = watch::channel(false);
    let server = tokio::spawn(serve(listener, Arc::clone(&hello), Limits::default(), serving));
    let renewer = tokio::spawn({
        let hello = Arc::clone(&hello);
        async move { hello.stay_registered(renewing).await }
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop_renewing.send_replace(true);
    renewer.await?;
    if let Err(error) = hello.http.delete(hello.instance_url()).send().await {
        eprintln!("helloworld-service {}: can't say goodbye: {error:#}", hello.args.port);
    }
    tokio::time::sleep(LINGER).await;
    stop_serving.send_replace(true);
    server.await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_wins() {
        let document = json!({ "propertySources": [
            { "source": { "message": "Hello World!", "n": 1 } },
            { "source": { "message": "hidden", "only": "here" } },
        ]});
        let flat = flatten(&document);
        assert_eq!(flat["message"], "Hello World!");
        assert_eq!(flat["n"], "1");
        assert_eq!(flat["only"], "here");
    }
}
