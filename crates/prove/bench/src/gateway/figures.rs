//! All figures of a run, and how they are told.

use std::fmt;

use serde::Serialize;

use super::latency::Latency;
use super::measure::Sample;
use super::rows::{ROWS, Row};
use super::{Options, Subject};
use crate::report::stats::{median, spread};
use crate::report::table::Table;

/// Who others are compared with, where they were measured.
const BASES: [&str; 3] = ["HAProxy", "nginx", "Envoy"];

/// Samples of one gateway in one row.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Who.
    pub subject: String,
    /// What was asked.
    pub row: &'static str,
    /// One for each repetition.
    pub samples: Vec<Sample>,
}

impl Series {
    /// Median CPU seconds for 100,000 requests.
    pub fn per_100k(&self) -> f64 {
        self.median(Sample::per_100k)
    }

    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of))
    }

    fn spread(&self) -> f64 {
        spread(&self.samples.iter().map(Sample::per_100k).collect::<Vec<_>>())
    }
}

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// How it was measured, in words.
    pub method: String,
    /// Who was measured, in order, with versions.
    pub subjects: Vec<(String, String)>,
    /// Samples.
    pub series: Vec<Series>,
    /// Requests a second at which latencies were taken.
    pub rate: u32,
    /// Latencies at that rate.
    pub latencies: Vec<Latency>,
    /// Bytes for an idle connection.
    pub idle: Vec<(String, f64)>,
    /// System calls a request, by subject and row.
    pub syscalls: Vec<(String, &'static str, f64)>,
}

impl Figures {
    /// Nothing measured yet.
    pub fn new(options: &Options, subjects: &[Subject]) -> Self {
        let method = format!(
            "saturated, {} keep-alive connections, {} repetitions of {} s in turns, medians; gateway on core {}, \
             load generator and service on core {}; CPU time of the gateway's processes",
            options.connections,
            options.reps,
            options.seconds,
            options.cores.subject_core,
            options.cores.client_core
        );
        let subjects =
            subjects.iter().map(|subject| (subject.name(), subject.running.version.clone())).collect();
        let rate = options.rate;
        let (series, latencies, idle, syscalls) = Default::default();
        Self { method, subjects, series, rate, latencies, idle, syscalls }
    }

    /// Adds a sample.
    pub fn add(&mut self, subject: String, row: Row, sample: Sample) {
        let known = |series: &&mut Series| series.subject == subject && series.row == row.name;
        match self.series.iter_mut().find(known) {
            Some(series) => series.samples.push(sample),
            None => self.series.push(Series { subject, row: row.name, samples: vec![sample] }),
        }
    }

    /// The samples of a subject in a row.
    pub fn series(&self, subject: &str, row: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.subject == subject && series.row == row)
    }

    /// CPU time of `subject` relative to `base`, 1 being equal and less being cheaper.
    pub fn ratio(&self, subject: &str, base: &str, row: &str) -> Option<f64> {
        Some(self.series(subject, row)?.per_100k() / self.series(base, row)?.per_100k())
    }

    fn cpu_table(&self, row: &str) -> Table {
        let mut bases = BASES.to_vec();
        bases.retain(|base| self.series(base, row).is_some());
        let mut headings = [row, "CPU s / 100,000", "±", "user / sys"].map(str::to_owned).to_vec();
        headings.extend(bases.iter().map(|base| format!("× {base}")));
        headings.extend(["requests/s", "core", "p50 / p99 ms", "failed"].map(str::to_owned));
        let mut table = Table::new(headings);
        for (subject, _) in &self.subjects {
            let Some(series) = self.series(subject, row) else { continue };
            let ratio =
                |base| self.ratio(subject, base, row).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            let user = series.median(|sample| sample.cpu.user / sample.requests as f64 * 1e5);
            let system = series.median(|sample| sample.cpu.system / sample.requests as f64 * 1e5);
            let mut cells = vec![
                subject.clone(),
                format!("{:.3}", series.per_100k()),
                format!("{:.0} %", series.spread() * 100.0),
                format!("{user:.2} / {system:.2}"),
            ];
            cells.extend(bases.iter().map(|base| ratio(base)));
            cells.extend([
                format!("{:.0}", series.median(|sample| sample.requests as f64 / sample.seconds)),
                format!("{:.0} %", series.median(Sample::core_share) * 100.0),
                latency(series),
                format!("{}", series.samples.iter().map(|sample| sample.failed).sum::<u64>()),
            ]);
            table.row(cells);
        }
        table
    }
}

/// Median and 99th percentile; h2load tells of none.
fn latency(series: &Series) -> String {
    let (p50, p99) = (series.median(|sample| sample.p50_ms), series.median(|sample| sample.p99_ms));
    if p50.is_nan() { "–".to_owned() } else { format!("{p50:.2} / {p99:.2}") }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.method)?;
        for row in ROWS {
            if self.series.iter().any(|series| series.row == row.name) {
                writeln!(f, "{}", self.cpu_table(row.name))?;
            }
        }
        if !self.latencies.is_empty() {
            let heading = format!("128 B at {}/s", self.rate);
            let mut table = Table::new([heading.as_str(), "p50 ms", "p99 ms", "p99.9 ms", "failed"]);
            for one in &self.latencies {
                table.row([
                    one.subject.clone(),
                    format!("{:.2}", one.p50_ms),
                    format!("{:.2}", one.p99_ms),
                    format!("{:.2}", one.p999_ms),
                    one.failed.to_string(),
                ]);
            }
            writeln!(f, "{table}")?;
        }
        if !self.idle.is_empty() {
            let mut table = Table::new(["idle connection", "bytes each"]);
            for (subject, bytes) in &self.idle {
                table.row([subject.clone(), format!("{bytes:.0}")]);
            }
            writeln!(f, "{table}")?;
        }
        if !self.syscalls.is_empty() {
            let mut table = Table::new(["system calls a request", "row", "calls"]);
            for (subject, row, calls) in &self.syscalls {
                table.row([subject.clone(), (*row).to_owned(), format!("{calls:.2}")]);
            }
            writeln!(f, "{table}")?;
        }
        Ok(())
    }
}
