//! What is kept of a request: counters, and a line in the access log.

use crate::access_log::Entry;
use crate::client::Client;
use crate::exchange::{Outcome, Timing};
use crate::failure::Failure;
use crate::prepare::RequestFacts;
use crate::route::RunningRoute;
use crate::worker::Worker;

/// Records a request that ended.
pub(crate) fn record(
    worker: &Worker,
    client: &Client,
    route: Option<&RunningRoute>,
    facts: &RequestFacts,
    outcome: &Outcome,
    timing: &Timing,
) {
    let now = worker.now();
    if let Some(failure) = outcome.failure {
        worker.stats.limits.struck(failure);
    }
    if let Some(route) = route {
        if outcome.failure == Some(Failure::ClientGone) {
            route.stats.client_gone.one();
        } else {
            route.stats.answered(outcome.status, now.since(facts.started));
        }
    }
    let plan = worker.plan.borrow();
    if let Some(writer) = &plan.log {
        let wall = worker.wall(now);
        let entry = Entry { client: &client.facts, route, facts, outcome, timing, now, wall };
        worker.lines.add(writer, &entry, &worker.stats.access_log_dropped);
    }
}
