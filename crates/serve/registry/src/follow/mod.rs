//! A registry in another process, followed: its facts become this process's, and what this process sees goes
//! back to it.
//!
//! While no registry answers, what was heard last stays good, in memory and over a restart on disk.

mod eureka;
mod kept;
mod listen;
mod outbox;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haechi_core::{Clock, Instant};
use haechi_lease::Followed;
use haechi_stream::wire::HEARTBEAT;
use haechi_stream::{Events, Publisher};
use haechi_web::client::{Error, Url, client};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::tasks::told;
use crate::view::shown_url;
use kept::Keeper;
use listen::{Listener, News, What};
use outbox::Outbox;

/// For connecting to a registry.
const CONNECT: Duration = Duration::from_secs(1);
/// For an answer: a registry that says nothing for so long is as good as dead.
const SILENCE: Duration = HEARTBEAT.saturating_add(Duration::from_secs(2));
/// For evidence to be taken.
const TELL: Duration = Duration::from_secs(2);
/// News that wait to be taken in.
const NEWS: usize = 4;

/// What is followed.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// Registries that know the same; one at a time is followed. Haechi's by their stream, others by Eureka's
    /// protocol.
    pub urls: Vec<Url>,
    /// How often a registry without the stream is asked.
    pub poll: Duration,
    /// Where the facts survive a restart.
    pub keep: Option<PathBuf>,
}

/// How following goes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FollowView {
    /// The registry that was heard last, without credentials. Nothing before the first.
    pub url: Option<String>,
    /// Why no registry answers, if none does.
    pub problem: Option<String>,
    /// Seconds since a registry was heard. Nothing while only the disk was.
    pub age_secs: Option<u64>,
    /// Instances known.
    pub instances: usize,
    /// Of these, those that no registry lists at the moment.
    pub carried: usize,
    /// Observations that no registry took in time.
    pub evidence_dropped: u64,
}

/// A follower that runs.
pub struct Follower {
    shown: Arc<Mutex<Shown>>,
    clock: Arc<dyn Clock>,
    stop: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<Publisher>>>,
}

#[derive(Default)]
struct Shown {
    view: FollowView,
    heard: Option<Instant>,
}

impl Follower {
    /// Publishes what the disk holds, and begins to follow. Fails only if there can be no HTTP client; then the
    /// stream comes back.
    pub async fn start(
        options: FollowOptions,
        publisher: Publisher,
        events: Events,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, (Error, Publisher)> {
        let (listening, telling) = match (client(CONNECT, SILENCE), client(CONNECT, TELL)) {
            (Ok(listening), Ok(telling)) => (listening, telling),
            (Err(error), _) | (_, Err(error)) => return Err((error, publisher)),
        };
        let mut following = Following {
            followed: Followed::default(),
            keeper: Keeper::new(options.keep.clone(), events.clone()),
            outbox: Outbox::new(telling),
            publisher,
            shown: Arc::default(),
            events,
            clock: Arc::clone(&clock),
        };
        if let Some(services) = following.keeper.recall().await {
            following.followed.whole(services, Duration::ZERO, clock.now());
            following.publish();
        }
        let (stop, stopped) = watch::channel(false);
        let shown = Arc::clone(&following.shown);
        let task = tokio::spawn(following.run(Listener::new(options, listening), stopped));
        Ok(Self { shown, clock, stop, task: tokio::sync::Mutex::new(Some(task)) })
    }

    /// How it goes.
    pub fn status(&self) -> FollowView {
        let shown = shown(&self.shown);
        let age_secs = shown.heard.map(|heard| self.clock.now().since(heard).as_secs());
        FollowView { age_secs, ..shown.view.clone() }
    }

    /// Ends, with everything on disk. Gives the stream back, once.
    pub async fn stop(&self) -> Option<Publisher> {
        self.stop.send_replace(true);
        match self.task.lock().await.take() {
            Some(task) => task.await.ok(),
            None => None,
        }
    }
}

fn shown(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the task has.
struct Following {
    followed: Followed,
    keeper: Keeper,
    outbox: Outbox,
    publisher: Publisher,
    shown: Arc<Mutex<Shown>>,
    events: Events,
    clock: Arc<dyn Clock>,
}

impl Following {
    async fn run(mut self, listener: Listener, mut stopped: watch::Receiver<bool>) -> Publisher {
        let (sender, mut news) = mpsc::channel(NEWS);
        let listening = tokio::spawn(listener.run(sender));
        let mut witnesses = true;
        loop {
            let now = self.clock.now();
            let expiry = self.followed.next_expiry().map(|at| at.since(now));
            let due = self.keeper.due(now);
            tokio::select! {
                () = told(&mut stopped) => break,
                // The listener never ends by itself; should it panic, what is known stays.
                Some(heard) = news.recv() => self.take(heard),
                seen = self.publisher.evidence(), if witnesses => match seen {
                    Some(seen) => {
                        self.followed.evidence(&seen);
                        self.publish();
                        self.outbox.push(seen);
                    }
                    None => witnesses = false,
                },
                () = self.outbox.work(&*self.clock) => {
                    shown(&self.shown).view.evidence_dropped = self.outbox.dropped();
                }
                () = after(expiry) => {
                    let gone = self.followed.expire(self.clock.now());
                    if gone > 0 {
                        self.events.say("registry", format!("{gone} instances did not register again and are let go"));
                        self.publish();
                    }
                }
                () = after(due) => self.keeper.write(self.clock.now()).await,
            }
        }
        listening.abort();
        self.keeper.write(self.clock.now()).await;
        self.publisher
    }

    fn take(&mut self, news: News) {
        let now = self.clock.now();
        let url = shown_url(&news.url);
        match news.what {
            What::Lost(why) => {
                let first = shown(&self.shown).view.problem.replace(why.clone()).is_none();
                if first {
                    let what = format!("{url} doesn't answer ({why}); what was heard last stays in force");
                    self.events.say("registry", what);
                }
                self.outbox.to(None);
                return;
            }
            What::Nothing => {}
            What::Whole { services, settles } => {
                self.followed.whole(services, settles, now);
                self.publish();
                let carried = self.followed.carried();
                if carried > 0 {
                    let secs = settles.as_secs();
                    self.events.say(
                        "registry",
                        format!(
                            "{url} doesn't know {carried} instances; they have {secs} s to register again"
                        ),
                    );
                }
            }
            What::Part { services, removed } => {
                self.followed.part(services, &removed);
                self.publish();
            }
        }
        self.outbox.to(news.takes_evidence.then_some(news.url));
        let mut shown = shown(&self.shown);
        shown.heard = Some(now);
        let again = shown.view.problem.take().is_some() || shown.view.url.as_ref() != Some(&url);
        shown.view.url = Some(url.clone());
        drop(shown);
        if again {
            self.events.say("registry", format!("following {url}"));
        }
    }

    fn publish(&mut self) {
        let directory = self.followed.directory();
        let mut shown = shown(&self.shown);
        shown.view.instances = directory.services.values().map(|service| service.instances.len()).sum();
        shown.view.carried = self.followed.carried();
        drop(shown);
        self.publisher.publish(Arc::clone(&directory));
        self.keeper.keep(directory, self.clock.now());
    }
}

/// Waits so long; for ever if there is nothing to wait for.
async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
