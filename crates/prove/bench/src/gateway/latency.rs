//! Latency at a rate that every gateway can serve, from intended send times: a stall shows in every request that it
//! delays.

use haechi_core::SystemClock;
use serde::Serialize;

use super::{Options, Subject, rows};
use crate::error::Error;
use crate::load::open;

/// Milliseconds from the intended time to the whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// Who.
    pub subject: String,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// 99.9th percentile.
    pub p999_ms: f64,
    /// Wrong or missing answers.
    pub failed: u64,
}

/// Measures `subject` once, with the smallest row.
pub async fn at_rate(options: &Options, subject: &Subject, rate: u32) -> Result<Latency, Error> {
    let plan = open::Plan {
        target: subject.running.address,
        rate,
        connections: options.connections,
        duration: options.duration(),
    };
    let tally = open::run(plan, rows::ROWS[0].request(), &SystemClock::start(), |_, _| ()).await;
    let millis = |quantile| tally.latency.quantile(quantile).as_secs_f64() * 1e3;
    if tally.answered == 0 {
        return Err(Error::Missed(format!("{} answered nothing at {rate}/s", subject.name())));
    }
    Ok(Latency {
        subject: subject.name(),
        p50_ms: millis(0.5),
        p99_ms: millis(0.99),
        p999_ms: millis(0.999),
        failed: tally.failed,
    })
}
