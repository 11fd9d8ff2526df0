//! What runs beside the requests: publishing facts, taking evidence, the passing of time.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::Evidence;
use haechi_lease::Verdict;
use haechi_stream::Publisher;
use tokio::sync::watch;

use crate::events;
use crate::shared::Shared;

/// Between two directories at least, so that many registrations at once become few directories. A single one
/// waits for nothing.
const PUBLISH_GAP: Duration = Duration::from_millis(2);
/// Making directories takes at most one part in so many of the time: it holds the state's lock.
const PUBLISH_SHARE: u32 = 5;

/// Returns when the registry stops.
pub(crate) async fn told(stopped: &mut watch::Receiver<bool>) {
    // An error means that its handle is gone, which comes to the same.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Publishes a directory after each change, and weighs evidence as it comes.
pub(crate) async fn publish(
    shared: Arc<Shared>,
    mut publisher: Publisher,
    mut stopped: watch::Receiver<bool>,
) {
    let mut witnesses = true;
    tokio::select! {
        () = told(&mut stopped) => return,
        () = shared.ready() => {}
    }
    publisher.publish(shared.state().directory());
    let pause = tokio::time::sleep(Duration::ZERO);
    tokio::pin!(pause);
    let mut changed = false;
    loop {
        tokio::select! {
            () = told(&mut stopped) => return,
            () = shared.changed.notified(), if !changed => changed = true,
            () = pause.as_mut(), if changed => {
                let began = shared.clock.now();
                publisher.publish(shared.state().directory());
                let took = shared.clock.now().since(began);
                pause.set(tokio::time::sleep(PUBLISH_GAP.max(took * (PUBLISH_SHARE - 1))));
                changed = false;
            }
            seen = publisher.evidence(), if witnesses => match seen {
                Some(seen) => {
                    // A removal waits for nothing: requests are being lost.
                    if weigh(&shared, &seen) {
                        publisher.publish(shared.state().directory());
                    }
                }
                // Every consumer is gone, and none can come back.
                None => witnesses = false,
            },
        }
    }
}

/// Weighs one observation. True if an instance was removed.
fn weigh(shared: &Shared, seen: &Evidence) -> bool {
    let (now, wall) = shared.time();
    let verdict = {
        let mut state = shared.state();
        let verdict = state.evidence(seen, now, wall);
        if let (Verdict::Removed(instance), Some(file)) = (&verdict, &shared.state_file) {
            // Nobody waits for an acknowledgement.
            drop(file.keep(Arc::clone(instance)));
        }
        verdict
    };
    match verdict {
        Verdict::Removed(instance) => {
            shared.last_n.cancelled(&instance, wall);
            shared.events.say("registry", events::removed(&instance, seen.witness));
            true
        }
        Verdict::Kept(instance, why) => {
            tracing::debug!("{}", events::kept(&instance, seen.witness, why));
            false
        }
        Verdict::Counted(_) | Verdict::NoSuchInstance => false,
    }
}

/// Lets time pass for the leases.
pub(crate) async fn tick(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = told(&mut stopped) => return,
            () = tokio::time::sleep(shared.options.policy.tick) => tick_once(&shared),
        }
    }
}

/// One step of time.
pub(crate) fn tick_once(shared: &Shared) {
    let (now, wall) = shared.time();
    let tick = {
        let mut state = shared.state();
        let tick = state.tick(now, wall);
        if let Some(file) = &shared.state_file {
            for evicted in &tick.evicted {
                drop(file.keep(Arc::clone(&evicted.instance)));
            }
        }
        tick
    };
    for evicted in &tick.evicted {
        shared.last_n.cancelled(&evicted.instance, wall);
        shared.events.say("registry", events::evicted(&evicted.instance, evicted.unheard));
    }
    if let Some(begins) = tick.holding {
        shared.events.say("registry", events::holding(&tick.preservation, begins));
    }
    if !tick.evicted.is_empty() {
        shared.changed.notify_one();
    }
}
