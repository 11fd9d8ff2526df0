//! Asking registries what is new: one at a time, the next one when it fails.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::rng::{self, Rng};
use haechi_core::{Generation, ServiceName, ServiceSnapshot};
use haechi_stream::wire::{ANSWER_BYTES, FACTS_PATH, Facts};
use haechi_web::client::{Answer, Client, StatusCode, Url};
use tokio::sync::mpsc;

use super::FollowOptions;
use super::eureka::Eureka;

/// After all registries failed once; doubled each time up to the longest. Each wait is a random part of it, at
/// least half, so that many followers don't come back at one moment.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// What was heard of a registry.
pub(super) struct News {
    pub url: Url,
    pub what: What,
    pub takes_evidence: bool,
}

pub(super) enum What {
    /// Everything that it knows. Who is missing may come back for so long.
    Whole { services: Vec<Arc<ServiceSnapshot>>, settles: Duration },
    /// What changed.
    Part { services: Vec<Arc<ServiceSnapshot>>, removed: Vec<ServiceName> },
    /// It is there, and nothing changed.
    Nothing,
    /// It doesn't answer, and why.
    Lost(String),
}

/// What keeps asking.
pub(super) struct Listener {
    options: FollowOptions,
    client: Client,
    rng: Rng,
    epoch: String,
    since: Generation,
}

enum Heard {
    Facts(Facts),
    Nothing,
    /// It answers, and doesn't speak this.
    OtherProtocol,
}

impl Listener {
    pub fn new(options: FollowOptions, client: Client) -> Self {
        Self { options, client, rng: rng::from_entropy(), epoch: String::new(), since: Generation(0) }
    }

    /// Asks until nobody listens.
    pub async fn run(mut self, news: mpsc::Sender<News>) {
        let mut failures = 0;
        loop {
            for url in self.options.urls.clone() {
                let (heard, why) = self.follow(&url, &news).await;
                if heard {
                    failures = 0;
                }
                let lost = News { url, what: What::Lost(why), takes_evidence: false };
                if news.send(lost).await.is_err() {
                    return;
                }
            }
            let wait = (SHORTEST * (1 << failures.min(6))).min(LONGEST);
            failures += 1;
            tokio::time::sleep(wait.mul_f64(0.5 + self.rng.f64() / 2.0)).await;
        }
    }

    /// Follows one registry until it fails. Answers whether it was heard at all, and why it failed.
    async fn follow(&mut self, url: &Url, news: &mpsc::Sender<News>) -> (bool, String) {
        let mut heard = false;
        loop {
            let what = match self.ask(url).await {
                Ok(Heard::OtherProtocol) => return self.follow_eureka(url, news).await,
                Ok(Heard::Nothing) => What::Nothing,
                Ok(Heard::Facts(facts)) => self.what(facts),
                Err(why) => return (heard, why),
            };
            heard = true;
            if news.send(News { url: url.clone(), what, takes_evidence: true }).await.is_err() {
                return (heard, String::new());
            }
        }
    }

    fn what(&mut self, facts: Facts) -> What {
        self.epoch = facts.epoch;
        self.since = facts.generation;
        if facts.whole {
            What::Whole { services: facts.services, settles: Duration::from_millis(facts.settles_ms) }
        } else {
            What::Part { services: facts.services, removed: facts.removed }
        }
    }

    async fn ask(&self, url: &Url) -> Result<Heard, String> {
        let mut asked = url.join(FACTS_PATH).map_err(|error| error.to_string())?;
        let since = self.since.0.to_string();
        asked.query_pairs_mut().append_pair("epoch", &self.epoch).append_pair("since", &since);
        let answer = self.client.get(asked).send().await.map_err(in_words)?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(Heard::Nothing),
            StatusCode::NOT_FOUND => Ok(Heard::OtherProtocol),
            status if status.is_success() => {
                let body = bounded(answer).await?;
                serde_json::from_slice(&body).map(Heard::Facts).map_err(|error| error.to_string())
            }
            status => Err(status.to_string()),
        }
    }

    /// As [`Listener::follow`], by Eureka's protocol.
    async fn follow_eureka(&mut self, url: &Url, news: &mpsc::Sender<News>) -> (bool, String) {
        let mut eureka = Eureka::new(url, self.client.clone());
        let mut heard = false;
        loop {
            let what = match eureka.ask().await {
                Ok(what) => what,
                Err(why) => return (heard, why),
            };
            heard = true;
            if news.send(News { url: url.clone(), what, takes_evidence: false }).await.is_err() {
                return (heard, String::new());
            }
            tokio::time::sleep(self.options.poll).await;
        }
    }
}

/// An answer's body within the bound.
pub(super) async fn bounded(mut answer: Answer) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(in_words)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(format!("its answer is longer than {ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Without the address, which may hold a password, and with the cause.
pub(super) fn in_words(error: haechi_web::client::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}
