//! What is printed, and what must hold.

use std::cell::RefCell;

use serde::Serialize;
use serde_json::{Value, json};

use super::kinds::{KINDS, Turn};
use super::strict::Met;
use super::watch::{Sample, is_flat, sixths, sum};
use crate::change::Seen;
use crate::error::Error;
use crate::report::table::Table;

/// Descriptors that may be more than before: pipes and what a look at the process itself opens.
const KEPT: usize = 64;
/// What must be nought again, each a gauge of the program.
const GAUGES: [&str; 6] = [
    "haechi_client_connections",
    "haechi_in_flight",
    "haechi_layer4_open",
    "haechi_udp_sessions",
    "haechi_http3_connections",
    "haechi_tls_handshakes_under_way",
];

/// Turns of each kind.
#[derive(Debug, Default)]
pub struct Tally(RefCell<[Row; KINDS.len()]>);

/// What became of a kind.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Row {
    pub turns: u64,
    /// The connection was not made.
    pub unreached: u64,
    /// The connection was closed without an answer.
    pub closed: u64,
    /// By class, 1xx first.
    pub answers: [u64; 5],
}

impl Tally {
    /// Counts a turn; `None` when its connection was not made.
    pub fn count(&self, index: usize, turn: Option<Turn>) {
        let row = &mut self.0.borrow_mut()[index];
        row.turns += 1;
        match turn {
            None => row.unreached += 1,
            Some(turn) => {
                row.closed += u64::from(turn.closed);
                for (sum, count) in row.answers.iter_mut().zip(turn.answers) {
                    *sum += count;
                }
            }
        }
    }

    /// Each kind by its name.
    pub fn rows(&self) -> Vec<(&'static str, Row)> {
        KINDS.iter().zip(*self.0.borrow()).map(|((kind, _), row)| (kind.name(), row)).collect()
    }
}

/// The process after the traffic.
#[derive(Debug)]
pub struct After {
    pub sample: Sample,
    pub metrics: Option<String>,
}

impl After {
    /// What was not given back.
    pub fn left(&self, before: Sample) -> Vec<String> {
        let Some(metrics) = &self.metrics else { return vec!["it doesn't answer".to_owned()] };
        let mut left: Vec<String> = GAUGES
            .iter()
            .map(|name| (name, sum(metrics, name)))
            .filter(|(_, value)| *value > 0)
            .map(|(name, value)| format!("{name} is {value}"))
            .collect();
        if self.sample.descriptors > before.descriptors + KEPT {
            left.push(format!("{} descriptors, {} before", self.sample.descriptors, before.descriptors));
        }
        if self.sample.threads > before.threads + 8 {
            left.push(format!("{} threads, {} before", self.sample.threads, before.threads));
        }
        left
    }

    fn panics(&self) -> u64 {
        self.metrics.as_ref().map_or(0, |metrics| sum(metrics, "haechi_panics_total"))
    }
}

/// All that was found.
#[derive(Debug)]
pub struct Found {
    pub before: Sample,
    pub after: After,
    pub samples: Vec<Sample>,
    /// From the log.
    pub panics: Vec<String>,
    /// Of the log.
    pub lines: usize,
    /// Configurations applied, or why one was not.
    pub changed: Result<u32, Error>,
    pub seconds: f64,
}

