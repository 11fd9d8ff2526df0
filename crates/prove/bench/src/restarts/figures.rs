//! What came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::fleet::Seen;
use super::requests::Got;
use crate::error::Error;
use crate::load::connection::{Connection, Failure};
use crate::report::table::Table;

/// Statuses with which the gateway says that a POST may or may not have been processed, or was not.
const HONEST: [u16; 3] = [502, 503, 504];

/// POSTs that are named when they broke a promise.
const NAMED: usize = 10;

/// The gateway's counters that are of interest, by their names in its metrics.
const COUNTERS: [(&str, &str); 8] = [
    ("retries", "haechi_retries_total{service=\"app\"}"),
    ("requests that met a closed idle connection", "haechi_stale_attempts_total{service=\"app\"}"),
    ("connections made", "haechi_connects_total{service=\"app\"}"),
    ("ejections", "haechi_ejections_total{service=\"app\"}"),
    ("retries refused by the budget", "haechi_retry_budget_exhausted_total{service=\"app\"}"),
    (
        "idle connections closed for others' descriptors",
        "haechi_limit_strikes_total{limit=\"idle_connections\"}",
    ),
    ("connections made despite a shortage", "haechi_limit_strikes_total{limit=\"connect_descriptors\"}"),
    ("connections accepted despite one", "haechi_limit_strikes_total{limit=\"descriptors\"}"),
];

/// All figures.
#[derive(Debug, Serialize)]
pub struct Figures {
    restarts: u64,
    moments: BTreeMap<String, u64>,
    gets: u64,
    failed_gets: u64,
    failures: Vec<String>,
    posts: u64,
    /// POSTs of which bytes arrived more than once.
    doubled_posts: Vec<u64>,
    /// POSTs that were answered 200 and arrived nowhere.
    invented_posts: Vec<u64>,
    /// POSTs that failed and arrived at an instance.
    failed_posts_arrived: u64,
    /// POSTs that failed and did not.
    failed_posts_unseen: u64,
    /// POSTs that failed in a way that says nothing, by status.
    dishonest: BTreeMap<u16, u64>,
    counters: BTreeMap<&'static str, u64>,
    peak_descriptors: usize,
    seconds: f64,
}

/// The gateway's metrics.
pub async fn metrics(admin: SocketAddr) -> Result<String, Error> {
    let failed = |source| Error::Check { subject: "Haechi".into(), what: "/metrics".into(), source };
    let mut body = Vec::new();
    let request = b"GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n";
    let mut connection = Connection::open(admin).await?;
    let answer = connection.exchange(request, Some(&mut body)).await.map_err(failed)?;
    if answer.status != 200 {
        return Err(failed(Failure::Wrong(format!("status {}", answer.status))));
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

impl Figures {
    pub fn new(got: &Got, seen: &[Seen], metrics: &str, peak_descriptors: usize, took: Duration) -> Self {
        let mut arrived: BTreeMap<u64, u32> = BTreeMap::new();
        let mut moments: BTreeMap<String, u64> = BTreeMap::new();
        for seen in seen {
            for (number, times) in &seen.posts {
                *arrived.entry(*number).or_default() += times;
            }
            for (moment, count) in &seen.moments {
                *moments.entry(moment.clone()).or_default() += count;
            }
        }
        let has_arrived = |number: &u64| arrived.contains_key(number);
        let failed = || got.posts.iter().filter(|(_, status)| **status != 200);
        let mut dishonest = BTreeMap::new();
        for (_, status) in failed().filter(|(_, status)| !HONEST.contains(status)) {
            *dishonest.entry(*status).or_default() += 1;
        }
        let unseen = got.posts.iter().filter(|(number, status)| **status == 200 && !has_arrived(number));
        let counter = |name: &str| {
            let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            value.unwrap_or_default()
        };
        Self {
            restarts: seen.iter().map(|seen| seen.restarts).sum(),
            moments,
            gets: got.gets,
            failed_gets: got.failed_gets,
            failures: got.told.clone(),
            posts: got.posts.len() as u64,
            doubled_posts: arrived
                .iter()
                .filter(|(_, times)| **times > 1)
                .map(|(number, _)| *number)
                .collect(),
            invented_posts: unseen.map(|(number, _)| *number).collect(),
            failed_posts_arrived: failed().filter(|(number, _)| has_arrived(number)).count() as u64,
            failed_posts_unseen: failed().filter(|(number, _)| !has_arrived(number)).count() as u64,
            dishonest,
            counters: COUNTERS.iter().map(|(name, metric)| (*name, counter(metric))).collect(),
            peak_descriptors,
            seconds: took.as_secs_f64(),
        }
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new(["figure", "count"]);
        table.row(["instances restarted".to_owned(), self.restarts.to_string()]);
        for (moment, count) in &self.moments {
            table.row([format!("- closed a connection: {moment}"), count.to_string()]);
        }
        for (name, count) in [
            ("GETs", self.gets),
            ("- failed", self.failed_gets),
            ("POSTs", self.posts),
            ("- arrived more than once", self.doubled_posts.len() as u64),
            ("- answered 200 and never arrived", self.invented_posts.len() as u64),
            ("- failed, bytes had arrived", self.failed_posts_arrived),
            ("- failed, none had", self.failed_posts_unseen),
        ] {
            table.row([name.to_owned(), count.to_string()]);
        }
        for (name, _) in COUNTERS {
            table.row([name.to_owned(), self.counters.get(name).copied().unwrap_or_default().to_string()]);
        }
        table.row(["descriptors of the gateway, most".to_owned(), self.peak_descriptors.to_string()]);
        table.row(["seconds".to_owned(), format!("{:.0}", self.seconds)]);
        table
    }

    pub fn verdict(&self) -> Result<(), Error> {
        let Self { failures, doubled_posts, invented_posts, dishonest, .. } = self;
        let named = |posts: &[u64]| format!("{:?}", &posts[..posts.len().min(NAMED)]);
        let mut missed = Vec::new();
        if self.failed_gets > 0 {
            missed.push(format!("{} GETs failed: {}", self.failed_gets, failures.join("; ")));
        }
        if !doubled_posts.is_empty() {
            missed.push(format!(
                "{} POSTs arrived more than once: {}",
                doubled_posts.len(),
                named(doubled_posts)
            ));
        }
        if !invented_posts.is_empty() {
            let named = named(invented_posts);
            missed.push(format!("{} POSTs were answered and never arrived: {named}", invented_posts.len()));
        }
        if !dishonest.is_empty() {
            missed.push(format!("POSTs failed without a clear answer, by status: {dishonest:?}"));
        }
        if missed.is_empty() { Ok(()) } else { Err(Error::Missed(missed.join("\n"))) }
    }
}
