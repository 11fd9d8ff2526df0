//! Many clients boot at once while the git remote accepts connections and never answers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Clock;
use serde::Serialize;

use super::repository::Remote;
use super::server::{Kind, Server};
use super::{Options, check, get};
use crate::error::Error;
use crate::load::closed;

/// How long a client waits for its configuration: Spring's client gives up much earlier or much later,
/// depending on its version.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Haechi may take to notice that it should look for changes, and to hang in doing so.
const NOTICE: Duration = Duration::from_secs(3);

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Boot {
    subject: &'static str,
    clients: usize,
    answered: u64,
    failed: u64,
    failures: String,
    fetches_hanging: usize,
    all_within_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Starts a server on a remote, lets the remote hang, and boots `options.boots` clients, each on its own
/// connection.
pub async fn storm(
    options: &Options,
    kind: Kind,
    folder: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Boot, Error> {
    let remote = Remote::serve(folder).await?;
    let own = folder.join(format!("{kind:?}-boot"));
    let server = Server::start(kind, options, &own, &remote.url("properties"), "1s").await?;
    let length = check(&server).await?;
    remote.hang();
    tokio::time::sleep(NOTICE).await;
    let started = clock.now();
    let count = options.boots as u64;
    let target = (server.address, options.boots);
    let tally = closed::each(target, count, get(Some(length)), clock, PATIENCE).await;
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    Ok(Boot {
        subject: kind.name(),
        clients: options.boots,
        answered: tally.answered,
        failed: tally.failed,
        failures: tally.failures(),
        fetches_hanging: remote.held(),
        all_within_ms: millis(clock.now().since(started)),
        p50_ms: millis(tally.latency.quantile(0.5)),
        p99_ms: millis(tally.latency.quantile(0.99)),
    })
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} clients boot while the remote hangs ({} fetches without an answer): {} answered right, {} not; \
             p50 {:.0} ms, p99 {:.0} ms, all over after {:.0} ms",
            self.subject,
            self.clients,
            self.fetches_hanging,
            self.answered,
            self.failed,
            self.p50_ms,
            self.p99_ms,
            self.all_within_ms
        )?;
        if self.failures.is_empty() { Ok(()) } else { write!(f, "; {}", self.failures) }
    }
}
