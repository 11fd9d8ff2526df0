//! All figures of a run, and how they are told.

use std::fmt;

use serde::Serialize;

use super::measure::Sample;
use super::{Options, Subject};
use crate::backend::{SIZES, Size};
use crate::report::stats::{median, spread};
use crate::report::table::Table;

/// Samples of one gateway at one size.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Who.
    pub subject: String,
    /// Size of the body.
    pub size: &'static str,
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
    /// Bytes for an idle connection.
    pub idle: Vec<(String, f64)>,
    /// System calls a request, by subject and size.
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
        Self { method, subjects, series: Vec::new(), idle: Vec::new(), syscalls: Vec::new() }
    }

    /// Adds a sample.
    pub fn add(&mut self, subject: String, size: Size, sample: Sample) {
        let known = |series: &&mut Series| series.subject == subject && series.size == size.name;
        match self.series.iter_mut().find(known) {
            Some(series) => series.samples.push(sample),
            None => self.series.push(Series { subject, size: size.name, samples: vec![sample] }),
        }
    }

    /// The samples of a subject at a size.
    pub fn series(&self, subject: &str, size: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.subject == subject && series.size == size)
    }

    /// CPU time of `subject` relative to `base`, 1 being equal and less being cheaper.
    pub fn ratio(&self, subject: &str, base: &str, size: &str) -> Option<f64> {
        Some(self.series(subject, size)?.per_100k() / self.series(base, size)?.per_100k())
    }

    fn cpu_table(&self, size: &str) -> Table {
        let mut table = Table::new([
            size,
            "CPU s / 100,000",
            "±",
            "user / sys",
            "× HAProxy",
            "× nginx",
            "requests/s",
            "core",
            "p50 / p99 ms",
            "failed",
        ]);
        for (subject, _) in &self.subjects {
            let Some(series) = self.series(subject, size) else { continue };
            let ratio = |base| {
                self.ratio(subject, base, size).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"))
            };
            let user = series.median(|sample| sample.cpu.user / sample.requests as f64 * 1e5);
            let system = series.median(|sample| sample.cpu.system / sample.requests as f64 * 1e5);
            table.row([
                subject.clone(),
                format!("{:.3}", series.per_100k()),
                format!("{:.0} %", series.spread() * 100.0),
                format!("{user:.2} / {system:.2}"),
                ratio("HAProxy"),
                ratio("nginx"),
                format!("{:.0}", series.median(|sample| sample.requests as f64 / sample.seconds)),
                format!("{:.0} %", series.median(Sample::core_share) * 100.0),
                format!("{:.2} / {:.2}", series.median(|s| s.p50_ms), series.median(|s| s.p99_ms)),
                format!("{}", series.samples.iter().map(|sample| sample.failed).sum::<u64>()),
            ]);
        }
        table
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.method)?;
        for size in SIZES {
            if self.series.iter().any(|series| series.size == size.name) {
                writeln!(f, "{}", self.cpu_table(size.name))?;
            }
        }
        if !self.idle.is_empty() {
            let mut table = Table::new(["idle connection", "bytes each"]);
            for (subject, bytes) in &self.idle {
                table.row([subject.clone(), format!("{bytes:.0}")]);
            }
            writeln!(f, "{table}")?;
        }
        if !self.syscalls.is_empty() {
            let mut table = Table::new(["system calls a request", "size", "calls"]);
            for (subject, size, calls) in &self.syscalls {
                table.row([subject.clone(), (*size).to_owned(), format!("{calls:.2}")]);
            }
            writeln!(f, "{table}")?;
        }
        Ok(())
    }
}
