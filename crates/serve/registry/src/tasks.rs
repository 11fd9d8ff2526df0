//! What runs beside the requests: publishing facts, taking evidence, the passing of time.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::Evidence;
use haechi_lease::Verdict;
use haechi_stream::Publisher;
use tokio::sync::watch;

use crate::events;
use crate::shared::Core;

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

/// Publishes a directory after each change, and weighs evidence as it comes. Gives the stream back at the end.
pub(crate) async fn publish(
    core: Arc<Core>,
    mut publisher: Publisher,
    mut stopped: watch::Receiver<bool>,
) -> Publisher {
    let mut witnesses = true;
    tokio::select! {
        () = told(&mut stopped) => return publisher,
        () = core.ready() => {}
    }
    tell(&core, &publisher);
    let pause = tokio::time::sleep(Duration::ZERO);
    tokio::pin!(pause);
    let mut changed = false;
    loop {
        tokio::select! {
            () = told(&mut stopped) => return publisher,
            () = core.changed.notified(), if !changed => changed = true,
            () = pause.as_mut(), if changed => {
                let began = core.clock.now();
                tell(&core, &publisher);
                let took = core.clock.now().since(began);
                pause.set(tokio::time::sleep(PUBLISH_GAP.max(took * (PUBLISH_SHARE - 1))));
                changed = false;
            }
            seen = publisher.evidence(), if witnesses => match seen {
                Some(seen) => {
                    let passage = core.passage.read().await;
                    // A removal waits for nothing: requests are being lost.
                    if passage.is_here() && weigh(&core, &seen) {
                        tell(&core, &publisher);
                    }
                }
                // Every consumer is gone, and none can come back.
                None => witnesses = false,
            },
        }
    }
}

/// Tells everybody who is there, in this process and in others.
fn tell(core: &Core, publisher: &Publisher) {
    let directory = core.state().directory();
    publisher.publish(Arc::clone(&directory));
    core.feed.advance(directory);
}

/// Weighs what somebody in another process saw.
pub(crate) fn weigh_from_afar(core: &Core, seen: &Evidence) {
    if weigh(core, seen) {
        core.changed.notify_one();
    }
}

/// Weighs one observation. True if an instance was removed.
fn weigh(core: &Core, seen: &Evidence) -> bool {
    let (now, wall) = core.time();
    let verdict = {
        let mut state = core.state();
        let verdict = state.evidence(seen, now, wall);
        if let (Verdict::Removed(instance), Some(file)) = (&verdict, core.state_file()) {
            // Nobody waits for an acknowledgement.
            drop(file.keep(Arc::clone(instance)));
        }
        verdict
    };
    match verdict {
        Verdict::Removed(instance) => {
            core.last_n.cancelled(&instance, wall);
            core.events.say("registry", events::removed(&instance, seen.witness));
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
pub(crate) async fn tick(core: Arc<Core>, mut stopped: watch::Receiver<bool>) {
    loop {
        let tick = core.state().policy().tick;
        tokio::select! {
            () = told(&mut stopped) => return,
            () = core.rules.notified() => {}
            () = tokio::time::sleep(tick) => {
                let passage = core.passage.read().await;
                if !passage.is_here() {
                    return;
                }
                tick_once(&core);
            }
        }
    }
}

/// One step of time.
pub(crate) fn tick_once(core: &Core) {
    let (now, wall) = core.time();
    let tick = {
        let mut state = core.state();
        let tick = state.tick(now, wall);
        if let Some(file) = core.state_file() {
            for evicted in &tick.evicted {
                drop(file.keep(Arc::clone(&evicted.instance)));
            }
        }
        tick
    };
    for evicted in &tick.evicted {
        core.last_n.cancelled(&evicted.instance, wall);
        core.events.say("registry", events::evicted(&evicted.instance, evicted.unheard));
    }
    if let Some(begins) = tick.holding {
        core.events.say("registry", events::holding(&tick.preservation, begins));
    }
    if !tick.evicted.is_empty() {
        core.changed.notify_one();
    }
}
