//! What is looked at while and after: memory, descriptors, threads, what the program counts of itself, and its log.

use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use haechi_core::{Clock, Instant};
use serde::Serialize;

use crate::load::connection::Connection;
use crate::machine::usage::memory_of_tree;
use crate::report::stats::median;

/// Memory at the end may be so much more than after warming up: a share, and as many bytes as the allocator's own
/// steps are.
const GROWTH: f64 = 1.10;
const STEPS: f64 = (4 << 20) as f64;

/// One look at the process.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Sample {
    /// Since the start.
    pub seconds: f64,
    /// Bytes.
    pub memory: u64,
    /// Open ones.
    pub descriptors: usize,
    /// Running ones.
    pub threads: usize,
    /// Sessions of UDP, and connections of HTTP/3; nought when the program didn't say.
    pub udp_sessions: usize,
    pub http3_connections: usize,
}

impl Sample {
    /// Looks; `metrics` is what the program says of itself.
    pub fn take(pid: u32, began: Instant, clock: &dyn Clock, metrics: Option<&str>) -> Self {
        let gauge = |name| metrics.map_or(0, |metrics| sum(metrics, name) as usize);
        let count = |what| fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
        Self {
            seconds: clock.now().since(began).as_secs_f64(),
            memory: memory_of_tree(pid),
            descriptors: count("fd"),
            threads: count("task"),
            udp_sessions: gauge("haechi_udp_sessions"),
            http3_connections: gauge("haechi_http3_connections"),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.memory >> 20;
        write!(f, "{:>5.0} s: {mib} MiB, {} descriptors", self.seconds, self.descriptors)
    }
}

/// Median memory of each sixth of the samples.
pub fn sixths(samples: &[Sample]) -> [f64; 6] {
    std::array::from_fn(|sixth| {
        let part = &samples[samples.len() * sixth / 6..samples.len() * (sixth + 1) / 6];
        median(part.iter().map(|sample| sample.memory as f64))
    })
}

/// Whether memory is what it was: the first sixth warms up, the last may not be above the second.
pub fn is_flat(sixths: &[f64; 6]) -> bool {
    sixths[5] <= sixths[1] * GROWTH + STEPS
}

/// What the program says of itself; `None` when it doesn't answer.
pub async fn metrics(admin: SocketAddr) -> Option<String> {
    let ask = async {
        let mut body = Vec::new();
        let request = b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
        Connection::open(admin).await.ok()?.exchange(request, Some(&mut body)).await.ok()?;
        String::from_utf8(body).ok()
    };
    tokio::time::timeout(Duration::from_secs(20), ask).await.ok()?
}

/// The sum of a metric over its labels.
pub fn sum(metrics: &str, name: &str) -> u64 {
    let of = metrics.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let found = series == name || series.strip_prefix(name)?.starts_with('{');
        found.then(|| value.parse::<f64>().ok()).flatten()
    });
    of.sum::<f64>() as u64
}

/// Lines of the log that tell of a panic, and how many lines there are.
pub fn panics(log: &Path) -> std::io::Result<(Vec<String>, usize)> {
    let (mut found, mut count) = (Vec::new(), 0);
    for line in BufReader::new(fs::File::open(log)?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        count += 1;
        // The line behind it says why.
        if line.contains("panicked") || found.last().is_some_and(|last: &String| last.ends_with(':')) {
            found.push(line.into_owned());
        }
    }
    Ok((found, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(usize) -> u64) -> Vec<Sample> {
        let of = |n| Sample { seconds: n as f64, memory: memory(n) << 20, ..Sample::default() };
        (0..600).map(of).collect()
    }

    #[test]
    fn memory_that_grows_on_is_a_leak_and_warming_up_is_none() {
        assert!(is_flat(&sixths(&samples(|n| if n < 100 { n as u64 } else { 100 + n as u64 % 7 }))));
        assert!(!is_flat(&sixths(&samples(|n| 100 + n as u64 / 10))));
    }

    #[test]
    fn metrics_are_summed_over_their_labels_and_no_other_name() {
        let text = "# HELP a x\na{b=\"1\"} 2\na{b=\"2\"} 3\nab 4\nc 5";
        assert_eq!((sum(text, "a"), sum(text, "c"), sum(text, "d")), (5, 5, 0));
    }
}