/// Prints it.
pub fn print(found: &Found, tally: &Tally, seen: &Seen, met: &Met) {
    let mut table =
        Table::new(["traffic", "connections", "2xx", "3xx", "4xx", "5xx", "closed without", "not made"]);
    for (name, row) in tally.rows() {
        let [_, ok, redirects, refused, failed] = row.answers;
        let counts = [row.turns, ok, redirects, refused, failed, row.closed, row.unreached];
        table.row(std::iter::once(name.to_owned()).chain(counts.map(|count| count.to_string())));
    }
    println!("{table}");
    let mut memory = Table::new(["process", "1st sixth", "2nd", "3rd", "4th", "5th", "6th", "after"]);
    let sixth = |number: usize| {
        let samples = &found.samples;
        &samples[samples.len() * number / 6..samples.len() * (number + 1) / 6]
    };
    let most = |of: fn(&Sample) -> usize| {
        let each = (0..6).map(move |number| sixth(number).iter().map(of).max().unwrap_or(0).to_string());
        each.chain([of(&found.after.sample).to_string()])
    };
    let mebibytes = |bytes: f64| format!("{:.1}", bytes / 1_048_576.0);
    let medians = sixths(&found.samples).map(mebibytes).into_iter();
    let medians = medians.chain([mebibytes(found.after.sample.memory as f64)]);
    memory.row(std::iter::once("memory, MiB, median".to_owned()).chain(medians));
    memory.row(std::iter::once("descriptors, most".to_owned()).chain(most(|sample| sample.descriptors)));
    memory.row(std::iter::once("threads, most".to_owned()).chain(most(|sample| sample.threads)));
    let sessions = most(|sample| sample.udp_sessions);
    memory.row(std::iter::once("UDP sessions, most".to_owned()).chain(sessions));
    let http3 = most(|sample| sample.http3_connections);
    memory.row(std::iter::once("HTTP/3 connections, most".to_owned()).chain(http3));
    println!("{memory}");
    println!(
        "{:.0} s, {} configurations applied; good clients: {} requests and {} messages answered right, {} datagrams \
         came back, {} of them when sent again, {} failed; \
         {} panics counted, {} lines of {} in the log tell of one; the strict service took {} requests and could not \
         read {}",
        found.seconds,
        found.changed.as_ref().copied().unwrap_or_default(),
        seen.requests.get(),
        seen.messages.get(),
        seen.datagrams.get(),
        seen.sent_again.get(),
        seen.failures.borrow().len(),
        found.after.panics(),
        found.panics.len(),
        found.lines,
        met.requests.get(),
        met.refused.borrow().len()
    );
}

/// All of it for other programs.
pub fn json(found: &Found, tally: &Tally, seen: &Seen) -> Value {
    let kinds: Value = tally.rows().into_iter().map(|(name, row)| (name.to_owned(), json!(row))).collect();
    json!({
        "seconds": found.seconds,
        "kinds": kinds,
        "good": {
            "requests": seen.requests.get(),
            "messages": seen.messages.get(),
            "datagrams": seen.datagrams.get(),
            "datagrams sent again": seen.sent_again.get(),
            "failures": seen.failures.borrow().clone(),
        },
        "panics": found.panics,
        "samples": found.samples,
        "after": found.after.sample,
    })
}

/// Whether all of it holds. There may be so many sessions of UDP.
pub fn verdict(found: &Found, seen: &Seen, met: &Met, sessions: usize) -> Result<(), Error> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    if let Err(error) = &found.changed {
        must(false, error.to_string());
    }
    let failures = seen.failures.borrow();
    must(
        failures.is_empty(),
        format!("{} requests of good clients failed: {:?}", failures.len(), first(&failures)),
    );
    must(found.panics.is_empty(), format!("it panicked: {:?}", first(&found.panics)));
    must(found.after.panics() == 0, format!("{} panics were counted", found.after.panics()));
    let refused = met.refused.borrow();
    must(refused.is_empty(), format!("the strict service could not read a request: {:?}", first(&refused)));
    must(is_flat(&sixths(&found.samples)), "memory grew".to_owned());
    let most = found.samples.iter().map(|sample| sample.udp_sessions).max().unwrap_or(0);
    must(most <= sessions, format!("{most} sessions of UDP, and {sessions} may be"));
    let datagrams = seen.datagrams.get();
    must(datagrams > 0, "no datagram came back".to_owned());
    let left = found.after.left(found.before);
    must(left.is_empty(), left.join(", "));
    if wrong.is_empty() { Ok(()) } else { Err(Error::Missed(wrong.join("; "))) }
}

fn first(of: &[String]) -> &[String] {
    &of[..of.len().min(5)]
}
