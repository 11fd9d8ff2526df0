//! An open-loop load for the story: requests leave at their intended times whatever the answers do, so a
//! stall shows as late answers instead of as fewer questions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Clock;
use haechi_web::client::Client;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests sent.
    pub sent: u64,
    /// Requests not answered with 200, with the reason and how often.
    pub failed: BTreeMap<String, u64>,
    /// Answers by body.
    pub answers: BTreeMap<String, u64>,
    /// Time from the intended moment to the whole answer, each.
    pub times: Vec<Duration>,
}

impl Tally {
    /// Requests that failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The time that `share` (0 to 1) of the answers took at most.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        times.get((share * last as f64).round() as usize).copied().unwrap_or_default()
    }
}

/// A load that runs until it is stopped.
pub struct Load {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Tally>,
}

impl Load {
    /// Starts `per_second` GETs of `url`.
    pub fn start(http: Client, url: String, per_second: u32, clock: Arc<dyn Clock>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(http, url, per_second, clock, stopped));
        Self { stop, task }
    }

    /// Stops sending, waits for the last answers and tells what happened.
    pub async fn finish(self) -> anyhow::Result<Tally> {
        self.stop.send_replace(true);
        Ok(self.task.await?)
    }
}

async fn run(
    http: Client,
    url: String,
    per_second: u32,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    loop {
        let due = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            due = tick.tick() => due,
        };
        let (http, url, tally, clock) = (http.clone(), url.clone(), Arc::clone(&tally), Arc::clone(&clock));
        // Counted from when it was due, not from when this loop got to it.
        let intended = clock.now() - due.elapsed();
        requests.spawn(async move {
            let outcome = get(&http, &url).await;
            record(&mut *tally.lock().await, outcome, clock.now().since(intended));
        });
        while requests.try_join_next().is_some() {}
    }
    requests.join_all().await;
    Arc::try_unwrap(tally).map(Mutex::into_inner).unwrap_or_default()
}

async fn get(http: &Client, url: &str) -> Result<String, String> {
    let response = http.get(url).send().await.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = cause.to_string();
            source = cause.source();
        }
        text
    })?;
    let status = response.status();
    let body = response.text().await.map_err(|error| error.to_string())?;
    if status == 200 { Ok(body) } else { Err(format!("{status}: {}", body.trim())) }
}

fn record(tally: &mut Tally, outcome: Result<String, String>, took: Duration) {
    tally.sent += 1;
    tally.times.push(took);
    match outcome {
        Ok(body) => *tally.answers.entry(body).or_default() += 1,
        Err(why) => *tally.failed.entry(why).or_default() += 1,
    }
}
