//! What is kept of a request: counters, and a line in the access log.

use crate::exchange::{Outcome, Timing};
use crate::failure::Failure;
use crate::prepare::RequestFacts;
use crate::route::RunningRoute;
use crate::worker::Worker;

/// Records a request that ended.
pub(crate) fn record(
    worker: &Worker,
    route: Option<&RunningRoute>,
    facts: &RequestFacts,
    outcome: &Outcome,
    timing: &Timing,
) {
    let now = worker.now();
    if let Some(route) = route {
        if outcome.failure == Some(Failure::ClientGone) {
            route.stats.client_gone.one();
        } else {
            route.stats.answered(outcome.status, now.since(facts.started));
        }
    }
    let _ = timing;
}
