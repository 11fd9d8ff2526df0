//! HTTP/2 and TLS by nghttp2's `h2load`: a load generator of others, which has no reason to favour anybody.

use std::path::Path;
use std::time::Duration;

use super::measure::Sample;
use super::rows::{By, Row};
use super::{Options, Subject};
use crate::error::Error;
use crate::grpc;
use crate::machine::child::Child;
use crate::machine::usage::cpu_of_tree;
use crate::peers::install;

/// Requests for each second that a measurement should take: what one core about serves.
const RATE: f64 = 40_000.0;

/// How often to look whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Measures `subject` once. CPU time is that of the whole run, its connecting included.
pub async fn one(options: &Options, subject: &Subject, row: Row) -> Result<Sample, Error> {
    let program = install::ensure_from("h2load", "nghttp2-client")?;
    let running = &subject.running;
    let target = match running.tls {
        Some(tls) if row.by.is_tls() => format!("https://{tls}{}", row.path),
        _ => format!("http://{}{}", running.http2, row.path),
    };
    // What the gateway does once for its connections is done.
    run(options, &program, &target, row, options.connections as u64 * 10).await?;
    let pid = subject.running.child.pid();
    let before = cpu_of_tree(pid);
    let requests = (options.seconds * RATE) as u64;
    let Told { succeeded, seconds, bytes } = run(options, &program, &target, row, requests).await?;
    if succeeded == 0 {
        return Err(Error::Missed(format!("{} answered nothing at {target}", subject.name())));
    }
    if succeeded == requests && bytes != requests * row.length as u64 {
        return Err(Error::Missed(format!(
            "{} answered {requests} requests with {bytes} bytes, not {} each",
            subject.name(),
            row.length
        )));
    }
    Ok(Sample {
        requests: succeeded,
        failed: requests - succeeded,
        failures: String::new(),
        seconds,
        cpu: cpu_of_tree(pid) - before,
        p50_ms: f64::NAN,
        p99_ms: f64::NAN,
    })
}

/// What h2load tells of a run.
#[derive(Debug, PartialEq)]
struct Told {
    /// Requests answered with 2xx.
    succeeded: u64,
    /// From its start to its end.
    seconds: f64,
    /// Of all bodies.
    bytes: u64,
}

async fn run(
    options: &Options,
    program: &Path,
    target: &str,
    row: Row,
    requests: u64,
) -> Result<Told, Error> {
    let folder = tempfile::tempdir()?;
    let output = folder.path().join("output");
    let streams = if let By::Http2 { streams, .. } | By::Grpc { streams } = row.by { streams } else { 1 };
    let mut args = vec![
        "-n".to_owned(),
        requests.to_string(),
        "-c".to_owned(),
        options.connections.to_string(),
        "-m".to_owned(),
        streams.to_string(),
    ];
    if row.by == By::Tls {
        args.push("--h1".to_owned());
    }
    if let By::Grpc { .. } = row.by {
        let body = folder.path().join("body");
        std::fs::write(&body, grpc::body())?;
        args.push(format!("--data={}", body.display()));
        args.extend([format!("--header=content-type: {}", grpc::TYPE), "--header=te: trailers".to_owned()]);
    }
    args.push(target.to_owned());
    let mut child = Child::start(&options.cores.client_core.to_string(), program, &args, &output)?;
    // The service behind the gateway runs on this thread.
    while !child.has_ended() {
        tokio::time::sleep(LOOK).await;
    }
    let text = std::fs::read_to_string(&output)?;
    told(&text).ok_or_else(|| Error::Missed(format!("h2load said:\n{text}")))
}

/// From `finished in 1.23s, …`, `requests: … 100 succeeded, …` and `traffic: … 12.50KB (12800) data`.
fn told(text: &str) -> Option<Told> {
    let seconds = text.lines().find_map(|line| line.strip_prefix("finished in "))?;
    let seconds = seconds.split(',').next()?;
    let seconds = match seconds.strip_suffix("ms") {
        Some(millis) => millis.parse::<f64>().ok()? / 1e3,
        None => seconds.strip_suffix('s')?.parse().ok()?,
    };
    let requests = text.lines().find_map(|line| line.strip_prefix("requests: "))?;
    let succeeded = requests.split(", ").find_map(|part| part.strip_suffix(" succeeded"))?;
    let traffic = text.lines().find_map(|line| line.strip_prefix("traffic: "))?;
    let bytes = traffic.strip_suffix(") data")?.rsplit_once('(')?.1;
    Some(Told { succeeded: succeeded.parse().ok()?, seconds, bytes: bytes.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::{Told, told};

    #[test]
    fn what_h2load_prints_is_read() {
        let text = "starting benchmark...\n\nfinished in 1.50s, 66 req/s, 1KB/s\n\
            requests: 100 total, 100 started, 100 done, 99 succeeded, 1 failed, 1 errored, 0 timeout\n\
            traffic: 14.94KB (15300) total, 1.95KB (2000) headers (space savings 90.00%), 12.38KB (12672) data\n";
        assert_eq!(told(text), Some(Told { succeeded: 99, seconds: 1.5, bytes: 12672 }));
        let quicker = told(&text.replace("1.50s", "250.00ms"));
        assert_eq!(quicker.map(|told| told.seconds), Some(0.25));
        assert_eq!(told("nonsense"), None);
    }
}
