//! One measurement: CPU time of one gateway under one load.

use std::fmt;

use haechi_core::SystemClock;
use serde::Serialize;

use super::rows::Row;
use super::{Options, Subject};
use crate::load::closed::{self, Plan};
use crate::machine::usage::{Cpu, cpu_of_tree};

/// What one measurement gave.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// Right answers.
    pub requests: u64,
    /// Wrong or missing answers.
    pub failed: u64,
    /// What they were.
    pub failures: String,
    /// Seconds measured.
    pub seconds: f64,
    /// The gateway's CPU time.
    pub cpu: Cpu,
    /// Milliseconds to the whole answer, median and 99th percentile (closed loop: for orientation only).
    pub p50_ms: f64,
    /// See `p50_ms`.
    pub p99_ms: f64,
}

impl Sample {
    /// CPU seconds for 100,000 requests.
    pub fn per_100k(&self) -> f64 {
        self.cpu.total() / self.requests as f64 * 1e5
    }

    /// The share of one core that the gateway used: near 1 when saturated.
    pub fn core_share(&self) -> f64 {
        self.cpu.total() / self.seconds
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8.3} CPU s/100k (user {:>4.1} %), {:>7.0} requests/s, core {:>3.0} %",
            self.per_100k(),
            self.cpu.user / self.cpu.total() * 100.0,
            self.requests as f64 / self.seconds,
            self.core_share() * 100.0
        )?;
        if self.failed > 0 { write!(f, ", FAILED {}: {}", self.failed, self.failures) } else { Ok(()) }
    }
}

/// Measures `subject` once.
pub async fn one(options: &Options, subject: &Subject, row: Row) -> Sample {
    let plan = Plan {
        target: subject.running.address,
        connections: options.connections,
        warm_up: options.warm_up(),
        duration: options.duration(),
    };
    let pid = subject.running.child.pid();
    let measured = closed::run(plan, row.request(), &SystemClock::start(), || cpu_of_tree(pid)).await;
    let millis = |quantile| measured.tally.latency.quantile(quantile).as_secs_f64() * 1e3;
    Sample {
        requests: measured.tally.answered,
        failed: measured.tally.failed,
        failures: measured.tally.failures(),
        seconds: measured.elapsed.as_secs_f64(),
        cpu: measured.samples.1 - measured.samples.0,
        p50_ms: millis(0.5),
        p99_ms: millis(0.99),
    }
}
