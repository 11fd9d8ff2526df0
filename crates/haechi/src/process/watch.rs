//! What goes on beside the requests: the traffic's samples, the registry's services, the import.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::ServiceName;
use haechi_gateway::AcmeStatus;

use super::{IMPORT_AGAIN, Process, overview};

/// One sample of traffic.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Samples the traffic once a second.
pub async fn traffic(process: Arc<Process>) {
    let mut stop = process.stop.subscribe();
    let mut tick = tokio::time::interval(SAMPLE_EVERY);
    let mut orders = Vec::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let seen = process.seen().await;
        process.traffic.sample(process.clock.wall(), overview::totals(&seen));
        for what in news(&orders, &seen.acme) {
            process.events.say("gateway", what);
        }
        orders = seen.acme;
    }
}

/// What became of orders of certificates since the last look.
fn news(before: &[AcmeStatus], now: &[AcmeStatus]) -> Vec<String> {
    let changed = now.iter().filter_map(|now| {
        let before = before.iter().find(|old| (&old.name, &old.directory) == (&now.name, &now.directory));
        if now.failures > before.map_or(0, |before| before.failures) {
            return Some(format!("no certificate for {}: {}", now.name, now.why));
        }
        // One that was found on disk, as after an upgrade, is not new.
        (now.issued > before.map_or(0, |before| before.issued))
            .then(|| format!("there is a new certificate for {}", now.name))
    });
    changed.collect()
}

/// Zuul routes every service of the registry unless told otherwise: when a service comes or goes, the import is
/// lowered again.
/// `known` are those that it was lowered with.
pub async fn discovered(process: Arc<Process>, mut known: Vec<ServiceName>) {
    let mut stop = process.stop.subscribe();
    let mut subscriber = process.subscriber.clone();
    loop {
        let now: Vec<_> = subscriber.current().services.keys().cloned().collect();
        if now == known {
            tokio::select! {
                alive = subscriber.changed() => if !alive { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            continue;
        }
        known = now;
        {
            let mut sources = process.sources.lock().await;
            let Some(imported) = &sources.imported else { continue };
            let again = imported.rediscovered(&known);
            sources.imported = Some(again);
        }
        if let Err(error) = process.apply("services changed").await {
            process.events.say("gateway", format!("the routes stay as they are: {error}"));
        }
    }
}

/// Reads the import again: as often as the file says, and soon after it could not be read.
pub async fn import(process: Arc<Process>) {
    let mut stop = process.stop.subscribe();
    loop {
        let every = process.sources.lock().await.lowered.zuul.as_ref().map(|zuul| zuul.refresh);
        let failing = process.shown().import_problem.is_some();
        let wait = match every {
            Some(_) if failing => IMPORT_AGAIN,
            Some(every) if !every.is_zero() => every,
            // Nothing to do until a reload or a refresh says otherwise.
            _ => IMPORT_AGAIN,
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let due = every.is_some_and(|every| !every.is_zero()) || process.shown().import_problem.is_some();
        if due
            && process.read_import().await.is_ok()
            && let Err(error) = process.apply("configuration changed").await
        {
            process.events.say("gateway", format!("the routes stay as they are: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_was_found_is_no_news_and_one_that_came_is() {
        let status = |issued, failures| AcmeStatus {
            name: "a.example".into(),
            not_after: (issued > 0 || failures == 0).then_some(9),
            issued,
            failures,
            ..AcmeStatus::default()
        };
        assert!(news(&[], &[status(0, 0)]).is_empty(), "found on disk");
        assert!(news(&[AcmeStatus { not_after: None, ..status(0, 0) }], &[status(0, 0)]).is_empty());
        assert_eq!(news(&[status(0, 0)], &[status(1, 0)]), ["there is a new certificate for a.example"]);
        assert_eq!(news(&[], &[status(0, 1)]), ["no certificate for a.example: "]);
        assert!(news(&[status(0, 1)], &[status(0, 1)]).is_empty(), "said already");
    }
}
