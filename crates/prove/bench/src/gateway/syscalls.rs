//! System calls a request, by strace, in a run of its own since tracing changes everything else.

use std::path::Path;

use rustix::process::Signal;

use super::rows::Row;
use super::{Options, Subject, measure};
use crate::error::Error;
use crate::machine::child::Child;
use crate::machine::usage::tree;
use crate::peers::install;

/// System calls of `subject` for each request while under load.
pub async fn per_request(options: &Options, subject: &Subject, row: Row) -> Result<f64, Error> {
    let strace = install::ensure("strace")?;
    let folder = tempfile::tempdir()?;
    let summary = folder.path().join("summary");
    let mut args = vec!["-f".to_owned(), "-c".to_owned(), "-o".to_owned(), summary.display().to_string()];
    for pid in tree(subject.running.child.pid()) {
        args.extend(["-p".to_owned(), pid.to_string()]);
    }
    let mut tracer =
        Child::start(&options.cores.client_core.to_string(), &strace, &args, &folder.path().join("output"))?;
    let sample = measure::one(options, subject, row).await;
    // strace counts from attaching on, so the warm-up is in its count: both are scaled to whole runs.
    tracer.signal(Signal::INT)?;
    tracer.wait()?;
    let requests = sample.requests as f64 * (options.seconds + options.warm_up) / options.seconds;
    Ok(total_calls(&summary)? / requests)
}

/// The count in the last line of strace's summary, `100.00 seconds usecs/call calls errors total`.
fn total_calls(summary: &Path) -> Result<f64, Error> {
    let text = std::fs::read_to_string(summary)?;
    let total = text.lines().rev().find(|line| line.ends_with(" total"));
    let calls = total.and_then(|line| line.split_ascii_whitespace().nth(3)?.parse().ok());
    calls.ok_or_else(|| Error::Missed(format!("strace's summary has no total:\n{text}")))
}
